"""Stage two on a Ray cluster: what the local engine comes to, and errors of a task in a line."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipeline.config.runtime import Runtime
from pipeline.scale.ray_calls import Call, called, gpus_a_call
from pipeline.scale.ray_cluster import Cluster, Node, joined
from pipeline.scale.ray_training import contents, has_project
from stages.cli import main
from tests.conftest import made_once
from tests.scale.failing import counts, dies_once, reads, refuses

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own are not ours

ONE_THREAD = {"OMP_NUM_THREADS": "1"}

WITHOUT_GPU = Cluster((Node("a", "10.0.0.1", 2.0, 0.0),))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where a cluster of two nodes, of a CPU each, answers."""
    from ray.cluster_utils import Cluster as Nodes

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_BACKEND_LOG_LEVEL", "fatal")
        nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        nodes.add_node(num_cpus=1)
        yield nodes.address
        nodes.shutdown()


@pytest.fixture(scope="module")
def cluster(address) -> Iterator[Cluster]:
    with joined(address) as cluster:
        yield cluster


@pytest.fixture
def project(tmp_path, tmp_path_factory, speech_checkpoint, text_checkpoint, monkeypatch) -> Path:
    """A project with features, two methods and two seeds."""
    from tests.stages.test_commands import make_prepared

    prepared = made_once(
        tmp_path_factory, "prepared", lambda folder: make_prepared(folder, speech_checkpoint, text_checkpoint)
    )
    copy = shutil.copytree(prepared, tmp_path / "project")
    params = yaml.safe_load((copy / "params.yaml").read_text())
    params["train"] |= {"methods": ["clap-sce", "emotionrankclap"], "seeds": 2, "epochs": 1}
    params["evaluate"] |= {"trials": 2}
    (copy / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(copy)
    monkeypatch.setenv("ERCLAP_QUIET", "1")
    return copy


def erclap(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert ended.value.code == 0


def results() -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in sorted(Path("results").rglob("*")) if file.is_file()}


def test_heads_and_every_figure_are_those_of_the_local_engine_to_the_bit(project, address):
    shutil.rmtree("results")
    erclap("train")
    erclap("eval", "--quiet")
    local = results()
    shutil.rmtree("results")
    erclap("train", "--engine", "ray", "--ray-address", address)
    erclap("eval", "--quiet", "--engine", "ray", "--ray-address", address)
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
    with pytest.raises(RuntimeError, match="must have a node with a CPU and a GPU free for a task, it has 2"):
        next(called([Call("x", counts, (0,))], cluster, ONE_THREAD, gpus=1))


@pytest.mark.parametrize(
    ("device", "gpus", "wanted"), [("auto", 0, 0), ("auto", 4, 1), ("cpu", 4, 0), ("cuda", 4, 1)]
)
def test_a_call_has_a_gpu_where_the_cluster_has_any(device, gpus, wanted):
    of_one = Cluster((Node("a", "10.0.0.1", 2.0, gpus),))
    assert gpus_a_call(of_one, Runtime(device=device)) == wanted


@pytest.mark.parametrize(
    ("device", "kind", "message"),
    [
        ("cuda:1", ValueError, "must be auto, cpu or cuda with --engine ray"),
        ("cuda", RuntimeError, "the Ray cluster must have a GPU for runtime.device cuda, it has 1 node"),
    ],
)
def test_a_device_that_a_cluster_cannot_give_is_refused(device, kind, message):
    with pytest.raises(kind, match=message):
        gpus_a_call(WITHOUT_GPU, Runtime(device=device))


def test_a_node_without_the_project_says_so(project, tmp_path):
    expected = contents(project)
    assert has_project(project, expected) == ""
    assert "must have the project's folder" in has_project(tmp_path / "not mounted", expected)
    (project / "params.yaml").write_text("")
    assert has_project(project, expected).endswith("has other files: params.yaml")


@pytest.mark.parametrize("file", ["data/captions.parquet", "data/plane.parquet", "data/learnt/clap-sce.json"])
def test_a_node_with_other_captions_says_so(file, project):
    expected = contents(project)
    with (project / file).open("ab") as there:
        there.write(b" ")
    assert has_project(project, expected).endswith(f"has other files: {file}")
    (project / file).unlink()
    assert has_project(project, expected).endswith(f"has other files: {file}")
    assert has_project(project, contents(project)) == ""


@pytest.mark.parametrize("command", ["train", "eval"])
def test_an_address_needs_the_engine(command, project, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--ray-address", "localhost:1"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: --ray-address needs --engine ray\n"
