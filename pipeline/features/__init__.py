"""Frozen features in, stored once; pairs of speech and text out. Knows shards, teams and recipes, no training."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
