"""ParaCLAP's sentences: low, normal and high as the training clips have it."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.captions.acoustics import Acoustics
from pipeline.captions.captioning import acoustic_variants, caption_utterances
from pipeline.captions.paraclap import FEATURE_SETS, caption_acoustics, fit_bins, level
from pipeline.manifest import Utterance

NAN = math.nan
SPLITS = ["train"] * 40 + ["development"] * 10 + ["test1"] * 10


def corpus(seed: int = 0) -> tuple[list[Utterance], dict[str, Acoustics]]:
    rng = np.random.default_rng(seed)
    utterances = [Utterance(f"clip-{i}", f"{i}.wav", split, 4.0, 4.0) for i, split in enumerate(SPLITS)]
    return utterances, {u.id: Acoustics(*rng.uniform(1, 2, 7)) for u in utterances}


UTTERANCES, MEASURED = corpus()


def captions(utterances=UTTERANCES, measured=MEASURED, features="paper") -> dict[str, str]:
    table = caption_utterances(utterances, "paraclap", 0, acoustic_variants(measured, features))
    return {row["utterance_id"]: row["text"] for row in table.to_pylist()}


def quantile(values: list[float], share: float) -> float:
    """By hand: between the two values that the share falls between."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


@given(st.lists(st.one_of(st.just(NAN), st.integers(0, 6).map(float)), max_size=30))
def test_bins_are_the_quantiles_of_what_is_not_missing(values):
    known = [value for value in values if not math.isnan(value)]
    bins = fit_bins(values)
    assert (bins is None) == (not known)
    if bins:
        assert bins == pytest.approx((quantile(known, 0.3), quantile(known, 0.7)))


def test_about_three_training_clips_in_ten_are_low_and_three_high():
    values = list(range(100))
    bins = fit_bins([float(value) for value in values])
    assert Counter(level(value, bins) for value in values) == {"low": 30, "normal": 40, "high": 30}


def test_where_all_training_clips_are_alike_everything_is_normal():
    bins = fit_bins([5.0] * 10)
    assert {level(value, bins) for value in (4.0, 5.0, 6.0)} == {"normal"}


def test_a_sentence_names_what_the_paper_names_in_its_order():
    training = {f"clip-{i}": Acoustics(*[float(i)] * 7) for i in range(len(SPLITS))}
    said = captions(measured=training)
    assert said["clip-0"] == (
        "speaker has a low pitch and has a low jitter and has a low shimmer and has a low articulation rate"
    )
    assert said["clip-20"] == said["clip-0"].replace("low", "normal")
    assert said["clip-59"] == said["clip-0"].replace("low", "high")
    assert captions(measured=training, features="original")["clip-59"] == (
        "speaker has a high pitch and has a high pitch variation and has a high loudness and has a high jitter "
        "and has a high shimmer and has a high duration"
    )


@pytest.mark.parametrize("features", FEATURE_SETS)
def test_a_missing_measure_leaves_its_clause_out_and_no_other(features):
    before = captions(features=features)["clip-50"].removeprefix("speaker ").split(" and ")
    for i, feature in enumerate(FEATURE_SETS[features]):
        changed = MEASURED | {"clip-50": MEASURED["clip-50"]._replace(**{feature: NAN})}
        after = captions(measured=changed, features=features)["clip-50"]
        assert after == "speaker " + " and ".join(before[:i] + before[i + 1 :])


def test_a_clip_without_any_measure_has_a_sentence_that_says_so():
    silent = Acoustics(*[NAN] * 5, 2.0, NAN)
    assert captions(measured=MEASURED | {"clip-50": silent})["clip-50"] == "speaker has no voice"


def test_a_measure_that_no_training_clip_has_is_in_no_sentence():
    changed = {
        name: clip._replace(jitter=NAN) if int(name.removeprefix("clip-")) < 40 else clip
        for name, clip in MEASURED.items()
    }
    assert not [text for text in captions(measured=changed).values() if "jitter" in text]


def test_other_splits_have_no_say_and_the_training_split_has():
    before = captions()
    other = corpus(1)[1]
    held_out = {u.id: (MEASURED if u.split == "train" else other)[u.id] for u in UTTERANCES}
    after = captions(measured=held_out)
    training = [u.id for u in UTTERANCES if u.split == "train"]
    assert [after[name] for name in training] == [before[name] for name in training]
    assert after != before
    louder = {
        u.id: clip._replace(pitch=clip.pitch + 5 * (u.split == "train"))
        for u, clip in zip(UTTERANCES, MEASURED.values(), strict=True)
    }
    assert {
        text.split(" and ")[0] for name, text in captions(measured=louder).items() if name not in training
    } == {"speaker has a low pitch"}


@given(st.permutations(UTTERANCES))
def test_the_order_of_rows_changes_no_sentence(utterances):
    assert captions(utterances) == captions()


def test_without_a_training_clip_nothing_is_high_or_low():
    rest = [u for u in UTTERANCES if u.split != "train"]
    with pytest.raises(ValueError, match="must have clips in split 'train' .* found none among 20"):
        caption_acoustics(rest, MEASURED)
