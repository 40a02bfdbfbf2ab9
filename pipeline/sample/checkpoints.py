"""Trains both checkpoints of the sample profile again: `python -m pipeline.sample.checkpoints [FOLDER]`.

Without a folder they replace those that come with the package, in pipeline/sample/speech and pipeline/sample/text.
On one machine the same seeds give the same bytes; it takes some twenty minutes on two cores.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.sample import speech_checkpoint, text_checkpoint


def main(folder: Path) -> None:
    """Train and write `folder`/text and `folder`/speech."""

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    text_checkpoint.train(folder / "text", progress=tell)
    speech_checkpoint.train(folder / "speech", progress=tell)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
