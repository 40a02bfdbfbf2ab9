"""The card of a model: what a hub and a reader find in it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from pipeline.use.card import card_of
from tests.encoders.hubs import SPEECH, SPEECH_COMMIT, TEXT, TEXT_COMMIT
from tests.use.conftest import ORIGIN, make_bank, make_model


def of_the_papers_encoders(**changed):
    made = make_model()
    speech = replace(made.speech, model=SPEECH, revision=SPEECH_COMMIT)
    text = replace(made.text, model=TEXT, revision=TEXT_COMMIT)
    return replace(made, speech=speech, text=text, **changed)


def test_its_front_matter_is_what_a_hub_reads():
    card = ModelCard(card_of(of_the_papers_encoders()))
    data = card.data.to_dict()
    assert data["base_model"] == [SPEECH, TEXT]
    assert (data["language"], data["library_name"], data["license"]) == ("en", "emotionrankclap", "unknown")
    assert {result.metric_type: result.metric_value for result in card.data.eval_results} == {
        "aoc": 0.51234,
        "voc": 0.4,
        "w1": 0.25,
        "mmd": 0.125,
    }
    first = card.data.eval_results[0]
    assert (first.dataset_name, first.dataset_split) == ("sample corpus (synthetic speech)", "test1")
    for commit in (SPEECH_COMMIT, TEXT_COMMIT):
        assert commit in card.text


def test_a_licence_is_said_where_the_owner_has_named_one():
    card = ModelCard(card_of(replace(make_model(), origin=ORIGIN | {"license": "cc-by-4.0"})))
    assert card.data.license == "cc-by-4.0"
    assert "named none" not in card.text


def test_it_says_what_it_was_trained_on_and_how():
    made = make_model()
    told = card_of(replace(made, bank=make_bank(made)), "owner/name")
    for words in (
        "**Trained on synthetic speech**",
        "On sample corpus (synthetic speech): 100 clips for train, 20 for test1.",
        "| `learning_rate` | 0.001 |",
        "seed 0",
        "| AOC | 0.512 |",
        "the mean over 3 draws of pairs for the distances and 14 lists for each order",
        'EmotionRankCLAP.from_pretrained("owner/name")',
        "6 captions",
        "the offline lexicon",
    ):
        assert words in told, words


def test_it_says_its_limits_and_what_it_must_not_be_used_for():
    told = " ".join(card_of(of_the_papers_encoders()).split())
    for words in (
        "trained on English alone",
        "not zero-shot",
        "hiring",
        "policing",
        "diagnosis",
        "workers or pupils",
        "AI Act forbids",
        "Neither is a probability",
    ):
        assert words in told, words
    assert "synthetic sample corpus alone" not in told
    sample = " ".join(card_of(make_model()).split())
    assert "The speech and the text encoder were made for the synthetic sample corpus alone" in sample
    assert "MSP-Podcast" not in sample
    made = make_model()
    of_a_folder = card_of(replace(made, speech=replace(made.speech, model="ours")))
    assert "its owner alone can say" in of_a_folder


def test_people_are_not_called_synthetic_and_what_ranks_nothing_is_not_said_to():
    corpus = {"name": "MSP-Podcast", "synthetic": False, "clips": {"train": 90_022}}
    told = card_of(
        of_the_papers_encoders(origin=ORIGIN | {"corpus": corpus, "loss": "symmetric-cross-entropy"})
    )
    assert "ynthetic" not in told
    assert "order of valence and arousal is kept" not in told


@pytest.mark.parametrize(
    "origin",
    [
        {},
        {"figures": None, "corpus": None, "settings": None, "title": None},
        {"figures": {"aoc": "x", "trials": "y"}, "corpus": [], "settings": 7, "seed": {}},
        {"title": "a | b\n---\n# c", "corpus": {"name": "d\n\n# e"}, "method": "`{{ f }}`"},
    ],
)
def test_whatever_is_said_of_its_origin_it_is_a_card(origin):
    card = ModelCard(card_of(replace(make_model(), origin=origin)))
    assert card.data.license == "unknown"
    assert "## Its limits" in card.text
    assert "\n# e" not in card.text
    assert "\n# c" not in card.text
