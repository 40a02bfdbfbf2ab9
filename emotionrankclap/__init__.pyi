from .encoders import SpeechEncoder as SpeechEncoder, TextEncoder as TextEncoder
from .model import EmotionRankCLAP as EmotionRankCLAP

__version__: str
