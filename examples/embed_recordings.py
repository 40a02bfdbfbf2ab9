"""A folder of recordings in, an .npz of frozen speech features out: one row a file.

    python examples/embed_recordings.py FOLDER features.npz [MODEL]

MODEL is the sample's small checkpoint unless a hub name or a checkpoint's folder is given; the paper's is
3loi/SER-Odyssey-Baseline-WavLM-Multi-Attributes. Any rate and number of channels will do.
"""

import sys
from pathlib import Path

import numpy as np

from emotionrankclap import SpeechEncoder

SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif"}


def main(folder: str, output: str, model: str = "builtin:sample-speech") -> None:
    files = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        sys.exit(f"there must be recordings ({', '.join(sorted(SUFFIXES))}) in {folder}, found none")
    encoder = SpeechEncoder.from_pretrained(model)
    heard = {}
    for file in files:
        try:
            heard[file.relative_to(folder).as_posix()] = encoder.encode(file)
        except ValueError as error:  # silent, damaged or too short
            print(f"{file} is left out: {error}", file=sys.stderr)
    np.savez(output, path=list(heard), features=list(heard.values()))
    print(f"{output}: {len(heard)} rows of {encoder.recipe.feature_size}, by {model}")


if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
