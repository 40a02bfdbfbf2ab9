"""What stage two asks of a Ray cluster, without one."""

from __future__ import annotations

import pytest

from pipeline.config.runtime import Runtime
from pipeline.scale.ray_calls import gpus_a_call
from pipeline.scale.ray_cluster import Cluster, Node
from pipeline.scale.ray_training import contents, has_project
from stages.cli import main

WITHOUT_GPU = Cluster((Node("a", "10.0.0.1", 2.0, 0.0),))


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


def test_a_node_without_the_project_says_so(finished, tmp_path):
    expected = contents(finished)
    assert has_project(finished, expected) == ""
    assert "must have the project's folder" in has_project(tmp_path / "not mounted", expected)
    (finished / "params.yaml").write_text("")
    assert has_project(finished, expected).endswith("has other files: params.yaml")


@pytest.mark.parametrize("file", ["data/captions.parquet", "data/plane.parquet", "data/learnt/clap-sce.json"])
def test_a_node_with_other_captions_says_so(file, finished):
    expected = contents(finished)
    with (finished / file).open("ab") as there:
        there.write(b" ")
    assert has_project(finished, expected).endswith(f"has other files: {file}")
    (finished / file).unlink()
    assert has_project(finished, expected).endswith(f"has other files: {file}")
    assert has_project(finished, contents(finished)) == ""


@pytest.mark.parametrize("command", ["train", "eval"])
def test_an_address_needs_the_engine(command, finished, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--ray-address", "localhost:1"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: --ray-address needs --engine ray\n"
