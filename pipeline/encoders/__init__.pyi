# What other rooms use of this one; each name is imported when it is first asked for.

from .loading import (
    load_speech_encoder as load_speech_encoder,
    load_text_encoder as load_text_encoder,
)
from .planned import planned_recipes as planned_recipes
from .ser import SERConfig as SERConfig, SERModel as SERModel
from .speech import SpeechEncoder as SpeechEncoder
from .state import checkpoint_state as checkpoint_state
from .text import TextEncoder as TextEncoder
