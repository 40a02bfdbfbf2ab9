"""Files written whole, JSON read, progress, threads, devices, wording: what knows nothing of speech or emotion."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
