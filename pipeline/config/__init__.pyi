# What other rooms use of this one; each name is imported when it is first asked for.

from .captions import Caption as Caption, LlmCaptions as LlmCaptions, Plane as Plane
from .corpora import (
    Iemocap as Iemocap,
    MspEmotion as MspEmotion,
    MspPodcast as MspPodcast,
    Prepare as Prepare,
)
from .encoders import Extract as Extract
from .loading import Params as Params, load_params as load_params
from .reading import PARAMS_FILE as PARAMS_FILE, read_params as read_params
from .runtime import LlmRuntime as LlmRuntime, Runtime as Runtime, check_base_url as check_base_url
from .training import Evaluate as Evaluate, Train as Train
