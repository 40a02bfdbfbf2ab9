"""The built wheel, in an environment of its own and outside the checkout: what a user has who installs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import soundfile

import emotionrankclap
from emotionrankclap import SpeechEncoder
from tests.imports import ROOT, all_modules, names_taken

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SECONDS = 1.5

LIBRARY = """
import json, sys, numpy, soundfile
import emotionrankclap
from emotionrankclap import SpeechEncoder, TextEncoder
waveform, rate = soundfile.read(sys.argv[1], dtype="float32")
assert rate == 16_000
features = SpeechEncoder.from_pretrained("builtin:sample-speech").encode([waveform])
numpy.save(sys.argv[2], features)
sentences = TextEncoder.from_pretrained("builtin:sample-text").encode(["The person is speaking calmly."])
print(json.dumps([emotionrankclap.__file__, emotionrankclap.__version__, sentences.shape]))

import torch
from emotionrankclap.losses import rank_n_contrast, squared_label_distance
from emotionrankclap.losses import supervised_contrastive, symmetric_cross_entropy
from emotionrankclap.measures import kendall_tau, mmd_rbf, ordinal_consistency
from emotionrankclap.measures import retrieve_without_replacement, wasserstein
labels = torch.tensor([[1.0, 4.0], [3.0, 4.0], [7.0, 4.0]])
print(float(rank_n_contrast(torch.eye(3), squared_label_distance(labels, labels))))
print(mmd_rbf(numpy.eye(3), numpy.eye(3), gamma=1.0))
print(wasserstein(numpy.eye(3), numpy.eye(3)))
"""

ALL_COMMANDS = """
from stages.cli import main
commands = "prepare, caption, caption --show-prompt, extract, train, eval --quiet, export, report"
for command in commands.split(", "):
    try:
        main(command.split())
    except SystemExit as ended:
        assert not ended.code, command
"""

SMALLER = {
    "utterances: 1500": "utterances: 72",
    "prompt_lists: 100": "prompt_lists: 4",
    "step: 0.25": "step: 1.0",
    "epochs: 60": "epochs: 2",
    "batch_size: 64": "batch_size: 8",
    "trials: 30": "trials: 2",
    "pairs: 200": "pairs: 10",
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the wheel, and of this environment what the wheel depends on, but not the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    building = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT]
    subprocess.run(building, check=True, capture_output=True, text=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True)
    # Only what lies in the folder counts, not its .pth files, by which this environment has the checkout.
    (own,) = (folder / "venv" / "lib").glob("python3*/site-packages")
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    samples = 0.1 * np.random.default_rng(0).standard_normal(round(SECONDS * 16_000))
    soundfile.write(tmp_path / "clip.wav", samples, 16_000)
    return tmp_path / "clip.wav"


def run(command: list[object], folder: Path) -> str:
    """What a command prints that runs outside the checkout; it must succeed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    answer = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_a_clip_is_embedded_as_in_the_checkout_and_losses_and_measures_are_public_names(
    installed, clip, tmp_path
):
    said = run([installed, "-c", LIBRARY, clip, tmp_path / "found.npy"], tmp_path).splitlines()
    file, version, shape = json.loads(said[0])
    assert Path(file).is_relative_to(installed.parent.parent)
    assert version == PYPROJECT["version"] == emotionrankclap.__version__
    assert shape == [1, 96]
    waveform, _ = soundfile.read(clip, dtype="float32")
    ours = SpeechEncoder.from_pretrained("builtin:sample-speech").encode([waveform])
    assert np.load(tmp_path / "found.npy").tobytes() == ours.tobytes()
    loss, *distances = map(float, said[1:])
    assert np.isfinite(loss)
    assert distances == pytest.approx([0, 0], abs=1e-6)


def test_its_commands_go_from_audio_to_the_page(installed, tmp_path):
    (tmp_path / "corpus/Session1").mkdir(parents=True)
    run(
        [installed.parent / "erclap", "init", "iemocap", "--no-check", "--root", tmp_path / "corpus"],
        tmp_path,
    )
    text = (ROOT / "params.yaml").read_text()
    for old, new in SMALLER.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "params.yaml").write_text(re.sub(r"methods: \[.*?\]", "methods: [emotionrankclap]", text))
    said = run([installed, "-c", ALL_COMMANDS], tmp_path)
    assert "write a sentence describing a speaking style" in said
    assert "Rank-N-Contrast" in (tmp_path / "results/report.html").read_text()
    assert "## Its limits" in (tmp_path / "results/model/README.md").read_text()


def declared() -> Iterator[str]:
    """The distributions that pyproject.toml names, extras and all, in lower case with hyphens."""
    for line in chain(PYPROJECT["dependencies"], *PYPROJECT["optional-dependencies"].values()):
        yield re.split(r"[\[<>=!~ ]", line)[0].lower().replace("_", "-")


def test_all_that_is_imported_is_declared():
    known = packages_distributions() | {"parselmouth": ["praat-parselmouth"]}  # a library beside no package
    imported = {
        module.split(".")[0]
        for file in all_modules("emotionrankclap", "pipeline", "stages")
        for module, _ in names_taken(file)
    } - {*sys.stdlib_module_names, "emotionrankclap", "pipeline", "stages"}
    missing = {
        name
        for name in imported
        if not {found.lower().replace("_", "-") for found in known.get(name, [])} & set(declared())
    }
    assert missing == set()
