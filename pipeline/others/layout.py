"""What a file of embeddings holds: the arrays by name, in an .npz as in parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]
"""Name → array, of any real dtype and byte order, or of texts."""

REQUIRED = ("speech", "captions", "prompts")

PROBE = "probe_"
"""Before the names of what belongs to the clips that linear probes are fitted to."""

CLIPS = ("speech", "captions", "valence", "arousal", "utterance_id")
"""What there may be of clips, a row each."""

EMBEDDINGS = (*REQUIRED, f"{PROBE}speech", f"{PROBE}captions")

TEXTS = ("utterance_id", f"{PROBE}utterance_id", "text", "title")

KNOWN = (*CLIPS, "prompts", "text", "title", *(f"{PROBE}{name}" for name in CLIPS))

LARGEST_BYTES = 1 << 32
"""Of all arrays of a file together: 4 GiB, that is 500,000 pairs of 1,024 numbers in float32."""

SEE = "docs/score.md has the layout"


class Unfit(ValueError):
    """A file that cannot be measured: one line that names it and says what must hold."""

    def __init__(self, path: Path, says: str) -> None:
        super().__init__(f"{path}: {says}")


def as_texts(path: Path, name: str, values: npt.NDArray[Any]) -> list[str]:
    """Texts, bytes of UTF-8 or whole numbers as texts. Raises Unfit for anything else.

    >>> import numpy as np
    >>> as_texts(Path("a.npz"), "text", np.array([b"a", b"b"])), as_texts(Path("a.npz"), "text", np.array([7]))
    (['a', 'b'], ['7'])
    """
    if values.dtype.kind not in "USTiu":
        raise Unfit(path, f"{name} must be texts, found {values.dtype}")
    try:
        given = values.ravel().tolist()
        return [one.decode("utf-8") if isinstance(one, bytes) else str(one) for one in given]
    except ValueError as error:  # bytes that are no UTF-8, numbers that are no character
        raise Unfit(path, f"{name} must be texts in UTF-8: write it again") from error
