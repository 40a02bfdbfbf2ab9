"""CLAP4emo's offline pools: by the class alone, fitted on the train split alone."""

import numpy as np
import pytest

from pipeline.captions.captioning import caption_utterances
from pipeline.captions.pools import POOL_SIZE, class_spreads, from_class_pools
from pipeline.manifest import Utterance


def utterance(
    name: int, emotion: str | None, valence: float, arousal: float, split: str = "train"
) -> Utterance:
    return Utterance(f"clip-{name}", f"{name}.wav", split, valence, arousal, emotion=emotion)


def corpus(seed: int = 0) -> list[Utterance]:
    rng = np.random.default_rng(seed)
    centres = {"H": (6.0, 5.0), "S": (2.0, 2.0)}
    rows = []
    for i in range(400):
        emotion = "HS"[i % 2]
        valence, arousal = np.clip(rng.normal(centres[emotion], 0.3), 1, 7).tolist()
        rows.append(utterance(i, emotion, valence, arousal, ["train", "test1"][i // 200]))
    return rows


def test_a_class_is_spread_as_its_train_labels_are():
    rows = corpus()
    spreads = class_spreads(rows)
    for code in "HS":
        own = np.array([(u.valence, u.arousal) for u in rows if u.split == "train" and u.emotion == code])
        total = own.sum(axis=0) / len(own)
        np.testing.assert_allclose(spreads[code][0], total)
        np.testing.assert_allclose(spreads[code][1], np.sqrt(((own - total) ** 2).sum(axis=0) / len(own)))


def test_labels_outside_the_train_split_change_no_caption():
    rows = corpus()
    changed = [
        u if u.split == "train" else utterance(int(u.id[5:]), u.emotion, 4.0, 4.0, "test1") for u in rows
    ]
    assert from_class_pools(rows, 0) == from_class_pools(changed, 0)


def test_a_caption_says_the_class_and_nothing_of_the_clips_own_labels():
    rows = corpus()
    captions = dict(zip([u.id for u in rows], from_class_pools(rows, 0), strict=True))
    happy = {captions[u.id] for u in rows if u.emotion == "H"}
    sad = {captions[u.id] for u in rows if u.emotion == "S"}
    assert not happy & sad
    swapped = [utterance(int(u.id[5:]), u.emotion, u.valence, u.arousal, u.split) for u in reversed(rows)]
    again = dict(zip([u.id for u in swapped], from_class_pools(swapped, 0), strict=True))
    assert again == captions


def test_a_class_has_a_pool_of_its_size():
    rows = [utterance(i, "H", 5.5 + 0.1 * (i % 5), 5.0) for i in range(20_000)]
    distinct = len(set(from_class_pools(rows, 0)))
    assert 0.9 * POOL_SIZE < distinct <= POOL_SIZE


def test_a_class_that_training_has_not_is_named():
    with pytest.raises(
        ValueError, match="each class in the train split, found none of F, the class of 'clip-9'"
    ):
        caption_utterances([*corpus()[:2], utterance(9, "F", 3, 5, "test1")], "clap4emo", 0)


def test_an_utterance_without_a_class_is_named():
    with pytest.raises(ValueError, match="captions `clap4emo` need an emotion of .* found None for 'clip-9'"):
        caption_utterances([*corpus()[:2], utterance(9, None, 3, 5, "test1")], "clap4emo", 0)
