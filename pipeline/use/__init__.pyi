# What other rooms use of this one; each name is imported when it is first asked for.

from .folder import MODEL_FOLDER as MODEL_FOLDER
from .index.building import Summary as Summary, build_index as build_index
from .index.disk import UNREADABLE_FILE as UNREADABLE_FILE
from .index.index import Hit as Hit, Index as Index
from .model import EmotionRankCLAP as EmotionRankCLAP
from .page.library import Library as Library
from .page.serving import Server as Server
from .recording import hear as hear
