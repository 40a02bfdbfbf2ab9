"""`erclap export`: from trained heads to a model's folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.encoders import TextEncoder
from pipeline.sentences import PLANE_SCHEMA
from pipeline.use import EmotionRankCLAP
from pipeline.use.folder import read_model
from stages.export import _chosen_method
from tests.stages.test_commands import change_params, erclap


def exported(project: Path, *args: str) -> Path:
    answer = erclap(project, "export", *args)
    assert answer.returncode == 0, answer.stderr
    return project / (args[0] if args and not args[0].startswith("-") else "results/model")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_model_is_exported_with_what_was_measured_of_it(project, speech_checkpoint, text_checkpoint):
    answer = erclap(project, "export")
    assert answer.returncode == 0, answer.stderr
    found = read_model(project / "results/model")
    assert answer.stdout == (
        f"results/model: EmotionRankCLAP (A-V), seed 0, {len(found.bank)} captions, model {found.digest}; next: "
        f"`erclap index DIR`\n"
    )
    origin = found.origin
    assert (origin["method"], origin["seed"], origin["loss"]) == ("emotionrankclap", 0, "rank-n-contrast")
    assert origin["corpus"]["clips"] == {"train": 40, "development": 20, "test1": 24}
    assert origin["corpus"]["name"] == "labels.csv"
    assert origin["corpus"]["synthetic"] is False
    assert origin["settings"]["epochs"] == 2
    measured = json.loads((project / "results/metrics.json").read_text())["emotionrankclap"]
    for measure in ("aoc", "voc", "w1", "mmd"):
        assert origin["figures"][measure] == measured[measure]
    assert origin["figures"]["lists"] == 15
    assert found.speech.was_a_folder
    assert str(speech_checkpoint) not in (project / "results/model/config.json").read_text()
    model = EmotionRankCLAP.from_pretrained(
        project / "results/model",
        device="cpu",
        speech_encoder=speech_checkpoint,
        text_encoder=text_checkpoint,
    )
    some = slice(0, 40)
    assert np.array_equal(model.encode_text(found.bank.texts[some]), found.bank.embeddings[some])
    assert model.encode_speech(project / "audio/train/0.wav").shape == (model.embedding_size,)


def test_the_same_heads_are_exported_to_the_same_bytes(project):
    first = bytes_of(exported(project, "one", "--method", "clap-sce", "--seed", "0"))
    assert bytes_of(exported(project, "two", "--method", "clap-sce")) == first
    assert bytes_of(exported(project, "one", "--method", "clap-sce")) == first
    assert json.loads(first["config.json"])["origin"]["method"] == "clap-sce"


def test_the_bank_is_the_plane_without_what_is_there_twice_of_cached_features(
    project, speech_checkpoint, text_checkpoint, monkeypatch
):
    texts = sorted(set(pq.read_table(project / "data/captions.parquet").column("text").to_pylist()))[:20]
    labels = [[1 + place / 4, 7 - place / 4] for place in range(25)]
    columns = [*np.array(labels).T, [*texts, *texts[:5]]]
    pq.write_table(pa.table(columns, schema=PLANE_SCHEMA), project / "data/plane.parquet")
    with monkeypatch.context() as patch:
        patch.setattr(TextEncoder, "from_pretrained", None)
        found = read_model(exported(project))
    assert found.bank.texts == texts
    assert found.bank.labels.tolist() == labels[:20]
    model = EmotionRankCLAP(found, device="cpu", text_encoder=text_checkpoint)
    assert np.array_equal(model.encode_text(texts), found.bank.embeddings)


def test_without_a_plane_the_bank_is_the_lexicons_all_over_it(project):
    found = read_model(exported(project))
    assert len(found.bank) == len(set(found.bank.texts)) == 392
    assert np.ptp(found.bank.labels, axis=0).tolist() == [6.5, 6.5]
    assert np.linalg.norm(found.bank.embeddings, axis=1).max() == pytest.approx(1, abs=1e-6)


def test_the_best_method_there_is_is_exported_where_none_is_named():
    assert (
        _chosen_method(None, ["clap-sce", "emotionrankclap", "emotionrankclap-plus"])
        == "emotionrankclap-plus"
    )
    assert _chosen_method(None, ["clap-sce", "emotionrankclap"]) == "emotionrankclap"
    assert _chosen_method(None, ["clap-sce", "clap4emo"]) == "clap-sce"


def test_figures_of_other_heads_are_not_taken_for_these(project):
    details = project / "results/details/epochs.parquet"
    table = pq.read_table(details)
    column = table.schema.get_field_index("train_loss")
    pq.write_table(
        table.set_column(column, table.schema.field(column), [table.column(column).to_numpy() + 1]), details
    )
    answer = erclap(project, "export")
    assert answer.returncode == 0
    assert (
        "the model has no figures: results/metrics.json is of other heads: run `erclap eval`" in answer.stderr
    )
    assert read_model(project / "results/model").origin["figures"] is None
    assert "Nothing, or nothing that is said here." in (project / "results/model/README.md").read_text()
    (project / "results/metrics.json").unlink()
    answer = erclap(project, "export")
    assert answer.returncode == 0
    assert (
        "the model has no figures: results/metrics.json is not there: run `erclap eval` first"
        in answer.stderr
    )


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--method", "clap"], 2, "a method must be one of clap-template"),
        (["--method", "supconclap"], 2, "--method must be one of train.methods"),
        (["--seed", "7"], 2, "--seed must be 0 to 0, as params.yaml has it, found 7"),
        (["--seed", "x"], 2, "'x' is not a valid integer"),
        (["audio"], 2, "a model must be written to a folder of its own, found"),
        (["params.yaml"], 2, "a model must be written to a folder, found something else at params.yaml"),
    ],
)
def test_what_cannot_be_exported_is_one_line(project, args, code, message):
    before = sorted(project.rglob("*"))
    change_params(project, train__methods=["clap-sce", "emotionrankclap", "emotionrankclap-plus"])
    answer = erclap(project, "export", *args)
    assert answer.returncode == code
    assert message in answer.stderr
    assert sorted(project.rglob("*")) == before


def test_heads_that_are_not_as_asked_are_refused(project):
    change_params(project, train__epochs=77)
    answer = erclap(project, "export")
    assert answer.returncode == 1
    assert "must be trained as params.yaml asks, train.epochs 77" in answer.stderr
    assert not (project / "results/model").exists()


def test_a_card_that_was_changed_outlives_an_export(project):
    folder = exported(project)
    (folder / "README.md").write_text("# Mine\n")
    exported(project, "--method", "clap-sce")
    assert (folder / "README.md").read_text() == "# Mine\n"
    assert read_model(folder).origin["method"] == "clap-sce"
