"""A model and an index in, a page and a JSON API to search with out. Alone in importing a web framework."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
