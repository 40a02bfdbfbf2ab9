"""Both stages on a Ray cluster of three nodes: real processes, of which some die."""

from __future__ import annotations

import csv
import shutil
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import load_params
from pipeline.corpora.inspection import inspect
from pipeline.features import SPEECH_FEATURES, FeatureStore
from pipeline.features.extraction import missing_clips, read_clip
from pipeline.manifest import Manifest, Utterance
from pipeline.recipe import Recipe
from pipeline.scale import ray_rounds
from pipeline.scale.ray_calls import ONE_THREAD, Call, called
from pipeline.scale.ray_cluster import joined
from pipeline.scale.ray_encoding import Place
from pipeline.scale.ray_extraction import encode_clips
from pipeline.scale.ray_rounds import DIED
from pipeline.scale.ray_workers import check_nodes
from stages.cli import main
from tests import quick_yaml
from tests.scale.dying import ONCE, POISON, DyingEncoder, DyingReader, feature
from tests.scale.failing import counts, dies_once, reads, refuses

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own are not ours

CLIPS, ROWS = 24, 4

RECIPE = Recipe("speech", "dying", "sha256:0", 4, "first", "masked", 10.0)


@pytest.fixture(scope="module")
def address():
    """Where a cluster of three nodes, of a CPU each, answers."""
    from ray.cluster_utils import Cluster as Nodes

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_BACKEND_LOG_LEVEL", "fatal")
        patch.setenv("RAY_prestart_worker_first_driver", "0")
        patch.setenv("RAY_idle_worker_killing_time_threshold_ms", "600000")
        nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        for _ in range(2):
            nodes.add_node(num_cpus=1)
        yield nodes.address
        nodes.shutdown()


@pytest.fixture(scope="module")
def cluster(address):
    """That cluster, joined for all tests, as each driver has processes of its own started."""
    with joined(address) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def params(prepared):
    """Of blocks of four rows."""
    return of_ray(load_params(prepared / "params.yaml"), rows=ROWS)


def of_ray(params, **settings):
    ray = params.runtime.ray.model_copy(update=settings)
    return params.model_copy(update={"runtime": params.runtime.model_copy(update={"ray": ray})})


@pytest.fixture
def trained(finished, monkeypatch) -> Path:
    """That finished, of two methods and two seeds."""
    params = quick_yaml.load(Path("params.yaml").read_text())
    params["train"] |= {"methods": ["clap-sce", "emotionrankclap"], "seeds": 2, "epochs": 1}
    params["evaluate"] |= {"trials": 2}
    Path("params.yaml").write_text(quick_yaml.dump(params))
    monkeypatch.setenv("ERCLAP_QUIET", "1")
    return finished


def succeeds(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert ended.value.code == 0


def results() -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in sorted(Path("results").rglob("*")) if file.is_file()}


@pytest.fixture
def corpus(tmp_path, write_audio, params):
    """Params and the manifest of some clips."""
    root = tmp_path / "corpus"
    names = [POISON, *(f"{i}.wav" for i in range(CLIPS - 2)), ONCE]  # the longest is encoded first
    for i, name in enumerate(names):
        write_audio(root / name, 0.1 + 0.01 * i, seed=i)
    manifest, _, _ = inspect([Utterance(n, n, "train", 4.0, 4.0) for n in names], root, heard_seconds=10.0)
    prepare = params.prepare.model_copy(update={"root": str(root)})
    return params.model_copy(update={"prepare": prepare}), manifest


def test_a_cluster_computes_the_features_of_the_local_engine_and_names_a_clip_that_fails(finished, cluster):
    store = FeatureStore.open(SPEECH_FEATURES)
    keys = sorted(store.keys())
    wanted = store.gather(keys)
    shutil.rmtree(SPEECH_FEATURES)
    clip = Manifest.read(Path("data/manifest.parquet")).table.slice(0, 1).to_pylist()[0]
    (Path("audio") / clip["path"]).write_bytes(b"no longer audio")
    with Path("params.yaml").open("a") as file:
        file.write("runtime:\n  ray:\n    encoders: 1\n")
    with pytest.raises(SystemExit) as ended:
        main(["extract", "--engine", "ray"])
    assert ended.value.code == 1
    with Path("cache/failures.csv").open(newline="") as file:
        failures = list(csv.DictReader(file))
    assert [(row["id"], row["reason"]) for row in failures] == [
        (clip["id"], "changed since `erclap prepare`")
    ]
    again = FeatureStore(store.root, store.recipe)
    stored = [key for key in keys if key != clip["sha256"]]
    assert again.keys() == set(stored)
    assert again.gather(stored).tobytes() == wanted[np.isin(keys, stored)].tobytes()


def test_resources_that_a_cluster_has_not_are_an_error_at_once(finished, cluster, capsys):
    with Path("params.yaml").open("a") as file:
        file.write("runtime:\n  ray:\n    encoders: 3\n")
    started = time.monotonic()
    with pytest.raises(SystemExit) as ended:
        main(["extract", "--engine", "ray"])
    assert time.monotonic() - started < 10
    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: the Ray cluster must have room for 3 encoders of 1 CPU each, beside a reader of 1 CPUs; it has "
        "3 nodes with 3 CPUs and 0 GPUs, room for 2: set runtime.ray.encoders, encoder_cpus or reader_cpus, or "
        "add nodes"
    )


def test_what_dies_is_replaced_what_always_kills_is_named_and_nothing_else_is_computed_twice(
    corpus, cluster, tmp_path, monkeypatch
):
    monkeypatch.setattr(ray_rounds, "SMALLER", (1,))
    params, manifest = of_ray(corpus[0], encoders=1), corpus[1]
    place = Place(tmp_path / "store", RECIPE, shared=False)
    place.root.mkdir()
    clips = missing_clips(manifest, place.lacks)
    encoded = encode_clips(clips, params, place, cluster, reader=DyingReader, encoder=DyingEncoder)
    failures = [failed for answer in encoded for failed in answer]
    assert [(failed.path, failed.reason) for failed in failures] == [(POISON, DIED)]
    store = FeatureStore(place.root, RECIPE)
    for clip in clips.to_pylist():
        if clip["path"] != POISON:
            heard = read_clip(
                Path(params.prepare.root), clip["id"], clip["path"], clip["sha256"], 10.0
            ).waveform
            assert store.gather([clip["sha256"]])[0].tobytes() == feature(heard).tobytes()
    assert (tmp_path / "died").exists()
    computed = Counter((tmp_path / "computed").read_text().split())
    assert set(computed) == set(manifest.strings("path")) - {POISON}
    assert set(computed.values()) == {1}


def test_a_node_that_does_not_see_the_folders_is_named(cluster, tmp_path):
    assert len(cluster.nodes) == 3
    check_nodes(cluster, tmp_path, tmp_path)
    with pytest.raises(RuntimeError, match=r"^node \S+ of the Ray cluster must have the folder of the clips"):
        check_nodes(cluster, tmp_path / "not mounted", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_heads_and_every_figure_are_those_of_the_local_engine_to_the_bit(trained, address):
    shutil.rmtree("results")
    succeeds("train")
    succeeds("eval", "--quiet")
    local = results()
    shutil.rmtree("results")
    succeeds("train", "--engine", "ray", "--ray-address", address)
    succeeds("eval", "--quiet", "--engine", "ray", "--ray-address", address)
    found = results()
    assert found.keys() == local.keys()
    assert [name for name in local if found[name] != local[name]] == []
    assert sum(name.endswith("heads.safetensors") for name in local) == 4


def test_each_call_has_its_number_and_its_environment(cluster):
    calls = [Call(str(number), counts, (number,)) for number in range(9)]
    answers = dict(called(calls, cluster, ONE_THREAD))
    assert answers == {number: (number, "1") for number in range(9)}


def test_the_error_of_a_call_is_one_line_that_names_it(cluster, tmp_path):
    def end(call: Call) -> None:
        fine = [Call("fine", counts, (number,)) for number in range(3)]
        list(called([*fine, call, *fine], cluster, ONE_THREAD))

    with pytest.raises(ValueError, match=r"^clap-sce, seed 3: labels must be finite, found nan$"):
        end(Call("clap-sce, seed 3", refuses, ("labels",)))
    with pytest.raises(RuntimeError, match=r"^clap-sce, seed 4: FileNotFoundError: .*absent'$"):
        end(Call("clap-sce, seed 4", reads, (tmp_path / "absent",)))


def test_a_call_whose_process_is_killed_is_made_again(cluster, tmp_path):
    calls = [Call("dies", dies_once, (tmp_path / "marker",))]
    assert list(called(calls, cluster, ONE_THREAD)) == [(0, "done")]
    assert (tmp_path / "marker").exists()


def test_a_cluster_without_what_a_call_needs_is_an_error_at_once(cluster):
    with pytest.raises(RuntimeError, match="must have a node with a CPU and a GPU free for a task, it has 3"):
        next(called([Call("x", counts, (0,))], cluster, ONE_THREAD, gpus=1))
