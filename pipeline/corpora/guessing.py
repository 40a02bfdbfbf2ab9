"""What a table's columns and values mean, by the names that they usually have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

USUAL_COLUMNS: dict[str, tuple[str, ...]] = {
    "path": (
        "path", "filepath", "file", "filename", "wav", "wavfile", "wavpath", "audio", "audiofile", "audiopath",
        "audiofilename", "clip", "recording",
    ),
    "split": ("split", "splitset", "set", "partition", "subset"),
    "valence": ("valence", "val", "v", "emoval", "valencemean", "meanvalence", "pleasure"),
    "arousal": ("arousal", "aro", "a", "activation", "act", "emoact", "arousalmean", "meanarousal"),
    "id": ("id", "utteranceid", "utterance", "uttid", "utt", "clipid", "fileid"),
    "dominance": ("dominance", "dom", "d", "emodom", "dominancemean", "meandominance"),
    "emotion": ("emotion", "emo", "emoclass", "emotionclass", "emotionlabel", "class", "label", "category"),
    "speaker": ("speaker", "speakerid", "spkrid", "spkid", "spk", "spkr"),
    "transcript": ("transcript", "transcription", "text", "sentence"),
}  # fmt: skip
"""The manifest's name of a column → what files call it, the likeliest first, in small letters without marks."""

USUAL_SPLITS = {
    "train": ("train", "training", "trn", "tr"),
    "development": ("development", "dev", "devel", "validation", "valid", "val"),
    "test1": ("test1", "test", "testing", "tst", "eval", "evaluation"),
    "test2": ("test2",),
    "test3": ("test3",),
}

USUAL_EMOTIONS = {
    "A": ("anger", "angry", "ang"),
    "S": ("sadness", "sad"),
    "H": ("happiness", "happy", "hap", "joy", "joyful", "excited", "excitement", "exc"),
    "U": ("surprise", "surprised", "sur"),
    "F": ("fear", "fearful", "fea"),
    "D": ("disgust", "disgusted", "dis"),
    "C": ("contempt", "contemptuous", "con"),
    "N": ("neutral", "neu"),
}
NO_CLASS = ("other", "oth", "o", "x", "xxx", "noagreement", "unknown", "none", "nan", "na")


def plain(name: str) -> str:
    """A name in small letters, without spaces and marks.

    >>> plain("Split_Set"), plain(" Emo. Val")
    ('splitset', 'emoval')
    """
    return re.sub(r"[\W_]", "", name).casefold()


def candidates(names: Sequence[str], wanted: str) -> list[str]:
    """The columns that are called as `wanted` usually is, the likeliest first."""
    usual = USUAL_COLUMNS[wanted]
    return sorted((name for name in names if plain(name) in usual), key=lambda name: usual.index(plain(name)))


def guess_splits(values: Iterable[str]) -> dict[str, str]:
    """The splits whose names mean one of the manifest's; those that have its name already are left out.

    >>> guess_splits(["Train", "dev", "test", "extra"])
    {'Train': 'train', 'dev': 'development', 'test': 'test1'}
    >>> guess_splits(["test", "test1", "0"])  # which test is which, nothing says
    {}
    """
    return _renamed(values, USUAL_SPLITS, once=True)


def guess_emotions(values: Iterable[str]) -> dict[str, str | None]:
    """The emotions whose names mean a class of the manifest's, or none.

    >>> guess_emotions(["Happy", "N", "xxx", "calm"])
    {'Happy': 'H', 'xxx': None}
    """
    values = list(values)
    codes = {code.casefold(): code for code in USUAL_EMOTIONS}
    if values and all(plain(value) in (*codes, *NO_CLASS) for value in values):
        renamed: dict[str, str | None] = {
            v: codes[plain(v)] for v in values if plain(v) in codes and v not in USUAL_EMOTIONS
        }
    else:
        renamed = dict(_renamed(values, USUAL_EMOTIONS, once=False))
    return renamed | {value: None for value in values if plain(value) in NO_CLASS}


def _renamed(values: Iterable[str], usual: Mapping[str, Sequence[str]], *, once: bool) -> dict[str, str]:
    """What each value is called in the manifest; with `once`, where no other value is called so too."""
    meant = {
        value: next((name for name, words in usual.items() if plain(value) in words), None)
        for value in values
    }
    found = [name for name in meant.values() if name]
    return {
        value: name
        for value, name in meant.items()
        if name and name != value and not (once and found.count(name) > 1)
    }
