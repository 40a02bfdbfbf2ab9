"""Pairs in, trained projection heads out. Knows features and losses, neither audio nor measures."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
