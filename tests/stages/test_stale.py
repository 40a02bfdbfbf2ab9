"""Nothing stale or foreign passes for a result where stages are run by hand."""

from __future__ import annotations

import json

from tests import quick_yaml
from tests.stages.test_commands import change_params, erclap, fails


def relabel(project, edit) -> None:
    lines = (project / "labels.csv").read_text().splitlines()
    (project / "labels.csv").write_text("\n".join([lines[0], *map(edit, lines[1:])]) + "\n")


def swap_attributes(line: str) -> str:
    name, split, valence, arousal, emotion = line.split(",")
    return ",".join((name, split, arousal, valence, emotion))


def swap_splits(line: str) -> str:
    names = {"train": "test1", "test1": "train"}
    name, split, *rest = line.split(",")
    return ",".join((name, names.get(split, split), *rest))


def test_captions_of_other_labels_are_refused_by_training_and_evaluation(project):
    relabel(project, swap_attributes)
    assert erclap(project, "prepare").returncode == 0
    for command in ("train", "eval"):
        fails(project, command, code=1, message="found captions for other ones: run `erclap caption`")
    for command in ("caption", "extract", "train", "eval"):
        assert erclap(project, command).returncode == 0


def test_heads_of_other_splits_are_refused_by_the_evaluation(project):
    relabel(project, swap_splits)
    for command in ("prepare", "caption", "extract"):
        answer = erclap(project, command)
        assert answer.returncode == 0, answer.stderr
    fails(project, "eval", code=1, message="found heads for other ones: run `erclap train`")


def test_a_corpus_half_out_of_reach_is_refused_and_costs_no_feature(project):
    manifest = (project / "data/manifest.parquet").read_bytes()
    away = project / "away"
    away.mkdir()
    for i in range(0, 30):
        for file in (project / "audio/train").glob(f"{i}.*"):
            file.rename(away / file.name)
    refused = (
        "at most 5% of the clips may be out of reach, found 30 of 85: 30 no such file (the first: train/0"
    )
    fails(project, "prepare", code=2, message=refused)
    assert (project / "data/manifest.parquet").read_bytes() == manifest
    change_params(project, prepare__unreachable=0.5)
    answer = erclap(project, "prepare")
    assert answer.returncode == 0
    assert "warning: 31 of 85 clips left out: see data/rejects.csv (30 no such file, 1 not" in answer.stdout
    change_params(project, prepare__unreachable=0.05)
    for file in away.iterdir():
        file.rename(project / "audio/train" / file.name)
    assert erclap(project, "prepare").returncode == 0
    assert (project / "data/manifest.parquet").read_bytes() == manifest
    assert "removed" not in erclap(project, "extract").stdout


def test_heads_of_a_method_that_is_not_named_are_set_aside_and_not_lost(project):
    kept = (project / "results/models/clap-sce/seed-0/heads.safetensors").read_bytes()
    params = quick_yaml.load((project / "params.yaml").read_text())
    change_params(project, train__methods=[name for name in params["train"]["methods"] if name != "clap-sce"])
    answer = erclap(project, "eval", "--quiet")
    assert "train.methods does not name it, its heads are now in results/unnamed/clap-sce" in answer.stdout
    assert not (project / "results/models/clap-sce").exists()
    assert (project / "results/unnamed/clap-sce/seed-0/heads.safetensors").read_bytes() == kept


def digest(project) -> str:
    return json.loads((project / "data/corpus.json").read_text())["holds"]


def test_inspect_tells_labels_and_clips_that_changed_from_those_that_did_not(project):
    assert erclap(project, "inspect").returncode == 0
    first = digest(project)
    assert erclap(project, "inspect").returncode == 0
    assert digest(project) == first
    relabel(project, swap_attributes)
    assert erclap(project, "inspect").returncode == 0
    second = digest(project)
    assert second != first
    replaced = project / "audio/train/0.wav"
    replaced.write_bytes((project / "audio/train/3.wav").read_bytes())
    assert erclap(project, "inspect").returncode == 0
    assert digest(project) not in (first, second)


def test_inspect_leaves_the_manifest_where_there_is_no_corpus_or_half_of_one(project):
    assert erclap(project, "inspect").returncode == 0
    first = digest(project)
    (project / "audio/train").rename(project / "away")
    answer = erclap(project, "inspect")
    assert answer.returncode == 0
    assert "warning: the manifest stands as it is: at most 5% of the clips" in answer.stderr
    assert digest(project) == first
    (project / "audio").rename(project / "gone")
    (project / "data/corpus.json").unlink()
    answer = erclap(project, "inspect")
    assert answer.returncode == 0
    assert "not looked at, the manifest stands as it is: there is no audio" in answer.stdout
    assert digest(project) == first
    params = quick_yaml.load((project / "params.yaml").read_text()) | {"runtime": {"inspect": False}}
    (project / "params.yaml").write_text(quick_yaml.dump(params))
    assert "runtime.inspect is off" in erclap(project, "inspect").stdout


def test_inspect_says_what_is_wrong_with_a_changed_table(project):
    relabel(project, lambda line: line.replace("train/0.wav,train", "train/0.wav,train,9"))
    assert erclap(project, "inspect").returncode == 2


def test_what_training_and_the_test_will_need_is_said_by_prepare(project):
    """Not after hours of extraction."""
    assert "needs" not in erclap(project, "prepare").stdout
    relabel(
        project, lambda line: line.replace(",test1,", ",train,") if "test1/1" in line else line[:-1] + "Q"
    )
    change_params(project, train__batch_size=22)
    answer = erclap(project, "prepare")
    assert answer.returncode == 0
    for need in (
        "warning: training needs at least a batch of clips in each split, train.batch_size 22, found "
        "development 20: lower it to 20 or less",
        "warning: the ordinality test needs at least 14 clips to retrieve, found 13 in test1",
        "warning: clap-template, clap4emo, supconclap need an emotion of A S H U F D C N for every clip, found "
        "others for 73 of 84 ('Q' 73)",
    ):
        assert need in answer.stdout


def test_encoders_of_the_sample_on_another_corpus_are_warned_of_and_in_every_table(project):
    for command in ("prepare", "extract"):
        assert "builtin" not in erclap(project, command).stderr
    change_params(project, extract__speech__model="builtin:sample-speech")
    note = "builtin:sample-speech, the speech encoder, was trained for the synthetic sample corpus alone"
    for command in ("prepare", "extract"):
        answer = erclap(project, command)
        assert answer.returncode == 0, answer.stderr
        assert f"warning: {note}" in answer.stderr
    for command in ("train", "eval"):
        assert erclap(project, command).returncode == 0
    for name in ("table1", "table2", "table2b", "further"):
        assert note in (project / f"results/tables/{name}.md").read_text()
