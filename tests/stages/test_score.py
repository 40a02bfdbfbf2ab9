"""`erclap score` and data/others: a trained method's own embeddings come to the figures that it has itself."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.config import load_params
from pipeline.features import open_stores, sentence_key
from pipeline.measures import Projected
from pipeline.methods import training_settings
from pipeline.sentences import read_prompts
from pipeline.training import load_heads, seed_folder
from stages.evaluate import _read_splits
from tests.stages.test_commands import change_params, erclap, fails, read_csv

METHOD = "clap-sce"


def exported(project: Path) -> dict[str, Any]:
    """What the heads of a method make of the evaluated split, as another group would hand it in."""
    with contextlib.chdir(project):
        params = load_params()
        stores = open_stores(params.extract)
        splits = _read_splits(params, stores)
        pairs, probed = splits.measured, splits.probed
        prompts = read_prompts()
        features = stores[1].gather([sentence_key(prompt.text) for prompt in prompts])
        recipes = [store.recipe for store in stores]
        heads = load_heads(
            seed_folder(METHOD, 0), recipes, training_settings(params.train, METHOD), labels=splits.labels
        )
    entry = Projected(heads, pairs, features, probed)
    embedded, (fitted, _) = entry.embedded(), entry.fitted()
    return {
        "speech": embedded.speech,
        "captions": embedded.text,
        "prompts": embedded.prompts,
        "utterance_id": np.array(pairs.ids),
        "valence": pairs.labels[:, 0],
        "arousal": pairs.labels[:, 1],
        "text": np.array([prompt.text for prompt in prompts]),
        "probe_speech": fitted.speech,
        "probe_captions": fitted.text,
        "probe_utterance_id": np.array(probed.ids),
        "probe_valence": probed.labels[:, 0],
        "probe_arousal": probed.labels[:, 1],
    }


def figures(project: Path, name: str, method: str) -> dict[str, float]:
    (row,) = (row for row in read_csv(project / f"results/tables/{name}.csv") if row["method"] == method)
    return {
        column: float(value) for column, value in row.items() if column not in ("method", "kind") and value
    }


def test_embeddings_of_a_trained_method_have_its_figures_by_score_and_in_the_tables(project):
    arrays = exported(project)
    np.savez(project / "theirs.npz", **arrays)
    answer = erclap(project, "score", "theirs.npz", "--json")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found["clips"] == 24
    for name in ("table1", "table2", "further"):
        (own,) = found[name]
        assert (own.pop("method"), own.pop("kind", "method")) == ("theirs.npz", "method")
        assert own == figures(project, name, METHOD)
    before = {name: figures(project, name, METHOD) for name in ("table1", "table2", "further")}

    # Rows in another order, and more of them than the split has; the manifest's labels count.
    order = np.random.default_rng(0).permutation(24)
    clips = {name: arrays[name][order] for name in ("speech", "captions", "utterance_id")}
    more = {name: np.concatenate([rows, rows[:1]]) for name, rows in clips.items()}
    more["utterance_id"][-1] = "elsewhere"
    kept = {name: array for name, array in arrays.items() if not name.endswith(("valence", "arousal"))}
    (project / "data/others").mkdir()
    np.savez(project / "data/others/theirs.npz", **kept | more, title=np.array("A model of <theirs>"))
    without = {n: a for n, a in kept.items() if not n.startswith("probe")}
    np.savez(project / "data/others/unprobed.npz", **without, dominance=np.ones(3))
    answer = erclap(project, "eval")
    assert answer.returncode == 0, answer.stderr
    assert "unprobed.npz: not used: dominance" in answer.stdout
    for name in ("table1", "table2", "further"):
        assert figures(project, name, METHOD) == figures(project, name, "theirs") == before[name]
    assert before["further"].keys() - figures(project, "further", "unprobed").keys() == {
        f"probe_{modality}_{attribute}"
        for modality in ("speech", "text")
        for attribute in ("valence", "arousal")
    }
    text = (project / "results/tables/table2.txt").read_text(encoding="utf-8")
    assert "\nA model of <theirs> " in text
    metrics = json.loads((project / "results/metrics.json").read_text())
    assert metrics["theirs"] == metrics[METHOD]
    compared = {row["other"] for row in read_csv(project / "results/tables/significance.csv")}
    assert {"theirs", "unprobed", METHOD} <= compared
    maps = pq.read_table(project / "results/details/maps.parquet").column("method").unique().to_pylist()
    assert maps[-2:] == ["theirs", "unprobed"]
    assert erclap(project, "report").returncode == 0
    html = (project / "results/report.html").read_text(encoding="utf-8")
    assert html.count("A model of &lt;theirs&gt;") > 8
    assert "not trained here: another model" in html


def test_with_several_seeds_a_model_from_elsewhere_has_one_set_of_embeddings(project):
    change_params(project, train__seeds=2, train__methods=["clap-sce", "emotionrankclap"], train__epochs=1)
    assert erclap(project, "train").returncode == 0
    (project / "data/others").mkdir()
    np.savez(project / "data/others/theirs.npz", **exported(project))
    answer = erclap(project, "eval")
    assert answer.returncode == 0, answer.stderr
    assert figures(project, "table2", "theirs")["seeds"] == 1
    assert figures(project, "table2", METHOD)["seeds"] == 2
    assert "theirs: one set of embeddings, ± over lists." in answer.stdout
    metrics = json.loads((project / "results/metrics.json").read_text())
    assert metrics["theirs"]["seeds"].keys() == {"seed-0"}
    assert metrics["theirs"]["aoc"] == metrics[METHOD]["seeds"]["seed-0"]["aoc"]
    assert erclap(project, "report").returncode == 0


def unit(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, 4))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def given(**changed: np.ndarray) -> dict[str, np.ndarray]:
    """A file that needs no project."""
    labels = np.random.default_rng(0).uniform(1, 7, (2, 30))
    arrays = {"speech": unit(30, 1), "captions": unit(30, 2), "prompts": unit(2800, 3)}
    return arrays | {"valence": labels[0], "arousal": labels[1]} | changed


def test_no_project_is_needed(tmp_path):
    for name in ("prompts.csv", "prompts.parquet"):
        answer = erclap(tmp_path, "score", "--template", name)
        assert answer.returncode == 0, answer.stderr
        assert f"{name}: 2800 prompts, " in answer.stdout
    rows = read_csv(tmp_path / "prompts.csv")
    assert list(rows[0]) == ["test", "list", "position", "valence", "arousal", "text"]
    table = pq.read_table(tmp_path / "prompts.parquet").to_pylist()
    assert [row["text"] for row in rows] == [row["text"] for row in table]
    text = np.array([row["text"] for row in rows])
    np.savez(tmp_path / "one.npz", **given(text=text))
    np.savez(tmp_path / "other.npz", **given(speech=3 * unit(30, 9)))
    answer = erclap(tmp_path, "score", "one.npz", "other.npz", "--normalize")
    assert answer.returncode == 0, answer.stderr
    for part in (
        "Table 1.",
        "Table 2.",
        "Further measures.",
        "\n30 clips of one.npz, other.npz.",
        " one  ",
        " other\n",
    ):
        assert part in answer.stdout, part
    assert "aper" not in answer.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "one.npz",
        "other.npz",
        "prompts.csv",
        "prompts.parquet",
    ]


def test_in_a_project_the_template_is_of_its_prompts(project):
    assert erclap(project, "score", "--template", "prompts.parquet").returncode == 0
    found, own = (pq.read_table(project / name) for name in ("prompts.parquet", "data/prompts.parquet"))
    assert found.equals(own)
    np.savez(project / "theirs.npz", **given())
    told = "prompts must be 420 rows, one for each row of data/prompts.parquet and in its order"
    fails(project, "score", "theirs.npz", code=2, message=told)
    (project / "data/others").mkdir()
    np.savez(project / "data/others/theirs.npz", **given(prompts=unit(420, 3)))
    fails(
        project, "eval", code=2, message="data/others/theirs.npz: must have the utterance ids of split test1"
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "takes files of embeddings, found none: `erclap score --template FILE` begins one"),
        (["--template", "a.csv", "b.npz"], "takes either --template or files of embeddings, found both"),
        (["--template", "a.txt"], "--template must be a file .csv or .parquet, found a.txt"),
        (["--template", "there.csv"], "yet to be written, found there.csv: remove it first"),
        (["nowhere.npz"], "nowhere.npz: must be a file, .npz or parquet, found nothing"),
        (["fine.npz", "fine.npz"], "fine.npz: its title must be its own, found another 'fine'"),
        (["long.npz"], "long.npz: speech must have rows of length one, found 3"),
        (["unlabelled.npz"], "unlabelled.npz: must have valence and arousal of its clips"),
        (["unprobed.npz"], "unprobed.npz: must have probe_valence and probe_arousal, found none"),
        (["few.npz"], "few.npz: prompts must be 2800 rows, one for each row of the template"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, words, told):
    (tmp_path / "there.csv").write_text("")
    arrays = given()
    np.savez(tmp_path / "fine.npz", **arrays)
    np.savez(tmp_path / "long.npz", **given(speech=3 * unit(30, 1)))
    np.savez(tmp_path / "unprobed.npz", **given(probe_speech=unit(15, 1), probe_captions=unit(15, 2)))
    np.savez(tmp_path / "few.npz", **given(prompts=unit(28, 1)))
    np.savez(
        tmp_path / "unlabelled.npz", **{name: arrays[name] for name in ("speech", "captions", "prompts")}
    )
    fails(tmp_path, "score", *words, code=2, message=told)
