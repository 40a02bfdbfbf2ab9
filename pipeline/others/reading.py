"""A file of embeddings, .npz or parquet, read and checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.manifest import LABEL_MAX, LABEL_MIN
from pipeline.others.columns import read_columns
from pipeline.others.layout import EMBEDDINGS, PROBE, REQUIRED, SEE, Arrays, Unfit, as_texts
from pipeline.others.model import EmbeddedClips, Features, OtherModel, Values
from pipeline.others.npz import read_npz
from pipeline.sentences import PROMPTS_PER_LIST
from pipeline.support import shown

READERS = {b"PK": read_npz, b"PAR1": read_columns}
"""A file's first bytes → what reads it."""

OFF_BY = 1e-3
"""How far a vector's length may be from one: the rounding of half precision."""

BLOCK_ROWS = 4096
"""Rows that are looked at at once."""

LONGEST_TITLE = 60


def read_model(path: Path, *, normalize: bool = False) -> OtherModel:
    """Read a file of embeddings as docs/score.md lays it out, its vectors divided by their lengths on request.

    Raises ValueError, one line that names the file, for all that cannot be measured: what is absent, of another
    shape or type, not finite, zero, of another length than one, or off the labels' scale.
    """
    if not path.is_file():
        what = "a folder" if path.is_dir() else "something else" if path.exists() else "nothing"
        raise Unfit(path, f"must be a file, .npz or parquet, found {what}")
    with path.open("rb") as file:
        head = file.read(8)
    read = next((read for start, read in READERS.items() if head.startswith(start)), None)
    if read is None:
        what = "an empty file" if not head else repr(head)
        if head.startswith(b"\x93NUMPY"):
            what = "a single array: write them all by np.savez"
        raise Unfit(path, f"must be an .npz (np.savez) or parquet, found {what}")
    arrays, unused = read(path)
    if missing := [name for name in REQUIRED if name not in arrays]:
        there = ", ".join([*arrays, *map(shown, unused)]) or "nothing"
        raise Unfit(path, f"must have {', '.join(REQUIRED)}, found no {missing[0]} but {shown(there)}: {SEE}")
    matrices = {name: _embeddings(path, name, arrays, normalize) for name in EMBEDDINGS if name in arrays}
    width = matrices["speech"].shape[1]
    for name, matrix in matrices.items():
        if matrix.shape[1] != width:
            raise Unfit(
                path,
                f"all embeddings must have one size, found {width} numbers in a row of speech and "
                f"{matrix.shape[1]} in one of {name}",
            )
    clips = _clips(path, arrays, matrices, "")
    if len(clips) < PROMPTS_PER_LIST:
        raise Unfit(path, f"speech must be at least {PROMPTS_PER_LIST} clips to retrieve, found {len(clips)}")
    text = _texts(path, "text", arrays, len(matrices["prompts"]), "prompts") if "text" in arrays else None
    return OtherModel(
        path=path,
        title=_title(path, arrays),
        clips=clips,
        probed=_probed(path, arrays, matrices),
        prompts=matrices["prompts"],
        texts=text,
        unused=[shown(name, LONGEST_TITLE) for name in unused],
    )


def _probed(path: Path, arrays: Arrays, matrices: dict[str, Features]) -> EmbeddedClips | None:
    given = [name for name in (*matrices, *arrays) if name.startswith(PROBE)]
    if not given:
        return None
    for name in (f"{PROBE}speech", f"{PROBE}captions"):
        if name not in matrices:
            raise Unfit(path, f"must have {name} beside {given[0]}, found none: {SEE}")
    return _clips(path, arrays, matrices, PROBE)


def _clips(path: Path, arrays: Arrays, matrices: dict[str, Features], prefix: str) -> EmbeddedClips:
    speech, captions = matrices[f"{prefix}speech"], matrices[f"{prefix}captions"]
    if len(speech) != len(captions):
        raise Unfit(
            path,
            f"{prefix}speech and {prefix}captions must have a row for each clip, found {len(speech)} and "
            f"{len(captions)}",
        )
    ids = None
    if (name := f"{prefix}utterance_id") in arrays:
        ids = _texts(path, name, arrays, len(speech), f"{prefix}speech")
        first: dict[str, int] = {}
        for row, one in enumerate(ids):
            if (before := first.setdefault(one, row)) != row:
                raise Unfit(
                    path, f"{name} must be there once, found {shown(repr(one))} in rows {before} and {row}"
                )
    labels = None
    names = [f"{prefix}{attribute}" for attribute in ("valence", "arousal")]
    if there := [name for name in names if name in arrays]:
        if len(there) < len(names):
            raise Unfit(path, f"must have both {' and '.join(names)} or neither, found {there[0]} alone")
        labels = np.stack(
            [_labels(path, name, arrays, len(speech), f"{prefix}speech") for name in names], axis=1
        )
    return EmbeddedClips(speech, captions, labels, ids)


def _embeddings(path: Path, name: str, arrays: Arrays, normalize: bool) -> Features:
    given = arrays.pop(name)
    if given.dtype.kind not in "iuf":
        raise Unfit(path, f"{name} must be real numbers, found {given.dtype}")
    if given.ndim != 2 or len(given) < 1 or given.shape[1] < 2:
        raise Unfit(
            path, f"{name} must be a row of two numbers or more for each, found the shape {given.shape}"
        )
    found = np.empty(given.shape, np.float32)
    for start in range(0, len(given), BLOCK_ROWS):
        rows = given[start : start + BLOCK_ROWS].astype(np.float64)
        with np.errstate(over="ignore"):
            lengths = np.sqrt(np.square(rows).sum(axis=1))
        # The length of a row that holds nan or inf, or whose squares overflow, is none either.
        if not (finite := np.isfinite(lengths)).all():
            row = int(np.argmin(finite))
            value = rows[row][np.argmax(np.abs(np.nan_to_num(rows[row], nan=np.inf)))]
            raise Unfit(path, f"{name} must be finite, found {value} in row {start + row}")
        if not lengths.all():
            raise Unfit(
                path,
                f"{name} must have directions, found nothing but zeros in row {start + int(np.argmin(lengths))}",
            )
        if normalize:
            rows /= lengths[:, None]
        elif (off := np.abs(lengths - 1) > OFF_BY).any():
            row = int(np.argmax(off))
            raise Unfit(
                path,
                f"{name} must have rows of length one, found {lengths[row]:.4g} in row {start + row}, and Table 1 "
                f"measures lengths too: divide each row by its length, or pass --normalize to `erclap score`",
            )
        found[start : start + BLOCK_ROWS] = rows
    return found


def _labels(path: Path, name: str, arrays: Arrays, count: int, of: str) -> Values:
    given = arrays[name]
    if given.dtype.kind not in "iuf":
        raise Unfit(path, f"{name} must be real numbers, found {given.dtype}")
    _check_count(path, name, arrays, count, of)
    values = given.astype(np.float64)
    if not (inside := (values >= LABEL_MIN) & (values <= LABEL_MAX)).all():
        row = int(np.argmin(inside))
        raise Unfit(
            path,
            f"{name} must lie within {LABEL_MIN:g}..{LABEL_MAX:g}, found {values[row]:g} in row {row}: labels of "
            f"another scale are to be taken to this one",
        )
    return values


def _texts(path: Path, name: str, arrays: Arrays, count: int, of: str) -> list[str]:
    _check_count(path, name, arrays, count, of)
    return as_texts(path, name, arrays[name])


def _check_count(path: Path, name: str, arrays: Arrays, count: int, of: str) -> None:
    if (shape := arrays[name].shape) != (count,):
        raise Unfit(path, f"{name} must be one for each of the {count} rows of {of}, found the shape {shape}")


def _title(path: Path, arrays: Arrays) -> str:
    """The title in the file, or what the file is called."""
    title = path.stem
    if (given := arrays.get("title")) is not None:
        if given.size != 1:
            raise Unfit(path, f"title must be one text, found the shape {given.shape}")
        title = as_texts(path, "title", given)[0].strip()
    # A bar would end a cell of the tables, and their readers know the paper's own columns by their first word.
    if (
        not 1 <= len(title) <= LONGEST_TITLE
        or not title.isprintable()
        or "|" in title
        or title.startswith("paper's")
    ):
        raise Unfit(
            path,
            f"its title must be 1 to {LONGEST_TITLE} characters in one line, without | and no paper's, found "
            f"{shown(repr(title))}: put another one in as `title`",
        )
    return title
