"""Stage one past one machine: a part of it as a job of its own. Knows features and what is below, no command."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
