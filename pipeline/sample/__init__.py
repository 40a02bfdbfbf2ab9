"""Nothing in, the synthetic sample corpus out, and its two small checkpoints. Knows captions and encoders."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
