"""A folder of recordings to an index of it: what is new is read and encoded, all else is taken from before."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.audio import SHORTEST
from pipeline.features import FeatureStore, Keys, TeamStore, packed
from pipeline.support import Progress, check_path, check_writable, device_name, write_csv
from pipeline.use.embedding import Embedder
from pipeline.use.index.disk import (
    FEATURES,
    INDEX_FILE,
    UNREADABLE_FILE,
    EmbeddingsWriter,
    check_is_index,
    write_tables,
    writing,
)
from pipeline.use.index.encoding import NOT_FINITE, encode_missing
from pipeline.use.index.index import Index
from pipeline.use.index.looking import Earlier, Looked, look
from pipeline.use.index.scanning import Unreadable, find_recordings

AT_ONCE = 4096
"""Windows that are embedded at once."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a build found and did."""

    files: int
    """That can be searched, in so many windows."""
    windows: int
    added: int
    """Files that the index did not have, by their path."""
    changed: int
    removed: int
    encoded: int
    """Windows that the speech encoder computed."""
    unreadable: int
    """Listed in unreadable.csv."""
    first_unreadable: str = ""
    """The first of them, with its reason."""


def build_index(
    root: Path,
    model: Embedder,
    folder: Path,
    *,
    hop: float | None = None,
    workers: int = 2,
    team: TeamStore | None = None,
    replace_root: bool = False,
) -> Summary:
    """Index every recording below `root` into `folder`, in windows as long as the model hears, one every `hop`.

    What the index has already is not read again, and what its features have, or the team's, is not encoded again.
    Until it is whole the index that was there before counts. Raises ValueError where there is no recording, for a
    hop that is no part of a window, and for an index of another folder that is still there, unless `replace_root`;
    RuntimeError where none can be read.
    """
    seconds = model.crop_seconds
    hop = seconds if hop is None else hop
    if not SHORTEST <= hop <= seconds:
        raise ValueError(
            f"a hop must be {SHORTEST:g} to {seconds:g} s, the length of a window, or parts would not be heard; "
            f"found {hop:g}"
        )
    root = root.absolute()
    check_path(root, "the folder of recordings")
    if root.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"the folder of recordings must not lie in that of the index {folder}, found {root}")
    found, refused = find_recordings(root, folder)
    if not (found or refused):
        raise ValueError(
            f"there must be recordings below {root}, found none by their names (.wav, .flac, .mp3 …)"
        )
    check_is_index(folder)
    check_writable(folder)
    before = _opened(folder)
    if before is not None and not replace_root:
        _check_root(before.root, root, folder)
    is_alike = before is not None and (before.about.seconds, before.about.hop) == (seconds, hop)
    same_root = before is not None and before.about.root == str(root)
    earlier = Earlier(before if is_alike else None, trusts_stamps=same_root)
    looked, unreadable = look(root, found, earlier, seconds, hop, workers)
    same_model = before is not None and before.about.model == model.digest
    if not same_model:
        looked = [replace(one, known=None) for one in looked]
    store = _store(model, folder, team) if any(one.known is None for one in looked) else None
    encoded = 0
    if store is not None:
        encoded, looked, failed = _encode(looked, root, model, store, team, hop, workers)
        unreadable += failed
    unreadable = sorted(refused + unreadable, key=lambda one: one.path)
    _list(unreadable, folder)
    if not looked:
        raise RuntimeError(
            f"a recording at least below {root} must be readable, found none of {len(unreadable)}: see "
            f"{folder / UNREADABLE_FILE} (the first: {unreadable[0].path}: {unreadable[0].reason})"
        )
    paths = {one.found.path for one in looked}
    old = set(before.files.column("path").to_pylist()) if before else set()
    summary = Summary(
        files=len(looked),
        windows=sum(len(one.spans) for one in looked),
        added=len(paths - old),
        changed=sum(one.found.path in old and not one.is_as_before for one in looked) if is_alike else 0,
        removed=len(old - paths),
        encoded=encoded,
        unreadable=len(unreadable),
        first_unreadable=f"{unreadable[0].path}: {unreadable[0].reason}" if unreadable else "",
    )
    is_new = before is None or not (is_alike and same_model) or before.about.root != str(root)
    if is_new or summary.removed or not all(one.is_as_before for one in looked):
        about = {"root": str(root), "model": model.digest, "seconds": seconds, "hop": hop}
        with writing(folder, about) as temporary:
            _write(temporary, looked, before, store, model)
    return summary


def _opened(folder: Path) -> Index | None:
    """The index that was there before; None where there is none that can be used."""
    try:
        return Index.open(folder)
    except RuntimeError as error:
        if (folder / INDEX_FILE).exists():
            print(f"warning: the index is built anew: {error}", file=sys.stderr)
        return None


def _check_root(before: Path, root: Path, folder: Path) -> None:
    if before.is_dir() and before.resolve() != root.resolve():
        raise ValueError(
            f"an index is of one folder, and {folder} is of {before}: name another with --index or ERCLAP_INDEX "
            f"for {root}, or give --replace"
        )


def _store(model: Embedder, folder: Path, team: TeamStore | None) -> FeatureStore:
    return FeatureStore(
        folder / FEATURES,
        model.speech.recipe,
        device=device_name(model.speech.device),
        share=team.offer if team else None,
    )


def _list(unreadable: Sequence[Unreadable], folder: Path) -> None:
    listing = folder / UNREADABLE_FILE
    if unreadable:
        write_csv([asdict(one) for one in unreadable], listing)
    else:
        listing.unlink(missing_ok=True)


def _encode(
    looked: Sequence[Looked],
    root: Path,
    model: Embedder,
    store: FeatureStore,
    team: TeamStore | None,
    hop: float,
    workers: int,
) -> tuple[int, list[Looked], list[Unreadable]]:
    """Have the store hold the features of all that is not known: how many windows that took, what is there
    afterwards, and what is not."""
    unknown = [one for one in looked if one.known is None]
    keys = packed([key for one in unknown for key in one.keys])
    if team:
        team.fetch(store, keys)
    encoded, reasons = encode_missing(unknown, root, model.speech, store, hop, workers)
    if team:
        team.offer_missing(store, keys)
    lacking = set(store.missing([key for one in unknown for key in one.keys]))
    failed = {one.found.path: one for one in unknown if not lacking.isdisjoint(one.keys)}
    return (
        encoded,
        [one for one in looked if one.found.path not in failed],
        [Unreadable.of(path, reasons.get(one.sha256, NOT_FINITE)) for path, one in failed.items()],
    )


def _write(
    folder: Path, looked: Sequence[Looked], before: Index | None, store: FeatureStore | None, model: Embedder
) -> None:
    """Write a generation: embeddings from before where they are known, of the stored features otherwise."""
    counts = [len(one.spans) for one in looked]
    spans = np.concatenate([one.spans for one in looked])
    known = np.concatenate(
        [np.full(len(one.spans), -1) if one.known is None else np.array(one.known) for one in looked]
    ).astype(np.int64)
    keys = packed([key for one in looked if one.known is None for key in one.keys])
    attributes = np.full((len(spans), 3), np.nan, np.float32)
    with (
        EmbeddingsWriter(folder, len(spans)) as writer,
        Progress("embeddings", len(keys), "windows") as progress,
    ):
        for part, part_keys in _parts(known, keys):
            rows = known[part]
            from_before, computed = rows >= 0, rows < 0
            block = np.empty((len(rows), model.embedding_size), np.float32)
            if from_before.any() and before is not None:
                block[from_before] = before.embeddings[rows[from_before]]
                kept = before.windows.take(pa.array(rows[from_before]))
                for column, name in enumerate(("valence", "arousal", "dominance")):
                    attributes[part, column][from_before] = kept.column(name).to_numpy()
            if computed.any() and store is not None:
                statistics = store.gather(part_keys)
                block[computed] = model.embed_statistics(statistics)
                read = model.attributes(statistics)
                if read is not None:
                    attributes[part][computed] = read
            writer.add(block)
            progress.advance(len(part_keys))
    files = [one.found for one in looked]
    write_tables(
        folder,
        pa.table(
            {
                "path": [one.path for one in files],
                "size": [one.size for one in files],
                "mtime_ns": [one.mtime_ns for one in files],
                "sha256": [one.sha256 for one in looked],
                "duration": [one.duration for one in looked],
                "sampling_rate": [one.sampling_rate for one in looked],
            }
        ),
        pa.table(
            {
                "file": np.repeat(np.arange(len(looked)), counts),
                "start": spans[:, 0],
                "end": spans[:, 1],
            }
            | {
                name: pa.array(attributes[:, column], from_pandas=True)
                for column, name in enumerate(("valence", "arousal", "dominance"))
            }
        ),
    )


def _parts(known: npt.NDArray[np.int64], keys: Keys) -> Iterator[tuple[slice, Keys]]:
    """The windows few at a time, with the keys of those that are not known."""
    done = 0
    for start in range(0, len(known), AT_ONCE):
        part = slice(start, min(start + AT_ONCE, len(known)))
        computed = int((known[part] < 0).sum())
        yield part, keys[done : done + computed]
        done += computed
