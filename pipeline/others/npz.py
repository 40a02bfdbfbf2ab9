"""An .npz as arrays: no pickle, and nothing is allocated that the file does not hold."""

from __future__ import annotations

import math
import warnings
import zipfile
from collections import Counter
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from pipeline.others.layout import KNOWN, LARGEST_BYTES, SEE, TEXTS, Arrays, Unfit
from pipeline.support import shown

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
"""Version → what reads a header of at most 10,000 characters. A third is for fields with names."""


class Header(NamedTuple):
    """What an array says of itself."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]


def read_npz(path: Path) -> tuple[Arrays, list[str]]:
    """The arrays that the layout knows, and the names of the others. Raises ValueError for any other file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _arrays(path, archive)
    except Unfit:
        raise
    # What a zip made to harm may end in is no short list: wrong sums, encryption, unknown methods, ends too early.
    except Exception as error:
        raise Unfit(
            path, "must be a whole .npz, found a damaged or encrypted one: write it again, by np.savez"
        ) from error


def _arrays(path: Path, archive: zipfile.ZipFile) -> tuple[Arrays, list[str]]:
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    names = Counter(name.removesuffix(".npy") for name in archive.namelist())
    if repeated := [name for name, count in names.items() if count > 1]:
        raise Unfit(path, f"must hold an array once, found {shown(repeated[0])} more than once")
    known = {name: info for name, info in members.items() if name in KNOWN}
    total = sum(info.file_size for info in known.values())
    if total > LARGEST_BYTES:
        raise Unfit(
            path,
            f"must unpack to at most {LARGEST_BYTES >> 30} GiB, found {total / 2**30:.1f} GiB: score "
            f"fewer clips, or write float32 or float16",
        )
    found = {name: _array(path, name, archive, info) for name, info in known.items()}
    return found, sorted(members.keys() - known.keys())


def _array(path: Path, name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> npt.NDArray[Any]:
    with archive.open(info) as stream:
        header = _header(path, name, stream)
        if header.dtype.hasobject:
            text = name in TEXTS
            raise Unfit(
                path,
                f"{name} must be an array of {'texts' if text else 'numbers'}, found Python objects, which "
                f"would be unpickled: write it by np.asarray({name}, dtype={'str' if text else 'np.float32'})",
            )
        count, held = math.prod(header.shape), info.file_size - stream.tell()
        if min(header.shape, default=0) < 0 or count > LARGEST_BYTES or count * header.dtype.itemsize != held:
            raise Unfit(
                path,
                f"{name} must hold what its header says, found {held} bytes for {header.dtype} of "
                f"{shown(header.shape)}: write it again, by np.savez",
            )
        raw = stream.read()
    data = np.frombuffer(raw, header.dtype) if raw else np.zeros(count, header.dtype)
    return data.reshape(header.shape, order="F" if header.fortran else "C")


def _header(path: Path, name: str, stream: IO[bytes]) -> Header:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a header by Python 2
            return Header(*HEADERS[npy.read_magic(stream)](stream))
    except zipfile.BadZipFile:
        raise
    except Exception as error:  # its parser is Python's own, which ends in many ways
        raise Unfit(path, f"{name} must be an array as np.savez writes it: {SEE}") from error
