"""EmotionRankCLAP+: its own settings, and its loss against plain loops; the paper's method stays as it is."""

from __future__ import annotations

import pytest

from pipeline.config import load_params
from pipeline.methods import METHODS, learns_from_plane, settings_of, training_settings
from tests.imports import ROOT

PARAMS = load_params(ROOT / "stages/profiles/paper.yaml")
PLUS = "emotionrankclap-plus"


def test_every_method_but_plus_trains_as_params_say():
    for name in METHODS:
        written = PARAMS.train.model_dump(exclude={"methods", "seed", "seeds"})
        own = METHODS[PLUS].overrides if name == PLUS else {}
        assert training_settings(PARAMS.train, name) == written | own


def test_the_papers_method_is_one_way_and_weighs_anchors_alike():
    settings = training_settings(PARAMS.train, "emotionrankclap")
    assert (settings["directions"], settings["candidates"]) == ("speech-to-text", "farther")
    assert (settings["anchor_weights"], settings["relu"]) == ("equal", True)


def test_plus_alone_learns_from_the_plane_unless_params_say_otherwise():
    assert [name for name in METHODS if learns_from_plane(PARAMS.train, name)] == [PLUS]
    everywhere = PARAMS.train.model_copy(update={"plane_captions": 8})
    assert [name for name in METHODS if learns_from_plane(everywhere, name)] == ["emotionrankclap", PLUS]


def test_a_method_that_is_none_has_no_settings():
    with pytest.raises(ValueError, match="a method must be one of .* found 'emotionrankclip'"):
        settings_of(PARAMS.train, "emotionrankclip")
