# What other rooms use of this one; each name is imported when it is first asked for.

from .folder import MODEL_FOLDER as MODEL_FOLDER
from .model import EmotionRankCLAP as EmotionRankCLAP
