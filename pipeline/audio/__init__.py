"""Any audio file in, mono float32 at 16 kHz out, or why not. Knows files and samples, nothing of corpora."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
