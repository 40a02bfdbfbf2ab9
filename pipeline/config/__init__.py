"""params.yaml in, typed models out. Knows which keys there are and what each may hold; imports nothing of ours."""

from pipeline.config.captions import Caption, LlmCaptions
from pipeline.config.corpora import Iemocap, MspEmotion, MspPodcast, Prepare
from pipeline.config.encoders import Extract, SpeechSettings, TextSettings
from pipeline.config.loading import PARAMS_FILE, Params, load_params
from pipeline.config.runtime import LlmRuntime, Runtime, check_base_url
from pipeline.config.training import METHOD_NAMES, Evaluate, Train

__all__ = [
    "METHOD_NAMES",
    "PARAMS_FILE",
    "Caption",
    "Evaluate",
    "Extract",
    "Iemocap",
    "LlmCaptions",
    "LlmRuntime",
    "MspEmotion",
    "MspPodcast",
    "Params",
    "Prepare",
    "Runtime",
    "SpeechSettings",
    "TextSettings",
    "Train",
    "check_base_url",
    "load_params",
]
