# What other rooms use of this one; each name is imported when it is first asked for.

from .bank import CaptionBank as CaptionBank
from .folder import Encoder as Encoder, Model as Model
from .index.building import build_index as build_index
from .index.disk import UNREADABLE_FILE as UNREADABLE_FILE
from .index.index import Hit as Hit, Index as Index
from .model import EmotionRankCLAP as EmotionRankCLAP
from .page.library import Library as Library
from .page.serving import Server as Server
from .recording import hear as hear
from .saving import check_ours as check_ours
