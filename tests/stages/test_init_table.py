"""`erclap init table`: settings for a corpus of one's own, from what its table holds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pipeline.config import load_params
from pipeline.manifest import Manifest
from tests.stages.test_commands import erclap, fails

HEADER = ("FileName", "Split_Set", "Emo Val", "Emo Act", "class", "SpkrID", "id")


def table(
    root: Path,
    *,
    sizes: tuple[int, int, int] = (40, 10, 20),
    emotions: tuple[str, ...] = ("happy", "Sad", "neutral"),
    header: tuple[str, ...] = HEADER,
    separator: str = ";",
    suffix: str = ".wav",
) -> Path:
    """A table as a spreadsheet of another country writes it, with labels on 1..5."""
    root.mkdir(exist_ok=True)
    dice = random.Random(0)
    rows = [separator.join(header)]
    for split, size in zip(("Train", "Validation", "Test"), sizes, strict=True):
        for _ in range(size):
            labels = [f"{dice.uniform(1, 5):.1f}".replace(".", ",") for _ in range(2)]
            number = len(rows)
            path = f"wav\\{number}{suffix}"
            rows.append(
                separator.join([path, split, *labels, dice.choice(emotions), str(number % 9), str(number)])
            )
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    return root / "labels.csv"


@pytest.fixture
def project(tmp_path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def test_what_is_written_reads_the_corpus(project, tmp_path, write_audio):
    file = table(tmp_path / "corpus", sizes=(6, 3, 4))
    for number in range(1, 14):
        write_audio(file.parent / f"wav/{number}.wav", 0.1, seed=number)
    answer = erclap(project, "init", "table", "--no-check", "--root", str(file.parent))
    assert answer.returncode == 0, answer.stderr
    params = load_params(project / "params.yaml")
    assert params.prepare.table is not None
    assert params.prepare.table.columns == {
        "path": "FileName",
        "split": "Split_Set",
        "valence": "Emo Val",
        "arousal": "Emo Act",
        "emotion": "class",
        "speaker": "SpkrID",
        "id": "id",
    }
    assert params.prepare.table.file == "labels.csv"
    assert params.extract.speech.model == "3loi/SER-Odyssey-Baseline-WavLM-Multi-Attributes"
    answer = erclap(project, "prepare")
    assert answer.returncode == 0, answer.stderr
    assert "train 6, development 3, test1 4;" in answer.stdout
    assert [line for line in answer.stdout.splitlines() if line.startswith("warning")] == [
        "warning: 13 paths hold backslashes, read as forward slashes",
        "warning: the ordinality test needs at least 14 clips to retrieve, found 4 in test1: name a larger "
        "evaluate.split",
    ]
    rows = Manifest.read(project / "data/manifest.parquet").utterances()
    assert {u.emotion for u in rows} <= {"H", "S", "N"}
    assert max(u.valence for u in rows) > 6


def test_what_was_found_is_printed_and_what_to_check(project, tmp_path):
    root = table(tmp_path / "corpus", emotions=("happy", "calm", "xxx")).parent
    answer = erclap(project, "init", "table", "--no-check", "--root", str(root))
    assert answer.stdout.splitlines()[:7] == [
        "path is column 'FileName'",
        "split is column 'Split_Set'",
        "valence is column 'Emo Val'",
        "arousal is column 'Emo Act'",
        "id is column 'id'",
        "emotion is column 'class'",
        "speaker is column 'SpkrID'",
    ]
    for line in (
        "split 'Validation' is development",
        "emotion 'happy' is H",
        "emotion 'xxx' is no class",
        "rows: train 40, development 10, test1 20",
        "check: labels are taken for 1..5: write prepare.table.scale as people were asked",
        "check: emotions that have no class: 'calm': name one in prepare.table.emotions",
        f"check: 70 of 70 paths are no file in {root} (the first: wav\\1.wav)",
    ):
        assert line in answer.stdout.splitlines()
    assert f"params.yaml: profile table for labels.csv in {root}\nnext: `erclap prepare`" in answer.stdout


@pytest.mark.parametrize(
    ("sizes", "batch", "epochs", "rate", "pairs", "lists"),
    [
        ((9_000, 1_400, 3_500), 64, 151, 1e-4, 500, 100),
        ((3_000, 700, 1_270), 64, 200, 1e-4, 500, 100),
        ((500, 40, 300), 32, 200, 7e-4, 150, 100),
        ((40, 10, 20), 8, 200, 2e-3, 10, 20),
    ],
)
def test_settings_fit_the_corpus(project, tmp_path, sizes, batch, epochs, rate, pairs, lists):
    root = table(tmp_path / "corpus", sizes=sizes).parent
    assert erclap(project, "init", "table", "--no-check", "--root", str(root)).returncode == 0
    params = load_params(project / "params.yaml")
    assert (params.train.batch_size, params.train.epochs, params.train.learning_rate) == (batch, epochs, rate)
    assert (params.evaluate.pairs, params.caption.prompt_lists) == (pairs, lists)
    assert "supconclap" in params.train.methods


@pytest.mark.parametrize("emotions", [("happy", "calm"), ("happy", "")])
def test_methods_that_need_a_class_are_left_out_where_a_row_has_none(project, tmp_path, emotions):
    root = table(tmp_path / "corpus", emotions=emotions).parent
    assert erclap(project, "init", "table", "--no-check", "--root", str(root)).returncode == 0
    params = load_params(project / "params.yaml")
    assert params.train.methods == [
        "paraclap",
        "clap-sce",
        "emotionrankclap",
        "emotionrankclap-plus",
        "untrained",
    ]
    assert "Without clap-template, clap4emo, supconclap, which need" in (project / "params.yaml").read_text()


def test_rows_without_labels_are_left_out_and_told(project, tmp_path):
    file = table(tmp_path / "corpus")
    file.write_text(file.read_text() + "wav\\x.wav;Test;NA;1;happy;1;x\nwav\\y.wav;;1;;happy;1;y\n")
    answer = erclap(
        project, "init", "table", "--no-check", "--root", str(file.parent), "--file", "labels.csv"
    )
    assert "check: 2 of 72 rows have no label or split: left out" in answer.stdout
    params = load_params(project / "params.yaml")
    assert params.prepare.table is not None
    assert params.prepare.table.drop == {"split": [""], "valence": ["NA"]}
    assert "refuses" not in answer.stdout


def test_an_id_that_occurs_twice_is_none(project, tmp_path):
    file = table(tmp_path / "corpus")
    file.write_text(file.read_text().replace(";70\n", ";69\n"))
    answer = erclap(project, "init", "table", "--no-check", "--root", str(file.parent))
    assert "check: 'id' is empty or the same in several rows: the path is the id" in answer.stdout
    params = load_params(project / "params.yaml")
    assert params.prepare.table is not None
    assert "id" not in params.prepare.table.columns


def test_what_prepare_will_refuse_is_told(project, tmp_path):
    file = table(tmp_path / "corpus", header=(*HEADER[:-1], "other"))
    file.write_text(file.read_text() + file.read_text().splitlines()[5] + "\n")
    answer = erclap(project, "init", "table", "--no-check", "--root", str(file.parent))
    assert (
        "check: `erclap prepare` refuses it so far: an utterance id must occur once, found" in answer.stdout
    )


def test_a_column_that_cannot_be_told_is_named_with_its_candidates(project, tmp_path):
    root = table(tmp_path / "corpus", header=("wav", "set", "val", "valence", "emo", "who", "nr")).parent
    asked = ("init", "table", "--no-check", "--root", str(root))
    fails(
        project, *asked, code=2, message="must be valence, which may be valence or val; it has wav, set, val,"
    )
    asked += ("--column", "valence=val")
    message = (
        "must be arousal, which is called none of arousal, aro, a, activation and the like; it has wav, set"
    )
    fails(project, *asked, code=2, message=message)
    fails(
        project,
        *asked,
        "--column",
        "arousal=no",
        code=2,
        message="found arousal=no",
    )
    answer = erclap(project, *asked, "--column", "arousal=valence")
    assert answer.returncode == 0, answer.stderr
    assert "arousal is column 'valence'" in answer.stdout


def test_of_several_columns_of_paths_that_is_taken_which_has_files(project, tmp_path):
    root = table(tmp_path / "corpus", header=("clip", "split", "v", "a", "emo", "who", "wav")).parent
    (root / "wav").mkdir()
    asked = ("init", "table", "--no-check", "--root", str(root))
    fails(project, *asked, code=2, message="must be path, which may be wav or clip; it has")
    (root / "wav/1.wav").touch()
    assert "path is column 'clip'" in erclap(project, *asked).stdout


def test_a_root_that_lies_beside_the_clips_is_told(project, tmp_path):
    root = table(tmp_path / "corpus", suffix=".flac").parent
    (root / "audio/wav").mkdir(parents=True)
    (root / "audio/wav/1.flac").touch()
    text = (root / "labels.csv").read_text().replace("\\", "/")
    (root / "labels.csv").write_text(text)
    answer = erclap(project, "init", "table", "--no-check", "--root", str(root))
    assert (
        f"(the first: wav/1.flac); it lies in {root / 'audio'}: use --root {root / 'audio'}" in answer.stdout
    )


def test_which_table_is_meant_must_be_clear(project, tmp_path):
    file = table(tmp_path / "corpus")
    for other in ("more.tsv", "x.parquet", "y.csv.gz"):
        (file.parent / other).touch()
    asked = ("init", "table", "--no-check", "--root", str(file.parent))
    fails(project, *asked, code=2, message="found labels.csv, more.tsv, x.parquet, y.csv.gz")
    fails(
        project,
        *asked,
        "--file",
        "no.csv",
        code=2,
        message="--file must be a table, found no file no.csv, nor in",
    )
    fails(
        project,
        "init",
        "table",
        "--root",
        str(project),
        code=2,
        message=f"one alone in {project}, found none",
    )
    message = "--file and --column belong to `erclap init table`, found them with paper"
    fails(
        project,
        "init",
        "paper",
        "--no-check",
        "--root",
        str(project),
        "--file",
        "x",
        "--force",
        code=2,
        message=message,
    )
    assert erclap(project, *asked, "--file", str(file)).returncode == 0


def test_a_table_outside_the_root_and_one_that_another_hides_are_written_whole(project, tmp_path):
    file = table(tmp_path / "corpus")
    (tmp_path / "audio").mkdir()
    assert (
        erclap(
            project, "init", "table", "--no-check", "--root", str(tmp_path / "audio"), "--file", str(file)
        ).returncode
        == 0
    )
    for root in ("audio", "corpus"):
        assert (
            erclap(
                project, "init", "table", "--no-check", "--root", f"../{root}", "--file", str(file), "--force"
            ).returncode
            == 0
        )
        params = load_params(project / "params.yaml")
        assert params.prepare.table is not None
        assert params.prepare.table.file == (str(file) if root == "audio" else "labels.csv")
    (project / "labels.csv").touch()
    assert erclap(project, "init", "table", "--no-check", "--root", "../corpus", "--force").returncode == 0
    params = load_params(project / "params.yaml")
    assert params.prepare.table is not None
    assert params.prepare.table.file == str(file)
