# What other rooms use of this one; each name is imported when it is first asked for.

from .espeak import Espeak as Espeak
from .takes import Take as Take, perform_take as perform_take, plan as plan
from .voices import CORPUS_VARIANTS as CORPUS_VARIANTS, draw_speaker as draw_speaker
