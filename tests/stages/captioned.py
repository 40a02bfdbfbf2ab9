"""A small project as it is before stage one: a corpus of a few clips of noise, through prepare and caption."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import soundfile

from tests import quick_yaml
from tests.stages.test_commands import erclap

PARAMS = quick_yaml.load((Path(__file__).parents[2] / "params.yaml").read_text())


def make_captioned(project: Path, clips: int, speech_checkpoint: Path, text_checkpoint: Path) -> Path:
    """Make it, with clips of a quarter of a second and more, no two of one length, and captions of one method."""
    (project / "audio").mkdir()
    rng = np.random.default_rng(0)
    with (project / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["f", "s", "v", "a"])
        for i in range(clips):
            soundfile.write(project / f"audio/{i}.wav", 0.1 * rng.standard_normal(4000 + 800 * i), 16_000)
            writer.writerow([f"{i}.wav", "train", 1 + i % 6, 4])
    params = PARAMS | {
        "prepare": {
            "corpus": "table",
            "root": "audio",
            "table": {
                "file": "labels.csv",
                "columns": {"path": "f", "split": "s", "valence": "v", "arousal": "a"},
            },
        },
        "caption": {"captioner": "lexicon", "seed": 0, "prompt_lists": 1},
    }
    params["train"] = PARAMS["train"] | {"methods": ["emotionrankclap"]}
    params["extract"] = PARAMS["extract"] | {
        "speech": PARAMS["extract"]["speech"] | {"model": str(speech_checkpoint)},
        "text": PARAMS["extract"]["text"] | {"model": str(text_checkpoint)},
    }
    (project / "params.yaml").write_text(quick_yaml.dump(params))
    for command in ("prepare", "caption"):
        answer = erclap(project, command)
        assert answer.returncode == 0, answer.stderr
    return project
