"""Numbers in, tables, plots and the files behind the page out: what `erclap eval` writes to results/."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
