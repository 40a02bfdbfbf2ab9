# What other rooms use of this one; each name is imported when it is first asked for.

from .asking import (
    Access as Access,
    NotOnHubError as NotOnHubError,
    UnreachableError as UnreachableError,
    reasons_told as reasons_told,
    within as within,
)
from .hub import Needs as Needs, from_hub as from_hub, listing as listing
from .inputs import (
    Recording as Recording,
    Sound as Sound,
    as_sentences as as_sentences,
    as_sounds as as_sounds,
)
from .loading import (
    load_speech_encoder as load_speech_encoder,
    load_text_encoder as load_text_encoder,
)
from .planned import planned_recipes as planned_recipes
from .ser import SERConfig as SERConfig, SERModel as SERModel
from .speech import Pooling as Pooling, SpeechEncoder as SpeechEncoder
from .state import checkpoint_state as checkpoint_state
from .text import TextEncoder as TextEncoder
