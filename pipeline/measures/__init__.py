"""Embeddings in, numbers out: alignment, ordinality, probes, retrieval, significance. Knows no heads, no files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
