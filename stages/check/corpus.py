"""The corpus: its labels as they are read, a hundred of its clips, and whether they suffice."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from pipeline.config import Params
from pipeline.corpora import count_by_reason, inspect, out_of_reach, read_corpus
from pipeline.manifest import DEVELOPMENT, TRAIN, Manifest, Utterance, describe_splits
from stages.check.findings import Finding
from stages.needs import unmet_needs

CLIPS = 100
"""So many are decoded."""


@dataclass
class Seen:
    """What other checks need of it."""

    utterances: list[Utterance] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    """Of all that there are; of the sample, which is not spoken yet, about as they will be."""
    clips: Manifest | None = None
    """Those of the hundred that can be heard."""
    seconds_a_clip: float = 0.0
    """To hash, decode and check one, on one thread."""

    def heard(self, crop: float) -> float:
        """Mean seconds of a clip that the encoder hears, of each at most `crop`; 0 where none was looked at."""
        durations = self.clips.table.column("duration").to_pylist() if self.clips else []
        return fmean(min(seconds, crop) for seconds in durations) if durations else 0.0


def check_corpus(params: Params, seen: Seen) -> Iterator[Finding]:
    """Read the labels, decode some clips, count what later stages need."""
    if params.prepare.corpus == "sample":
        count = params.prepare.sample.utterances if params.prepare.sample else 0
        yield Finding(
            "ok", "corpus", f"the sample, {count} utterances of synthetic speech: prepare speaks them"
        )
        seen.splits = _splits_of_sample(params)
        yield from _count(seen.splits, ["N"] * len(seen.splits), params)
        return
    root = params.prepare.folder
    if not root.is_dir():
        raise ValueError(
            f"prepare.root must be the folder of the clips, found no folder {root}: is it mounted?"
        )
    corpus = read_corpus(params.prepare, root)
    seen.utterances = corpus.utterances
    seen.splits = [utterance.split for utterance in corpus.utterances]
    yield Finding(
        "ok", "corpus", f"{corpus.source}: {len(seen.splits)} clips, {describe_splits(seen.splits)}"
    )
    for note in corpus.notes:
        yield Finding("warn", "corpus", note)
    yield from _decode_some(params, seen)
    yield from _count(seen.splits, [utterance.emotion for utterance in corpus.utterances], params)


def _count(splits: list[str], emotions: Sequence[str | None], params: Params) -> Iterator[Finding]:
    needs = list(unmet_needs(splits, emotions, params))
    for need in needs:
        yield Finding("fail", "counts", need)
    if not needs:
        yield Finding("ok", "counts", "enough for training and the tests")
    test = Counter(splits)[params.evaluate.split]
    if test <= params.evaluate.pairs:
        yield Finding(
            "warn",
            "counts",
            f"{params.evaluate.split} has {test} clips, no more than a trial of Table 1 (evaluate.pairs "
            f"{params.evaluate.pairs}): there will be one trial and no test of significance; lower it",
        )


def _splits_of_sample(params: Params) -> list[str]:
    count = params.prepare.sample.utterances if params.prepare.sample else 0
    shares = {TRAIN: 10 / 15, DEVELOPMENT: 2 / 15, params.evaluate.split: 3 / 15}
    return [split for split, share in shares.items() for _ in range(round(share * count))]


def _decode_some(params: Params, seen: Seen) -> Iterator[Finding]:
    chosen = random.Random(0).sample(seen.utterances, min(CLIPS, len(seen.utterances)))
    started = time.monotonic()
    manifest, rejects, cancelling = inspect(
        chosen,
        params.prepare.folder,
        heard_seconds=params.extract.speech.crop_seconds,
        workers=params.runtime.threads,
        patience=params.runtime.clip_seconds,
    )
    seen.clips = manifest
    seen.seconds_a_clip = (time.monotonic() - started) * params.runtime.threads / max(len(chosen), 1)
    if refused := out_of_reach(rejects, len(chosen), params.prepare.unreachable):
        yield Finding("fail", "clips", refused)
    elif rejects:
        yield Finding(
            "fail" if len(rejects) > len(chosen) / 2 else "warn",
            "clips",
            f"{len(rejects)} of {len(chosen)} at random cannot be used: {count_by_reason(rejects)} "
            f"(the first: {rejects[0].path})",
        )
    if cancelling:
        yield Finding(
            "warn",
            "clips",
            f"{len(cancelling)} of {len(chosen)} at random have sides that cancel each other out when they are "
            f"averaged (the first: {cancelling[0]})",
        )
    if len(manifest):
        rates = Counter(manifest.table.column("sampling_rate").to_pylist())
        told = ", ".join(f"{rate / 1000:g} kHz {count}" for rate, count in rates.most_common(4))
        crop = params.extract.speech.crop_seconds
        durations = manifest.table.column("duration").to_pylist()
        longer = sum(seconds > crop for seconds in durations)
        says = (
            f"{len(manifest)} of {len(chosen)} at random decoded: {told}; {fmean(durations):.1f} s on average"
        )
        cropped = f"; {longer} are longer than the crop of {crop:g} s" if longer else ""
        yield Finding("ok", "clips", says + cropped)
