"""The batch API: one file a round, found again after a kill, and paid once."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.captions.llm.batches import Batch
from pipeline.captions.llm.requests import Key, Request
from tests.captions.llm.server import Act, ModelServer, refusal
from tests.captions.llm.test_asking import (
    error_line,
    is_whole,
    once_each,
    start,
    wait_for,
)
from tests.stages.conftest import warm
from tests.stages.test_commands import erclap

__all__ = ["warm"]  # a fixture

BY_BATCH = {"batch": True, "poll_seconds": 0.02}


def test_all_requests_go_in_one_file_and_come_back(make_project):
    with ModelServer() as server:
        project = make_project(server.url, runtime=BY_BATCH)
        answer = erclap(project, "caption")
    assert answer.returncode == 0, answer.stderr
    assert len(server.batches) == 1
    assert is_whole(project)
    assert once_each(server, project)
    assert not list((project / "cache/answers").glob("batch-*"))


def test_what_is_no_caption_or_no_answer_goes_into_the_next_round(make_project):
    def behave(number: int, body: dict[str, Any]) -> Act | None:
        bad = [Act(text="It is 7."), refusal(500, "an error"), Act(body=b'{"choices": []}')]
        return bad[number % 3] if number < 12 else None

    with ModelServer(behave) as server:
        project = make_project(server.url, runtime=BY_BATCH)
        answer = erclap(project, "caption")
    assert answer.returncode == 0, answer.stderr
    assert len(server.batches) == 2
    assert is_whole(project)
    assert once_each(server, project)


def test_a_batch_whose_parameters_are_refused_goes_again_with_others(make_project):
    def behave(number: int, body: dict[str, Any]) -> Act | None:
        unsupported = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        return refusal(400, unsupported) if "max_tokens" in body else None

    with ModelServer(behave) as server:
        project = make_project(server.url, runtime=BY_BATCH)
        answer = erclap(project, "caption")
    assert answer.returncode == 0, answer.stderr
    assert len(server.batches) == 2
    assert once_each(server, project)


def killed_while_it_waits(server: ModelServer, make_project: Any) -> Path:
    """A project whose run was killed after it had made a batch, which is done by now."""
    server.batch_is_done = False
    project = make_project(server.url, runtime=BY_BATCH)
    process = start(project)
    wait_for(lambda: any((project / "cache/answers").glob("batch-*.json")) and bool(server.batches), process)
    time.sleep(0.1)
    process.kill()
    process.communicate()
    server.batch_is_done = True
    return project


def test_a_run_killed_while_it_waits_finds_its_batch_again(make_project, warm):
    with ModelServer() as server:
        project = killed_while_it_waits(server, make_project)
        answer = erclap(project, "caption")
    assert answer.returncode == 0, answer.stderr
    assert len(server.batches) == 1
    assert is_whole(project)
    assert once_each(server, project)


def test_a_batch_that_was_made_but_not_written_down_is_found_by_its_mark(make_project, warm):
    with ModelServer() as server:
        server.batch_is_done = False
        project = make_project(server.url, runtime=BY_BATCH)
        process = start(project)
        records = project / "cache/answers"
        wait_for(
            lambda: any('"batch_id": "batch-0"' in p.read_text() for p in records.glob("batch-*.json")),
            process,
        )
        process.kill()
        process.communicate()
        (record,) = records.glob("batch-*.json")
        written = json.loads(record.read_text())
        record.write_text(json.dumps(written | {"batch_id": None}))  # as it was before the server's answer
        server.batch_is_done = True
        answer = erclap(project, "caption")
    assert answer.returncode == 0, answer.stderr
    assert len(server.batches) == 1
    assert once_each(server, project)


def test_a_batch_under_way_is_fetched_also_when_batches_are_turned_off(make_project, warm):
    with ModelServer() as server:
        project = killed_while_it_waits(server, make_project)
        make_project(server.url, runtime={"poll_seconds": 0.02})
        assert erclap(project, "caption").returncode == 0
    assert len(server.batches) == 1
    assert once_each(server, project)


@pytest.mark.parametrize("gone", ["batches", "files"])
def test_a_batch_that_the_server_has_no_more_is_one_line_that_names_its_record(gone, make_project):
    with ModelServer() as server:
        project = make_project(f"{server.url}/", runtime=BY_BATCH)
        record = Batch("token", server.url, "batch-0", {})
        record.path(project / "cache/answers").parent.mkdir(parents=True)
        record.write(project / "cache/answers")
        if gone == "files":
            ended = {"status": "completed", "output_file_id": "file-9", "completed_at": 1, "created_at": 1}
            server.batches["batch-0"] = {"id": "batch-0", "object": "batch", **ended}
        answer = erclap(project, "caption")
        assert answer.returncode == 1
        assert "batch batch-0 of cache/answers/batch-token.json, found that it knows it" in error_line(answer)
        assert "delete it to go on" in error_line(answer)
        record.path(project / "cache/answers").unlink()
        assert erclap(project, "caption").returncode == 0


def test_a_damaged_record_of_a_batch_is_one_line_that_names_it(make_project):
    project = make_project("http://127.0.0.1:9/v1")
    record = project / "cache/answers/batch-token.json"
    record.parent.mkdir(parents=True)
    for damage in ('{"tok', "[]", '{"requests": {"name": {}}}'):
        record.write_text(damage)
        answer = erclap(project, "caption")
        assert answer.returncode == 1
        assert "cache/answers/batch-token.json must say which batch is under way" in error_line(answer)


def test_an_endpoint_without_batches_is_one_line(make_project):
    with ModelServer() as server:
        server.batch_api = lambda *args: refusal(404, "no such address")  # type: ignore[method-assign]
        project = make_project(server.url, runtime=BY_BATCH)
        answer = erclap(project, "caption")
    assert answer.returncode == 2
    assert "offers no batches: set runtime.llm.batch to false" in error_line(answer)
    assert not list((project / "cache/answers").glob("batch-*"))


def test_a_refused_batch_is_one_line_and_forgotten(make_project):
    with ModelServer() as server:
        worked = server._worked
        server._worked = lambda batch: (
            worked(batch)
            | {  # type: ignore[method-assign]
                "status": "failed",
                "output_file_id": None,
                "errors": {"object": "list", "data": [{"message": "enqueued token limit reached"}]},
            }
        )
        project = make_project(server.url, runtime=BY_BATCH)
        answer = erclap(project, "caption")
    assert answer.returncode == 1
    assert "refused it: enqueued token limit reached" in error_line(answer)
    assert not list((project / "cache/answers").glob("batch-*"))


def test_a_batch_is_read_back_as_it_was_written(tmp_path):
    request = Request(Key("m", "h", "va", "4 4", 1), "prompt")
    batch = Batch("token", "http://127.0.0.1/v1", "b", {"name": request})
    batch.write(tmp_path)
    assert Batch.read(batch.path(tmp_path)) == batch
    assert Batch.read(batch.path(tmp_path)).requests["name"].text == "prompt"
