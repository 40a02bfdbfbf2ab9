"""Labels in, sentences about the speaking style out. Knows no features; `measuring` alone hears audio."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
