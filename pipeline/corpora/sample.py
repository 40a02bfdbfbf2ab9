"""The sample corpus: synthetic emotional speech, so that everything runs without a licensed corpus."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pipeline.manifest import DEVELOPMENT, TEST1, TRAIN, Utterance
from pipeline.sample import CORPUS_VARIANTS, Espeak, Take, draw_speaker, perform_take, plan
from pipeline.support import remove_leftovers, replacing

SPEAKERS = {TRAIN: 26, DEVELOPMENT: 5, TEST1: 9}
"""How many of the speakers are in each split."""

SHARES = {TRAIN: 10 / 15, DEVELOPMENT: 2 / 15, TEST1: 3 / 15}
"""The splits' shares of the utterances."""

AUDIO = "audio"

SECONDS_UNTIL_LEFTOVER = 60.0
"""A younger unfinished file may be one that another process is writing."""


def read(
    root: Path,
    *,
    utterances: int = 1500,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> list[Utterance]:
    """Speak what is missing of the sample corpus into `root` and return its utterances.

    The same `utterances` and `seed` give the same files to the byte. A file is either whole or absent, and
    named by everything that it depends on, so an interrupted run goes on where it stopped. `progress` is told
    how many clips are there. Raises ValueError for fewer utterances than speakers, and RuntimeError where
    eSpeak NG is not installed.
    """
    if utterances < len(CORPUS_VARIANTS):
        raise ValueError(
            f"utterances must be at least the {len(CORPUS_VARIANTS)} speakers, found {utterances}"
        )
    takes = _plan_all(utterances, seed)
    files = {root / _path(take): take for _, take in takes}
    for folder in {file.parent for file in files}:
        remove_leftovers(folder, SECONDS_UNTIL_LEFTOVER)
    espeak: Espeak | None = None
    # An interrupt that arrives within a callback from C is lost, and its sound with it. The main thread is the
    # one that is interrupted, so another one speaks.
    with ThreadPoolExecutor(1) as speaking:
        for done, (file, take) in enumerate(files.items(), start=1):
            if not file.exists():
                espeak = espeak or Espeak()
                spoken = speaking.submit(perform_take, take, espeak).result()
                with replacing(file) as unfinished:
                    unfinished.write_bytes(spoken)
            if progress is not None:
                progress(done)
    return [_utterance(split, take) for split, take in takes]


def _plan_all(utterances: int, seed: int) -> list[tuple[str, Take]]:
    rng = np.random.default_rng([seed, utterances])
    variants = [str(variant) for variant in rng.permutation(CORPUS_VARIANTS)]
    speakers = [draw_speaker(f"S{i:02d}", variant, rng) for i, variant in enumerate(variants)]
    takes = []
    for split, count in _counts(utterances).items():
        members, speakers = speakers[: SPEAKERS[split]], speakers[SPEAKERS[split] :]
        takes += [(split, plan(members[i % len(members)], "corpus", rng)) for i in range(count)]
    return takes


def _counts(utterances: int) -> dict[str, int]:
    development, test1 = (round(utterances * SHARES[split]) for split in (DEVELOPMENT, TEST1))
    return {TRAIN: utterances - development - test1, DEVELOPMENT: development, TEST1: test1}


def _id(take: Take) -> str:
    return f"{take.speaker.name}_{take.digest}"


def _path(take: Take) -> str:
    return f"{AUDIO}/{take.speaker.name}/{_id(take)}.{take.format.suffix}"


def _utterance(split: str, take: Take) -> Utterance:
    heard = take.annotation
    return Utterance(
        id=_id(take),
        path=_path(take),
        split=split,
        valence=heard.valence,
        arousal=heard.arousal,
        dominance=heard.dominance,
        emotion=heard.emotion,
        speaker=take.speaker.name,
        transcript=take.sentence,
    )
