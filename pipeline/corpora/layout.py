"""Whether a folder is that of a published corpus, and where else it may be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.corpora.msp_podcast_release import Release

TOLD = 8
"""A message names no more of what a folder holds."""

HOLDS = {
    "msp-podcast": "the folder of an MSP-Podcast release, which holds Audios/ and Labels/labels_consensus.csv",
    "iemocap": "the folder of IEMOCAP, which holds Session1/ to Session5/",
}


def check_layout(corpus: str, root: Path) -> None:
    """Raise ValueError unless `root` is laid out as the published corpus is, naming a folder near it that is."""
    if _is_laid_out(corpus, root):
        return
    names = sorted(
        path.name + "/" * path.is_dir() for path in root.iterdir() if not path.name.startswith(".")
    )
    found = ", ".join(names[:TOLD]) + (f" and {len(names) - TOLD} more" if len(names) > TOLD else "")
    near = next((folder for folder in _near(root) if _is_laid_out(corpus, folder)), None)
    advice = f"; {near} is one: use --root {near}" if near else ""
    raise ValueError(f"--root must be {HOLDS[corpus]}, found {found or 'nothing'} in {root}{advice}")


def _is_laid_out(corpus: str, root: Path) -> bool:
    if corpus == "iemocap":
        return any((root / f"Session{i}").is_dir() for i in range(1, 6))
    try:
        Release.find(root)
    except ValueError:
        return False
    return True


def _near(root: Path) -> Iterator[Path]:
    """One level above, and below."""
    yield root.parent
    yield from sorted(path for path in root.iterdir() if path.is_dir())
