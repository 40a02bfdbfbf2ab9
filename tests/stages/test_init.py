"""`erclap init`: its profiles on small trees laid out as the published corpora are."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config import load_params
from pipeline.manifest import Manifest
from tests import quick_yaml
from tests.imports import ROOT
from tests.stages.test_commands import erclap, fails

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
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@example.com")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "as it is")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def test_the_papers_params_read_a_corpus_laid_out_as_the_published_one(project, corpus):
    assert erclap(project, "init", "paper", "--no-check", "--root", str(corpus)).returncode == 0
    assert load_params(project / "params.yaml").train.epochs == 15
    answer = erclap(project, "prepare")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[1:] == [
        "valence from 2.20 to 5.80 on 1..7, mean 4.20",
        "arousal from 2.40 to 5.17 on 1..7, mean 3.92",
        "dominance from 3.00 to 5.00 on 1..7, mean 4.00",
        "warning: release 1.12 is published with 207136 audio files, found 6: is the copy whole, and "
        "prepare.msp_podcast.release right?",
        "warning: release 1.12 is published with train 90022, development 25258, test1 34963 clips without X and "
        "O, found train 1, development 1, test1 1: is the copy whole, and prepare.msp_podcast.release right?",
        "warning: training needs at least a batch of clips in each split, train.batch_size 64, found train 1, "
        "development 1: more clips are needed",
        "warning: the ordinality test needs at least 14 clips to retrieve, found 1 in test1: name a larger "
        "evaluate.split",
        "1 clip left out: emotion X",
        "1 clip left out: split test2",
        "1 clip left out: split test3",
    ]
    rows = Manifest.read(project / "data/manifest.parquet").utterances()
    assert [(u.id, u.path, u.split, u.emotion) for u in rows] == [
        ("MSP-PODCAST_0001_0008", "Audios/MSP-PODCAST_0001_0008.wav", "train", "N"),
        ("MSP-PODCAST_0002_0033", "Audios/MSP-PODCAST_0002_0033.wav", "development", "H"),
        ("MSP-PODCAST_0895_0265_0001", "Audios/MSP-PODCAST_0895_0265_0001.wav", "test1", "S"),
    ]
    assert (rows[1].valence, rows[1].arousal, rows[1].speaker) == (5.8, 5.166667, None)


def test_the_iemocap_params_read_a_corpus_laid_out_as_the_published_one(project, tmp_path, write_audio):
    root = tmp_path / "IEMOCAP_full_release"
    for session in range(1, 6):
        dialog = f"Ses0{session}M_script01_1"
        labels = root / f"Session{session}/dialog/EmoEvaluation/{dialog}.txt"
        labels.parent.mkdir(parents=True)
        labels.write_text(
            "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
            f"[6.29 - 8.23]\t{dialog}_F000\tang\t[5.5000, 3.0000, 2.5000]\nC-E2:\tAnger;\t()\n\n"
            f"[9.29 - 9.93]\t{dialog}_M000\toth\t[2.5000, 3.0000, 2.5000]\n"
        )
        for i, turn in enumerate(("F000", "M000")):
            clip = root / f"Session{session}/sentences/wav/{dialog}/{dialog}_{turn}.wav"
            write_audio(clip, 0.1, seed=2 * session + i)
    assert erclap(project, "init", "iemocap", "--no-check", "--root", str(root)).returncode == 0
    answer = erclap(project, "prepare")
    assert answer.returncode == 0, answer.stderr
    assert "train 3, development 1, test1 1; 0.00 hours" in answer.stdout
    assert "warning: 5 turns have a mean valence up to 0.5 beyond 1..5" in answer.stdout
    assert "warning: IEMOCAP is published with 10039 labelled turns, found 10 in Session1," in answer.stdout
    assert "5 clips left out: emotion oth" in answer.stdout
    rows = Manifest.read(project / "data/manifest.parquet").utterances()
    assert [(u.split, u.speaker, u.emotion, u.valence) for u in rows][-2:] == [
        ("development", "Ses04F", "A", 7.0),
        ("test1", "Ses05F", "A", 7.0),
    ]


def test_a_corpus_and_its_root_are_all_that_params_must_say(project, corpus):
    params = quick_yaml.load((project / "params.yaml").read_text())
    params["prepare"] = {"corpus": "msp-podcast", "root": str(corpus)}
    (project / "params.yaml").write_text(quick_yaml.dump(params))
    answer = erclap(project, "prepare")
    assert answer.returncode == 0, answer.stderr
    assert "train 1, development 1, test1 1, test2 1;" in answer.stdout
    assert "1 clip left out: labels not published" in answer.stdout


def test_a_root_that_is_no_release_is_one_line(project, corpus):
    params = quick_yaml.load((project / "params.yaml").read_text())
    params["prepare"] = {"corpus": "msp-podcast", "root": str(corpus / "Audios")}
    (project / "params.yaml").write_text(quick_yaml.dump(params))
    fails(project, "prepare", code=2, message="must be the folder of an MSP-Podcast release")


def test_a_root_beside_the_corpus_is_refused_and_the_right_one_named(project, corpus, tmp_path):
    for near in (corpus / "Audios", corpus / "Labels", corpus.parent):
        message = f"; {corpus} is one: use --root {corpus}"
        fails(project, "init", "paper", "--no-check", "--root", str(near), code=2, message=message)
    (tmp_path / "other/iemocap/Session3").mkdir(parents=True)
    message = f"which holds Session1/ to Session5/, found iemocap/ in {tmp_path / 'other'}; "
    fails(
        project, "init", "iemocap", "--no-check", "--root", str(tmp_path / "other"), code=2, message=message
    )
    for profile in ("paper", "iemocap"):
        fails(
            project,
            "init",
            profile,
            "--root",
            str(project),
            code=2,
            message=f"found params.yaml in {project}",
        )
    assert (project / "params.yaml").read_text() == (ROOT / "params.yaml").read_text()


def test_changes_that_git_does_not_have_are_kept_unless_forced(project, corpus):
    with (project / "params.yaml").open("a") as file:
        file.write("# mine\n")
    before = (project / "params.yaml").read_text()
    fails(
        project, "init", "paper", "--no-check", "--root", str(corpus), code=2, message="must not lose changes"
    )
    assert (project / "params.yaml").read_text() == before
    assert erclap(project, "init", "paper", "--no-check", "--root", str(corpus), "--force").returncode == 0


def test_where_there_is_no_checkout_the_commands_are_named_one_by_one(corpus, tmp_path, project):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    answer = erclap(elsewhere, "init", "paper", "--no-check", "--root", str(corpus))
    assert answer.returncode == 0, answer.stderr
    assert "next: `erclap prepare`" in answer.stdout
    assert load_params(elsewhere / "params.yaml").prepare.root == str(corpus)
    shutil.copy(ROOT / "dvc.yaml", project)
    assert "next: `dvc repro`" in erclap(project, "init", "paper", "--no-check", "--root", str(corpus)).stdout


def test_a_root_with_spaces_and_quotes_is_written_as_it_is(project, corpus):
    odd = corpus.rename(corpus.with_name("MSP: 'my' #1 corpus"))
    assert erclap(project, "init", "paper", "--no-check", "--root", str(odd)).returncode == 0
    assert load_params(project / "params.yaml").prepare.root == str(odd)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_root_whose_name_is_not_utf_8_is_one_line(project, corpus, monkeypatch):
    odd = str(corpus.rename(corpus.with_name("caf\udce9")))
    message = r"caf\udce9': rename the folder"
    fails(
        project,
        "init",
        "paper",
        "--root",
        odd,
        code=2,
        message="--root must have a path whose names are UTF-8",
    )
    linked = corpus.with_name("linked")
    linked.symlink_to(odd)
    params = quick_yaml.load((project / "params.yaml").read_text())
    params["prepare"] = {"corpus": "msp-podcast", "root": str(linked)}
    (project / "params.yaml").write_text(quick_yaml.dump(params))
    fails(project, "prepare", code=2, message=message)
    monkeypatch.setenv("ERCLAP_CORPUS_ROOT", odd)
    fails(project, "prepare", code=2, message=message)
