"""`erclap init paper`: the paper's settings on a small tree laid out as MSP-Podcast is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.config import load_params
from pipeline.manifest import Manifest
from tests.stages.test_commands import erclap, fails

ROOT = Path(__file__).parent.parent.parent

LABELS = """FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set
MSP-PODCAST_0001_0008.wav,N,4.2,4.6,4.0,127,Male,Train
MSP-PODCAST_0001_0019.wav,X,4.0,4.0,4.0,127,Male,Train
MSP-PODCAST_0002_0033.wav,H,5.166667,5.8,5.0,Unknown,Unknown,Development
MSP-PODCAST_0895_0265_0001.wav,S,2.4,2.2,3.0,17,Female,Test1
MSP-PODCAST_0003_0042.wav,A,5.4,2.0,5.2,18,Female,Test2
MSP-PODCAST_1023_0235.wav,,,,,,,Test3
"""


@pytest.fixture
def corpus(tmp_path, write_audio) -> Path:
    root = tmp_path / "MSP-PODCAST-Publish-1.12"
    for line in LABELS.splitlines()[1:]:
        write_audio(root / "Audios" / line.split(",")[0], 0.5, seed=len(line))
    (root / "Labels").mkdir()
    (root / "Labels/labels_consensus.csv").write_text(LABELS)
    return root


@pytest.fixture
def project(tmp_path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(ROOT / "params", folder / "params")
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@example.com")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "as it is")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def test_the_papers_params_read_a_corpus_laid_out_as_the_published_one(project, corpus):
    assert erclap(project, "init", "paper", "--root", str(corpus)).returncode == 0
    assert load_params(project / "params.yaml").train.epochs == 15
    answer = erclap(project, "prepare")
    assert answer.returncode == 0, answer.stderr
    assert "1 rows left out as params.yaml asks: emotion X" in answer.stdout
    rows = Manifest.read(project / "data/manifest.parquet").utterances()
    assert [(u.id, u.split, u.emotion) for u in rows] == [
        ("MSP-PODCAST_0001_0008.wav", "train", "N"),
        ("MSP-PODCAST_0002_0033.wav", "development", "H"),
        ("MSP-PODCAST_0895_0265_0001.wav", "test1", "S"),
    ]
    assert (rows[1].valence, rows[1].arousal, rows[1].speaker) == (5.8, 5.166667, "Unknown")


def test_changes_that_git_does_not_have_are_kept_unless_forced(project, corpus):
    with (project / "params.yaml").open("a") as file:
        file.write("# mine\n")
    before = (project / "params.yaml").read_text()
    fails(project, "init", "paper", "--root", str(corpus), code=2, message="must not lose changes")
    assert (project / "params.yaml").read_text() == before
    assert erclap(project, "init", "paper", "--root", str(corpus), "--force").returncode == 0


def test_an_absent_corpus_and_another_folder_are_one_line(project, corpus, tmp_path):
    fails(project, "init", "paper", "--root", str(tmp_path / "no"), code=2, message="found no folder")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    fails(elsewhere, "init", "paper", "--root", str(corpus), code=2, message="runs in the project's folder")


def test_a_root_with_spaces_and_quotes_is_written_as_it_is(project, corpus):
    odd = corpus.rename(corpus.with_name("MSP: 'my' #1 corpus"))
    assert erclap(project, "init", "paper", "--root", str(odd)).returncode == 0
    assert load_params(project / "params.yaml").prepare.root == f"{odd}/Audios"
