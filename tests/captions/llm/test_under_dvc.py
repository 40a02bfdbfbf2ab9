"""The model captioner as a stage of DVC: what is kept makes nothing run again, and the key is nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import quick_yaml
from tests.captions.llm.conftest import KEY, ROOT
from tests.captions.llm.server import ModelServer
from tests.checkout import copy_checkout
from tests.stages.conftest import warm
from tests.stages.test_dvc import run, stages_run

__all__ = ["warm"]  # a fixture


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project's code and settings for a small sample corpus."""
    project = copy_checkout(tmp_path / "checkout")
    params = quick_yaml.load((ROOT / "params.yaml").read_text())
    params["prepare"]["sample"]["utterances"] = 120
    params["caption"] = {"captioner": "llm", "seed": 0, "prompt_lists": 1, "llm": {"model": "m", "draws": 2}}
    params["train"]["methods"] = ["clap4emo", "emotionrankclap"]
    (project / "params.yaml").write_text(quick_yaml.dump(params))
    run(project, "git", "init", "-q")
    return project


def test_answers_make_nothing_run_again_and_are_enough_to_run_again(checkout, warm, monkeypatch):
    with ModelServer() as server:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        said = run(checkout, "dvc", "repro", "caption")
        assert stages_run(said) == ["prepare", "caption"]
        captions = (checkout / "data/captions.parquet").read_bytes()
        sent = len(server.seen)
        # Neither a teammate's answers nor a setting of how to ask concerns a result.
        params = quick_yaml.load((checkout / "params.yaml").read_text())
        params["runtime"]["llm"] = {"concurrency": 2, "price_per_million_input_tokens": 1.5}
        (checkout / "params.yaml").write_text(quick_yaml.dump(params))
        (checkout / "cache/answers").rename(checkout / "elsewhere")
        said += run(checkout, "dvc", "repro", "caption")
        assert len(server.seen) == sent
        # By the answers alone, the captions are the same.
        (checkout / "elsewhere").rename(checkout / "cache/answers")
        said += run(checkout, "dvc", "repro", "--force", "--single-item", "caption")
        assert len(server.seen) == sent
        assert (checkout / "data/captions.parquet").read_bytes() == captions
        # More draws ask for what is new.
        params["caption"]["llm"]["draws"] = 3
        (checkout / "params.yaml").write_text(quick_yaml.dump(params))
        said += run(checkout, "dvc", "repro", "caption")
        assert len(server.seen) > sent
        assert max(server.paid.values()) == 1
    assert "answers" not in (checkout / "dvc.lock").read_text().replace("llm/answers.py", "")
    assert server.keys == {f"Bearer {KEY}"}
    assert KEY not in said
    for path in checkout.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path
