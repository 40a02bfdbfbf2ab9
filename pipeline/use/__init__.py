"""A trained model in use: recordings and sentences in, places, matches and words out. Knows no labels, no DVC."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
