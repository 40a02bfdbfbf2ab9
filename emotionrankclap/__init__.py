"""Speech and descriptions of how it sounds in one space, ordered by valence and arousal: what people import.

Everything is made in `pipeline`; here it has names that last. An encoder is loaded when it is first asked for.
"""

from importlib.metadata import version

import lazy_loader

__version__ = version("emotionrankclap")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
