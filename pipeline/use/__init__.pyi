# What other rooms use of this one; each name is imported when it is first asked for.

from .bank import CaptionBank as CaptionBank
from .folder import Encoder as Encoder, Model as Model
from .model import EmotionRankCLAP as EmotionRankCLAP
from .saving import check_ours as check_ours
