"""A folder of recordings in, an .npz of frozen speech features out: one row a file.

    python examples/embed_recordings.py FOLDER features.npz [MODEL]

MODEL is the sample's small checkpoint unless a hub name or a checkpoint's folder is given; the paper's is
3loi/SER-Odyssey-Baseline-WavLM-Multi-Attributes. Any rate and number of channels will do.
"""

import sys
from pathlib import Path

import numpy as np

from emotionrankclap import SpeechEncoder


def main(folder: str, output: str, model: str = "builtin:sample-speech") -> None:
    files = sorted(path for path in Path(folder).rglob("*") if path.suffix in {".wav", ".flac", ".ogg"})
    features = SpeechEncoder.from_pretrained(model).encode(files)
    np.savez(output, path=[file.relative_to(folder).as_posix() for file in files], features=features)
    print(f"{output}: {features.shape[0]} rows of {features.shape[1]}, by {model}")


if __name__ == "__main__":
    main(*sys.argv[1:])
