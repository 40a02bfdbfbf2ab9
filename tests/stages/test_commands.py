"""The real commands on real audio files: a corpus of one's own through all stages, and every kind of bad input."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.features import Pairs
from pipeline.measures import measure_ceilings
from pipeline.report.results import plots
from pipeline.report.results.writing import write_tables
from stages.cli import main
from tests import quick_yaml
from tests.features.samples import tmpfs
from tests.imports import ROOT
from tests.stages.warm import Running, drawn_once

SPLITS = {"train": 40, "development": 20, "test1": 24}


@dataclass
class Answer:
    returncode: int
    stdout: str
    stderr: str


DRAWN = tempfile.TemporaryDirectory(prefix="erclap-drawn-")
SAVE_ONCE = drawn_once(plots._save, Path(DRAWN.name))


def erclap(folder: Path, *args: str, drawing: bool = False, **environment: str) -> Answer:
    """Run a command as its entry point does, in this process, which spares importing torch each time.

    Plots are drawn for what they are with `drawing` alone.
    """
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        contextlib.nullcontext() if drawing else mock.patch.object(plots, "_save", SAVE_ONCE),
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, {"HF_HUB_OFFLINE": "1"} | environment),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main(list(args))
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Answer(code, out.getvalue(), err.getvalue())


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def change_params(project: Path, **changes: Any) -> None:
    """Set keys such as train__epochs."""
    params = quick_yaml.load((project / "params.yaml").read_text())
    for key, value in changes.items():
        *sections, last = key.split("__")
        section = params
        for name in sections:
            section = section[name]
        section[last] = value
    (project / "params.yaml").write_text(quick_yaml.dump(params))


def make_prepared(project: Path, speech_checkpoint: Path, text_checkpoint: Path) -> None:
    """A project with a corpus of its own, through all stages."""
    import soundfile

    rng = np.random.default_rng(0)
    rows = []
    for split, count in SPLITS.items():
        for i in range(count):
            rate = [8_000, 16_000, 44_100][i % 3]
            name = f"{split}/{i}.{['wav', 'flac', 'ogg'][i % 3]}"
            (project / "audio" / split).mkdir(parents=True, exist_ok=True)
            seconds = 0.2 + 0.3 * rng.random()
            soundfile.write(project / "audio" / name, 0.1 * rng.standard_normal(round(rate * seconds)), rate)
            valence, arousal = np.round(rng.uniform(1, 7, 2), 1)
            rows.append({"f": name, "s": split, "v": valence, "a": arousal, "e": "AHNS"[i % 4]})
    rows.append({"f": "train/broken.wav", "s": "train", "v": 4, "a": 4, "e": "N"})
    (project / "audio" / "train" / "broken.wav").write_bytes(b"not audio")
    with (project / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    params = {
        "prepare": {
            "corpus": "table",
            "root": "audio",
            "table": {
                "file": "labels.csv",
                "columns": {"path": "f", "split": "s", "valence": "v", "arousal": "a", "emotion": "e"},
            },
        },
        "caption": {"captioner": "lexicon", "seed": 0, "prompt_lists": 15},
        "extract": {
            "compute_dtype": "float32",
            "speech": {
                "model": str(speech_checkpoint),
                "revision": None,
                "pooling": "attentive-mean",
                "padding": "masked",
                "crop_seconds": 10.0,
            },
            "text": {"model": str(text_checkpoint), "revision": None, "max_tokens": 128},
        },
        "train": {
            "methods": [
                "clap-template",
                "clap4emo",
                "clap-sce",
                "supconclap",
                "emotionrankclap",
                "untrained",
            ],
            "seed": 0,
            "epochs": 2,
            "batch_size": 16,
            "learning_rate": 0.001,
            "embedding_size": 32,
            "temperature": 1.0,
            "candidates": "farther",
            "directions": "speech-to-text",
        },
        "evaluate": {"split": "test1", "trials": 4, "pairs": 16, "seed": 0, "alpha": 0.05},
    }
    (project / "params.yaml").write_text(quick_yaml.dump(params))
    for command in ("prepare", "caption", "extract", "train", "eval"):
        answer = erclap(project, command, drawing=True)
        assert answer.returncode == 0, answer.stderr
        (project / f"{command}.log").write_text(answer.stdout + answer.stderr)


def test_prepare_counts_what_it_left_out_and_lists_it(prepared):
    log = (prepared / "prepare.log").read_text()
    assert "train 40, development 20, test1 24" in log
    assert "1 of 85 clips left out: see data/rejects.csv" in log
    (reject,) = read_csv(prepared / "data/rejects.csv")
    assert reject["path"] == "train/broken.wav"


def test_extraction_shows_progress_with_a_rate(prepared):
    log = (prepared / "extract.log").read_text()
    assert "speech: 84/84 clips (100%)" in log
    assert "clips/s" in log
    assert "cache/features/speech: 84 rows of 48" in log


def test_every_method_has_heads_history_and_figures(prepared):
    metrics = json.loads((prepared / "results/metrics.json").read_text())
    ceilings = metrics.pop("ceilings")
    assert {"ridges", "text-known", "both-known"} <= ceilings.keys()
    assert all(found.keys() == {"aoc", "voc"} for found in ceilings.values())
    assert metrics.keys() == {
        "clap-template",
        "clap4emo",
        "clap-sce",
        "supconclap",
        "emotionrankclap",
        "untrained",
    }
    assert metrics["emotionrankclap"].keys() - metrics["clap-template"].keys() == {"mmd", "w1"}
    assert {"aoc", "voc", "probe_speech_valence", "modality_gap"} <= metrics["clap-template"].keys()
    for name in metrics:
        folder = prepared / "results/models" / name / "seed-0"
        assert json.loads((folder / "config.json").read_text())["method"] == name
        history = read_csv(folder / "history.csv")
        assert len(history) == (0 if name == "untrained" else 2)


def test_tables_plots_and_every_value_are_kept(prepared):
    results = prepared / "results"
    for name in ("table1", "table2", "table2b", "further"):
        assert {path.suffix for path in (results / "tables").glob(f"{name}.*")} == {".csv", ".md", ".txt"}
    trials = pq.read_table(results / "tables/alignment_trials.parquet").to_pylist()
    assert len(trials) == 4 * 4
    lists = pq.read_table(results / "tables/ordinality_lists.parquet").to_pylist()
    assert len(lists) == 6 * 2 * 15
    metrics = json.loads((results / "metrics.json").read_text())
    taus = [row["tau"] for row in lists if (row["method"], row["test"]) == ("clap-sce", "voc")]
    assert np.mean(taus) == pytest.approx(metrics["clap-sce"]["voc"])
    retrieved = pq.read_table(results / "tables/ordinality_retrievals.parquet").to_pylist()
    one_list = [r for r in retrieved if (r["method"], r["test"], r["list"]) == ("clap-sce", "voc", 3)]
    assert len({r["utterance_id"] for r in one_list}) == 14
    assert {path.name for path in (results / "plots").iterdir()} == {
        *(f"embeddings_{name}.png" for name in metrics if name != "ceilings"),
        "tau.png",
        "training.png",
    }


def test_the_page_is_made_of_the_last_evaluation_and_its_place_printed(project):
    answer = erclap(project, "report")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("results/report.html: the page")
    html = (project / "results/report.html").read_text(encoding="utf-8")
    metrics = json.loads((project / "results/metrics.json").read_text())
    for name in ("clap-sce", "emotionrankclap"):
        assert f"{metrics[name]['aoc']:.3f}".replace("-", "−") in html
    assert "labels.csv, test1" in html
    assert "Synthetic speech." not in html
    assert str(project) not in html
    trials = pq.read_table(project / "results/details/trials.parquet").to_pylist()
    w1 = [row["value"] for row in trials if (row["method"], row["reading"]) == ("clap-sce", "w1")]
    assert np.mean(w1) == pytest.approx(metrics["clap-sce"]["w1"])


def test_a_page_needs_an_evaluation(project):
    shutil.rmtree(project / "results/details")
    answer = erclap(project, "report")
    assert answer.returncode == 1
    assert answer.stderr == ("error: results/details/trials.parquet is not there: run `erclap eval` first\n")


def test_where_no_browser_opens_the_page_it_is_said(project):
    with mock.patch("click.launch", return_value=1) as launch:
        answer = erclap(project, "report", "--open")
    assert answer.returncode == 1
    assert "there must be a browser for --open, found none: open results/report.html" in answer.stderr
    assert launch.call_args.args[0] == (project / "results/report.html").resolve().as_uri()


def test_eval_and_tables_print_both_tables_and_where_to_look(prepared):
    log = (prepared / "eval.log").read_text()
    for part in (
        "Table 1.",
        "Table 2.",
        "Further measures.",
        "labels.csv, test1",
        "MSP-Podcast 1.12",
        "0.616 ± .13",
        "results/plots/",
    ):
        assert part in log
    again = erclap(prepared, "tables")
    assert again.returncode == 0
    assert again.stdout.strip() in log


def test_running_all_again_changes_no_file(project):
    def contents() -> dict[str, bytes]:
        kept = ("data", "cache", "results")
        files = (path for folder in kept for path in (project / folder).rglob("*") if path.is_file())
        # What `prepare` remembers of the files is no result.
        return {str(path): path.read_bytes() for path in files if "inspected.sqlite" not in path.name}

    before = contents()
    for command in ("prepare", "caption", "extract", "train", "eval"):
        assert erclap(project, command, drawing=True).returncode == 0
    after = contents()
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []


def test_extract_takes_up_a_new_clip_and_lets_go_of_an_old_one(project):
    lines = (project / "labels.csv").read_text().splitlines()
    (project / "audio/train/new.wav").write_bytes((project / "audio/train/0.wav").read_bytes()[:-400])
    header = bytearray((project / "audio/train/new.wav").read_bytes())
    header[4:8] = (len(header) - 8).to_bytes(4, "little")
    header[40:44] = (len(header) - 44).to_bytes(4, "little")
    (project / "audio/train/new.wav").write_bytes(header)
    lines[1] = "train/new.wav,train,3.0,3.0,N"
    (project / "labels.csv").write_text("\n".join(lines) + "\n")
    for command in ("prepare", "caption"):
        assert erclap(project, command).returncode == 0
    answer = erclap(project, "extract")
    assert answer.returncode == 0
    assert "speech: 1/1 clips" in answer.stderr
    assert "84 rows of 48, 1 rows that nothing asks for removed" in answer.stdout


def test_one_method_can_be_trained_alone(project):
    before = (project / "results/models/clap-sce/seed-0/heads.safetensors").read_bytes()
    change_params(project, train__epochs=1)
    answer = erclap(project, "train", "--method", "emotionrankclap")
    assert answer.returncode == 0
    assert "epoch 1/1" in answer.stdout
    assert (project / "results/models/clap-sce/seed-0/heads.safetensors").read_bytes() == before


def fails(project: Path, *args: str, code: int, message: str) -> None:
    """The command ends with the code and one line that holds the message, and leaves nothing half-written."""
    answer = erclap(project, *args)
    assert answer.returncode == code, (answer.stdout, answer.stderr)
    errors = [line for line in answer.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, answer.stderr
    assert message in errors[0]
    assert "Traceback" not in answer.stderr
    assert not list(project.rglob("*.tmp"))


def test_a_missing_key_is_one_line(project):
    params = quick_yaml.load((project / "params.yaml").read_text())
    del params["train"]["epochs"]
    (project / "params.yaml").write_text(quick_yaml.dump(params))
    fails(project, "train", code=2, message="params.yaml: train.epochs is missing")


def test_an_unknown_method_is_one_line(project):
    fails(project, "train", "--method", "clap", code=2, message="a method must be one of")


def test_a_label_outside_its_scale_is_one_line_and_keeps_the_manifest(project):
    before = (project / "data/manifest.parquet").read_bytes()
    text = (project / "labels.csv").read_text().splitlines()
    text[3] = ",".join([*text[3].split(",")[:2], "7.5", "4", "N"])
    (project / "labels.csv").write_text("\n".join(text))
    fails(
        project,
        "prepare",
        code=2,
        message="valence must lie within 1..7, found 7.5 in line 4 of labels.csv, column 'v'",
    )
    assert (project / "data/manifest.parquet").read_bytes() == before


def test_a_duplicate_id_is_one_line(project):
    text = (project / "labels.csv").read_text().splitlines()
    (project / "labels.csv").write_text("\n".join([*text, text[1]]))
    fails(project, "prepare", code=2, message="an utterance id must occur once, found 'train/0.wav'")


def test_a_split_with_no_usable_clip_is_one_line(project):
    for path in (project / "audio/test1").iterdir():
        path.write_bytes(b"not audio")
    fails(project, "prepare", code=2, message="every split must keep a clip, found none left in test1")


def test_an_empty_split_is_one_line(project):
    kept = [r for r in (project / "labels.csv").read_text().splitlines() if ",development," not in r]
    (project / "labels.csv").write_text("\n".join(kept))
    for command in ("prepare", "caption", "extract"):
        assert erclap(project, command).returncode == 0
    fails(project, "train", code=2, message="split 'development' must have utterances, found none")
    change_params(project, evaluate__split="test9")
    fails(project, "eval", code=2, message="split 'test9' must have utterances, found none")


def test_a_split_smaller_than_a_batch_is_one_line(project):
    change_params(project, train__batch_size=32)
    fails(
        project, "train", code=2, message="the development split must have at least a batch of rows, found 20"
    )


def test_an_absent_checkpoint_is_one_line(project):
    change_params(project, extract__speech__model="nowhere/at-all")
    fails(project, "extract", code=2, message="'nowhere/at-all' must be a folder or a hub name")


def test_a_checkpoint_with_a_missing_tensor_is_one_line(project, speech_checkpoint):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(speech_checkpoint, project / "broken")
    tensors = load_file(folder / "model.safetensors")
    del tensors["pool_model.attention"]
    save_file(tensors, folder / "model.safetensors")
    before = sorted((project / "cache").rglob("*"))
    change_params(project, extract__speech__model=str(folder))
    fails(project, "extract", code=1, message="missing 1 tensor: pool_model.attention")
    assert sorted((project / "cache").rglob("*")) == before


def test_a_clip_that_is_gone_is_listed_and_the_others_are_stored(project):
    shutil.rmtree(project / "cache")
    (project / "audio/train/5.ogg").unlink()
    fails(project, "extract", code=1, message="1 of 84 could not: see cache/failures.csv")
    (row,) = read_csv(project / "cache/failures.csv")
    assert row["path"] == "train/5.ogg"
    answer = erclap(project, "extract")
    assert "speech: 1/1 clips" in answer.stderr


def test_stages_out_of_order_say_what_to_run(project):
    shutil.rmtree(project / "cache")
    fails(project, "train", code=1, message="recipe.json is not there: run `erclap extract` first")
    shutil.rmtree(project / "results")
    fails(project, "tables", code=1, message="run `erclap eval` first")
    (project / "data/captions.parquet").unlink()
    fails(project, "extract", code=1, message="captions.parquet is not there: run `erclap caption` first")
    (project / "data/manifest.parquet").unlink()
    fails(project, "caption", code=1, message="manifest.parquet is not there: run `erclap prepare` first")


def test_features_of_other_settings_are_refused(project):
    change_params(project, extract__speech__pooling="attentive-std")
    fails(project, "train", code=1, message="extract.speech.pooling 'attentive-std', found 'attentive-mean'")


def test_heads_of_other_features_are_refused(project):
    change_params(project, extract__speech__pooling="attentive-std")
    assert erclap(project, "extract").returncode == 0
    fails(
        project,
        "eval",
        code=1,
        message="clap-template/seed-0 must be trained on the speech features of the cache",
    )


def test_heads_of_other_settings_are_refused(project):
    change_params(project, train__epochs=3)
    fails(project, "eval", code=1, message="trained as params.yaml asks, train.epochs 3, found 2")


def test_prepare_prints_the_range_of_each_kind_of_label(prepared):
    lines = (prepared / "prepare.log").read_text().splitlines()
    found = [
        line for line in lines if re.fullmatch(r"\w+ from [1-7]\.\d\d to [1-7]\.\d\d on 1..7, mean .*", line)
    ]
    assert [line.split()[0] for line in found] == ["valence", "arousal"]


def test_prepare_warns_of_splits_that_later_stages_need_and_of_clips_in_two_splits(project):
    text = (project / "labels.csv").read_text().replace(",development,", ",dev,")
    (project / "audio/copy.wav").write_bytes((project / "audio/train/0.wav").read_bytes())
    (project / "labels.csv").write_text(text + "copy.wav,test1,4,4,N\n")
    answer = erclap(project, "prepare")
    assert answer.returncode == 0
    assert "warning: no clip is in split 'development', which training needs" in answer.stdout
    assert "warning: 1 clip is in more than one split (the first: copy.wav)" in answer.stdout


def test_methods_outside_table_1_can_be_evaluated_alone(project):
    change_params(project, train__methods=["clap-template"])
    for command in ("caption", "extract", "train", "eval"):
        answer = erclap(project, command)
        assert answer.returncode == 0, answer.stderr
    assert "Table 2." in answer.stdout
    assert "Table 1." not in answer.stdout
    assert not (project / "results/tables/table1.txt").exists()


def test_a_damaged_shard_is_set_aside_and_computed_again(project):
    (shard,) = (project / "cache/features/speech").glob("*.h5")
    whole = bytearray(shard.read_bytes())
    whole[len(whole) // 2] ^= 1
    shard.write_bytes(whole)
    answer = erclap(project, "extract")
    assert answer.returncode == 0, answer.stderr
    assert f"{shard.name}.damaged" in answer.stderr
    assert "speech: 84/84 clips" in answer.stderr
    assert erclap(project, "eval").returncode == 0


def test_a_full_disk_is_one_line_and_leaves_the_store_as_it_was(project, warm):
    shutil.rmtree(project / "cache/features/speech")
    before = sorted((project / "cache").rglob("*"))
    limited = (
        "import resource; from stages.cli import main; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)); main(['extract'])"
    )
    process = Running(project, limited, env=os.environ | {"PYTHONPATH": str(ROOT)}, program="-c")
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    last = told.strip().splitlines()[-1]
    assert last.startswith("error: cache/features/speech/")
    assert last.endswith(".h5 cannot be read or written: File too large")
    assert sorted((project / "cache").rglob("*")) == sorted([*before, project / "cache/features/speech"])
    assert erclap(project, "extract").returncode == 0


def test_a_cache_that_cannot_be_written_is_found_out_before_anything_is_encoded(project, monkeypatch):
    speech = project / "cache/features/speech"
    shutil.rmtree(speech)
    if not tmpfs(speech, "ro"):
        pytest.skip("needs the right to mount")
    monkeypatch.setattr(
        "pipeline.encoders.load_speech_encoder", lambda params: pytest.fail("an encoder was loaded")
    )
    try:
        answer = erclap(project, "extract")
    finally:
        subprocess.run(["umount", "-l", str(speech)], check=True)
    assert answer.returncode == 1
    assert answer.stderr == "error: cache/features/speech cannot be read or written: Read-only file system\n"


def test_a_diverging_training_keeps_the_heads_of_before(project):
    before = (project / "results/models/clap-sce/seed-0/heads.safetensors").read_bytes()
    change_params(project, train__learning_rate=1e38)
    fails(project, "train", "--method", "clap-sce", code=1, message="the loss must stay finite")
    assert (project / "results/models/clap-sce/seed-0/heads.safetensors").read_bytes() == before


def test_several_seeds_are_trained_measured_and_told_apart(project):
    change_params(project, train__seeds=2, train__seed=3, train__methods=["clap-sce", "emotionrankclap"])
    assert erclap(project, "train").returncode == 0
    with mock.patch("pipeline.report.results.write_tables", wraps=write_tables) as written:
        assert erclap(project, "eval").returncode == 0
    evaluations = written.call_args.args[0]
    assert [len(evaluations[seed].embedded) for seed in (3, 4)] == [2, 0]  # the first seed's are drawn
    results = project / "results"
    assert {path.name for path in (results / "models/clap-sce").iterdir()} == {"seed-3", "seed-4"}
    first, second = (
        (results / f"models/clap-sce/seed-{seed}/heads.safetensors").read_bytes() for seed in (3, 4)
    )
    assert first != second
    assert "± std over 2 seeds" in (results / "tables/table2.txt").read_text()
    metrics = json.loads((results / "metrics.json").read_text())["clap-sce"]
    assert metrics["aoc"] == pytest.approx(np.mean([one["aoc"] for one in metrics["seeds"].values()]))
    lists = pq.read_table(results / "tables/ordinality_lists.parquet").to_pylist()
    assert {row["seed"] for row in lists} == {3, 4}
    assert (results / "curves/clap-sce-seed-4.csv").exists()


def test_ceilings_of_a_train_split_that_is_read_in_blocks_are_those_of_one_in_memory(project, monkeypatch):
    change_params(project, train__methods=["untrained"])
    before = json.loads((project / "results/metrics.json").read_text())["ceilings"]
    monkeypatch.setattr("stages.evaluate.TRAINING_BYTES", 10_000)
    with mock.patch("pipeline.measures.measure_ceilings", wraps=measure_ceilings) as measured:
        assert erclap(project, "eval").returncode == 0
    assert not isinstance(measured.call_args.args[0], Pairs)
    ceilings = json.loads((project / "results/metrics.json").read_text())["ceilings"]
    assert ceilings == {name: pytest.approx(taus) for name, taus in before.items()}


def test_a_probe_cannot_be_fitted_to_what_it_is_tested_on(project):
    change_params(project, evaluate__probe_split="test1")
    fails(project, "eval", code=2, message="split and probe_split must differ, found test1 for both")


def test_heads_of_a_method_never_trained_are_named(project):
    shutil.rmtree(project / "results/models/clap-sce")
    fails(project, "eval", code=1, message="results/models/clap-sce/seed-0/config.json is not there")


def test_an_unknown_device_is_one_line(project):
    change_params(project, runtime={"device": "gpu"})
    fails(project, "train", code=2, message="runtime.device: must be auto, cpu, cuda or cuda:N, found 'gpu'")


def test_the_corpus_may_be_mounted_elsewhere(project):
    (project / "audio").rename(project / "mounted")
    fails(
        project,
        "prepare",
        code=2,
        message="prepare.root must be the folder of the clips, found no folder audio",
    )
    answer = erclap(project, "prepare", ERCLAP_CORPUS_ROOT="mounted")
    assert answer.returncode == 0


def test_debugging_shows_the_traceback(project):
    answer = erclap(project, "train", "--method", "clap", ERCLAP_DEBUG="1")
    assert answer.returncode == 2
    traceback, _, error = answer.stderr.partition("\nerror: ")
    assert traceback.startswith("Traceback")
    assert "a method must be one of" in error


def test_help_names_every_command(tmp_path):
    answer = erclap(tmp_path, "--help")
    for name in ("init", "prepare", "caption", "extract", "train", "eval", "tables"):
        assert f"\n  {name} " in answer.stdout
