"""params.yaml in, typed models out. Knows which keys there are and what each may hold; imports nothing of ours."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
