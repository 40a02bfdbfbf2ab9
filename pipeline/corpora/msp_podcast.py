"""MSP-Podcast, as it is published: the folder of a release, 1.8 to 1.12."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import MspEmotion, MspPodcast
from pipeline.corpora.corpus import Corpus
from pipeline.corpora.msp_podcast_labels import compare_labels, read_labels
from pipeline.corpora.msp_podcast_release import Release, read_partition, read_speakers, read_splits
from pipeline.corpora.rows import to_utterances
from pipeline.manifest import DEVELOPMENT, TEST1, TRAIN, Utterance, describe_splits
from pipeline.support import counted

NO_CLASS = {"X": None, "O": None}
"""No agreement and other: neither is an emotion that clips have in common."""

CODES = get_args(MspEmotion)

HIDDEN = "not published"
UNKNOWN = {"unknown", "nan", "none"}


@dataclass(frozen=True)
class Published:
    """How many clips a release has; what nobody has published is left out."""

    audio: int
    rows: dict[str, int] = field(default_factory=dict)
    """Labelled clips by split."""
    kept: dict[str, int] = field(default_factory=dict)
    """Those without X and O."""


PUBLISHED = {
    # ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Podcast.html, as it stood for version 1.11
    "1.11": Published(151_654, rows={TRAIN: 84_030, DEVELOPMENT: 19_815, TEST1: 30_647, "test2": 14_815}),
    # The release's readme.txt of 2024-06-06 (207,136 speaking turns), and the paper's section 4.1
    "1.12": Published(207_136, kept={TRAIN: 90_022, DEVELOPMENT: 25_258, TEST1: 34_963}),
}


def read(root: Path, settings: MspPodcast) -> Corpus:
    """Read the folder of a release as it is published; paths are relative to it.

    The split is that of the label file, of the partition file where the label file says none. `drop` leaves out
    clips by `emotion`, as the release spells it, or by `split`, as the manifest does. Clips of test3 without
    labels, which the release keeps secret, are left out and counted. Speakers that are not known are None, so
    are the emotions X and O where they are kept. Where the published counts of the release are known, a
    difference becomes a note. Raises ValueError where the folder or a file has another structure, a clip has
    two rows, two splits in the partition file or no split, or a label is not on 1..7.
    """
    found = Release.find(root)
    labels = read_labels(found.labels)
    clips: list[str] = labels.column("FileName").to_pylist()
    partition = read_partition(found.partition) if found.partition else {}
    splits, notes = _splits(labels, clips, partition, found)
    notes += compare_labels(found.labels, labels, found.other_labels)
    audio = found.clips()
    rows = _rows(labels, clips, splits, audio, found)
    utterances, left_out = to_utterances(
        rows,
        lambda row, _: f"{clips[row]} in {found.labels}",
        drop={**settings.drop.model_dump(), "labels": [HIDDEN]},
        rename={"emotion": NO_CLASS},
    )
    if settings.transcripts:
        utterances, more = _with_transcripts(utterances, found)
        notes += more
    secret, more = _unlabelled(audio.keys() - set(clips), partition, found)
    if secret:
        left_out[f"labels {HIDDEN}"] = left_out.get(f"labels {HIDDEN}", 0) + secret
    labelled = rows.filter(pc.is_null(rows.column("labels"))).column("split").to_pylist()
    kept = [utterance.split for utterance in utterances]
    notes += [*more, *_differences(settings, found, len(audio), Counter(labelled), Counter(kept))]
    return Corpus(utterances, str(found.labels), left_out, notes)


def _splits(
    labels: pa.Table, clips: list[str], partition: Mapping[str, str], found: Release
) -> tuple[list[str], list[str]]:
    """The split of every row, and what must be said about it."""
    said: list[str | None] = [None] * len(clips)
    if "Split_Set" in labels.column_names:
        said = read_splits(labels.column("Split_Set").to_pylist(), clips, found.labels)
    elif found.partition and not partition:
        raise ValueError(
            f"{found.partition} must say each clip's split, as {found.labels} has no column Split_Set, in UTF-8 "
            f"and lines as `Train; MSP-PODCAST_0023_0048.wav`, found no such line: copy it from the release again"
        )
    elif not partition:
        raise ValueError(
            f"a release must say each clip's split in the column Split_Set or in Partitions.txt, found "
            f"neither: {found.labels} has {', '.join(labels.column_names)}; copy Partitions.txt to {found.root}"
        )
    splits = [split or partition.get(clip, "") for split, clip in zip(said, clips, strict=True)]
    if "" in splits:
        raise ValueError(
            f"every clip must have a split, found none for {clips[splits.index('')]} (in all "
            f"{splits.count('')} such clips) in {found.labels}"
            + (f" or {found.partition}" if found.partition else "")
        )
    differing = [
        clip for split, clip in zip(splits, clips, strict=True) if partition.get(clip, split) != split
    ]
    if not differing:
        return splits, []
    note = (
        f"{found.partition} gives {counted(len(differing), 'clip', 'clips')} another split than "
        f"{found.labels}, which was followed (the first: {differing[0]})"
    )
    return splits, [note]


def _rows(
    labels: pa.Table, clips: list[str], splits: list[str], audio: Mapping[str, str], found: Release
) -> pa.Table:
    """The label file with the manifest's columns, and `labels` that says where they are kept secret."""
    emotions, known = labels.column("EmoClass").to_pylist(), {None, *CODES}
    if wrong := [i for i, emotion in enumerate(emotions) if emotion not in known]:
        raise ValueError(
            f"EmoClass must be one of {' '.join(CODES)}, found {emotions[wrong[0]]!r} for {clips[wrong[0]]} "
            f"(in all {len(wrong)} such rows) in {found.labels}"
        )
    if "SpkrID" in labels.column_names:
        speakers = labels.column("SpkrID").to_pylist()
    else:
        listed = read_speakers(found.speakers) if found.speakers else {}
        speakers = [listed.get(clip) for clip in clips]
    secret = [
        HIDDEN if split == "test3" and _is_missing(valence) and _is_missing(arousal) else None
        for split, valence, arousal in zip(
            splits, labels.column("EmoVal").to_pylist(), labels.column("EmoAct").to_pylist(), strict=True
        )
    ]
    columns = {
        "id": [clip.removesuffix(".wav") for clip in clips],
        "path": [f"{found.audio.name}/{audio.get(clip, clip)}" for clip in clips],
        "split": splits,
        "emotion": emotions,
        "speaker": [None if _is_missing(speaker) else speaker for speaker in speakers],
        "labels": secret,
    }
    arrays = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    arrays |= {
        name: labels.column(column)
        for name, column in (("valence", "EmoVal"), ("arousal", "EmoAct"), ("dominance", "EmoDom"))
    }
    return pa.table(arrays)


def _is_missing(text: str | None) -> bool:
    return text is None or text.lower() in UNKNOWN


def _with_transcripts(utterances: list[Utterance], found: Release) -> tuple[list[Utterance], list[str]]:
    read = [replace(u, transcript=found.transcript(u.path)) for u in utterances]
    missing = [u.id for u in read if u.transcript is None]
    if not missing:
        return read, []
    return read, [f"{len(missing)} of {len(read)} clips without a transcript (the first: {missing[0]})"]


def _unlabelled(clips: set[str], partition: Mapping[str, str], found: Release) -> tuple[int, list[str]]:
    """Of audio files without a row in the label file: how many are of test3, and what to say of the others."""
    others = sorted(clip for clip in clips if partition.get(clip) != "test3")
    if not others:
        return len(clips), []
    return len(clips) - len(others), [
        f"{counted(len(others), 'clip', 'clips')} in {found.audio} left out, without a row in {found.labels} "
        f"(the first: {others[0]})"
    ]


def _differences(
    settings: MspPodcast, found: Release, audio: int, labelled: Counter[str], kept: Counter[str]
) -> Iterator[str]:
    """Where a copy of a release does not hold what was published."""
    release = settings.release or found.number
    published = PUBLISHED.get(release or "")
    if published is None:
        return
    whole = f"release {release} is published with"
    ask = "is the copy whole, and prepare.msp_podcast.release right?"
    if audio != published.audio:
        yield f"{whole} {published.audio} audio files, found {audio}: {ask}"
    comparable = set(settings.drop.emotion) == NO_CLASS.keys()
    for counts, there, what in (
        (published.rows, labelled, "labelled"),
        (published.kept if comparable else {}, kept, "without X and O"),
    ):
        asked = {split: count for split, count in counts.items() if split not in settings.drop.split}
        if any(there[split] != count for split, count in asked.items()):
            said = ", ".join(f"{split} {count}" for split, count in asked.items())
            yield f"{whole} {said} clips {what}, found {describe_splits(there.elements())}: {ask}"
