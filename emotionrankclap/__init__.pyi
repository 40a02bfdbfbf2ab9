from .encoders import SpeechEncoder as SpeechEncoder, TextEncoder as TextEncoder

__version__: str
