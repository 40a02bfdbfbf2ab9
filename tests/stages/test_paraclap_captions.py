"""`erclap caption` for ParaCLAP: clips are measured once, and then their audio is not needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.manifest import Manifest
from pipeline.sentences import read_captions
from tests import quick_yaml
from tests.imports import ROOT

CLIPS = 40


def erclap(project: Path, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command of ours; `path` is a folder whose modules come before all others."""
    folders = [str(folder) for folder in (path, ROOT) if folder]
    return subprocess.run(
        [Path(os.environ["WARM_COMMANDS"]) / "erclap", *arguments],
        cwd=project,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        check=False,
    )


def change(project: Path, **sections: dict) -> None:
    params = quick_yaml.load((project / "params.yaml").read_text())
    for section, values in sections.items():
        params[section] |= values
    (project / "params.yaml").write_text(quick_yaml.dump(params))


@pytest.fixture(scope="module")
def captioned(tmp_path_factory, warm) -> Path:
    """The sample corpus, small, as `erclap caption` left it."""
    project = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "params.yaml", project)
    change(
        project,
        prepare={"sample": {"utterances": CLIPS, "seed": 0}},
        caption={"prompt_lists": 1},
        train={"methods": ["paraclap"]},
    )
    for command in ("prepare", "caption"):
        answer = erclap(project, command)
        assert answer.returncode == 0, answer.stderr
        (project / f"{command}.log").write_text(answer.stdout + answer.stderr)
    return project


@pytest.fixture
def project(captioned, tmp_path) -> Path:
    """A copy of that project to change."""
    return shutil.copytree(captioned, tmp_path / "project")


def texts(project: Path) -> dict[str, str]:
    return read_captions("paraclap", project / "data/captions.parquet")


def test_every_clip_has_a_sentence_of_the_papers_four_measures(captioned):
    clause = r"has a (low|normal|high) (pitch|jitter|shimmer|articulation rate)"
    written = texts(captioned)
    assert written.keys() == set(Manifest.read(captioned / "data/manifest.parquet").strings("id"))
    assert all(re.fullmatch(f"speaker {clause}( and {clause})*", text) for text in written.values())
    assert len(set(written.values())) > 15
    assert f"acoustics: {CLIPS}/{CLIPS} clips (100%)" in (captioned / "caption.log").read_text()
    assert pq.read_table(captioned / "cache/acoustics.parquet").num_rows == CLIPS


def test_without_audio_the_measures_that_are_kept_suffice(project):
    before = {
        path: (project / path).read_bytes() for path in ("data/captions.parquet", "cache/acoustics.parquet")
    }
    shutil.rmtree(project / "data/sample")
    answer = erclap(project, "caption")
    assert answer.returncode == 0, answer.stderr
    assert "acoustics:" not in answer.stderr
    assert {path: (project / path).read_bytes() for path in before} == before
    change(project, caption={"paraclap": {"features": "original"}})
    assert erclap(project, "caption").returncode == 0
    assert all("loudness" in text and "rate" not in text for text in texts(project).values())


def fails(project: Path, code: int, message: str, path: Path | None = None) -> None:
    """`erclap caption` ends with the code and one line, and the captions stay as they were."""
    before = (project / "data/captions.parquet").read_bytes()
    answer = erclap(project, "caption", path=path)
    assert answer.returncode == code, answer.stderr
    (error,) = [line for line in answer.stderr.splitlines() if line.startswith("error: ")]
    assert message in error
    assert "Traceback" not in answer.stderr
    assert (project / "data/captions.parquet").read_bytes() == before


def test_without_audio_and_without_measures_one_line_says_what_is_missing(project):
    shutil.rmtree(project / "data/sample")
    (project / "cache/acoustics.parquet").unlink()
    fails(project, 2, f"found no folder data/sample, and {CLIPS} of {CLIPS} clips are not measured yet")


def test_a_clip_that_is_damaged_since_is_named(project):
    (project / "cache/acoustics.parquet").unlink()
    clip = Manifest.read(project / "data/manifest.parquet").strings("path")[7]
    (project / "data/sample" / clip).write_bytes(b"no audio")
    fails(project, 1, f"(the first: {clip}: changed since `erclap prepare`)")
    assert clip in (project / "cache/unmeasured.csv").read_text()
    assert pq.read_table(project / "cache/acoustics.parquet").num_rows == CLIPS - 1


def test_without_praat_one_line_says_what_to_install(project, tmp_path):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/parselmouth.py").write_text("raise ImportError('not here')")
    message = "praat-parselmouth is not installed: in the clone, pip install -e '.[acoustic]'"
    fails(project, 1, message, path=tmp_path / "modules")


def test_other_methods_need_no_praat_and_leave_the_measures(project, tmp_path):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/parselmouth.py").write_text("raise ImportError('not here')")
    before = (project / "cache/acoustics.parquet").read_bytes()
    change(project, train={"methods": ["clap-sce"]})
    answer = erclap(project, "caption", path=tmp_path / "modules")
    assert answer.returncode == 0, answer.stderr
    assert (project / "cache/acoustics.parquet").read_bytes() == before
