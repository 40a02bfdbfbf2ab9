"""A corpus on disk in, utterances and what was found of every clip out. Knows no features."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
