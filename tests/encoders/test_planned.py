"""The recipes that are planned are those that the encoders have."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from pipeline.config import Extract
from pipeline.config.encoders import SpeechSettings, TextSettings
from pipeline.encoders import SpeechEncoder, TextEncoder
from pipeline.encoders.planned import planned_recipes


def settings(speech: str, text: str, pooling: str = "attentive-mean", padding: str = "masked") -> Extract:
    return Extract(
        compute_dtype="bfloat16",
        speech=SpeechSettings(
            model=speech, revision=None, pooling=pooling, padding=padding, crop_seconds=7.0
        ),
        text=TextSettings(model=text, revision=None, max_tokens=64),
    )


@pytest.mark.parametrize(
    "pooling", ["attentive-mean", "attentive-std", "attentive-stats", "regressor-hidden"]
)
@pytest.mark.parametrize("padding", ["masked", "literal"])
def test_planned_recipes_are_those_of_the_encoders(speech_checkpoint, text_checkpoint, pooling, padding):
    planned = planned_recipes(settings(str(speech_checkpoint), str(text_checkpoint), pooling, padding))
    speech = SpeechEncoder.from_pretrained(
        str(speech_checkpoint), pooling, padding=padding, crop_seconds=7.0, dtype=torch.bfloat16
    )
    text = TextEncoder.from_pretrained(str(text_checkpoint), max_tokens=64, dtype=torch.bfloat16)
    assert [r.to_json() for r in planned] == [speech.recipe.to_json(), text.recipe.to_json()]


def test_planned_recipes_of_the_builtin_models_are_those_of_the_encoders():
    names = "builtin:sample-speech", "builtin:sample-text"
    planned = planned_recipes(settings(*names))
    speech = SpeechEncoder.from_pretrained(names[0], crop_seconds=7.0, dtype=torch.bfloat16)
    text = TextEncoder.from_pretrained(names[1], max_tokens=64, dtype=torch.bfloat16)
    assert planned == (speech.recipe, text.recipe)


def test_a_model_that_is_not_here_is_named_and_not_fetched(text_checkpoint):
    with pytest.raises(
        RuntimeError, match="'nobody/nothing' must be a folder, or a hub model .* fetched once"
    ):
        planned_recipes(settings("nobody/nothing", str(text_checkpoint)))


def test_planning_imports_no_torch():
    code = "import sys, stages.cache.plan, stages.cache.gc, stages.cache.merge, stages.cache.export\n"
    code += "import stages.cache.compact, stages.cache.status, stages.cache.verify\n"
    code += "print(sorted({'torch', 'transformers', 'dvc', 'huggingface_hub'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
