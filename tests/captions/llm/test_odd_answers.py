"""Answers, servers and tables that are odd or mean harm: each is judged, named and kept, and nothing hangs."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.captions.llm import bounded, endpoint as at, patience
from pipeline.captions.llm.answers import read_answers, writing_answers
from pipeline.captions.llm.endpoint import Endpoint
from pipeline.captions.llm.replies import Malformed, NotAnApi, Reply, read_json
from pipeline.captions.llm.table import ANSWERS_SCHEMA, Answer, judged, read_table
from pipeline.captions.llm.validation import MOST_CHARACTERS, check_answer
from pipeline.config import LlmCaptions, LlmRuntime
from tests.captions.llm import odd
from tests.captions.llm.conftest import KEY
from tests.captions.llm.server import Act, ModelServer, completion, refusal
from tests.captions.llm.test_asking import answers_of, error_line, is_whole, once_each
from tests.stages.test_commands import change_params, erclap

TIMES = int(os.environ.get("ODD_ANSWERS", "1"))
"""How many times as much is drawn by hand."""

GOOD = "The person is speaking in a soft voice, with joy in the tone."
FIGURE_2, CORNER = "is speaking ...", "is 0.5 on valence, 0.5 on"
MakeProject = Callable[..., Path]


def asks_for(body: dict[str, Any], part: str) -> bool:
    return part in body["messages"][0]["content"]


def failures(project: Path) -> list[dict[str, str]]:
    with (project / "cache/caption_failures.csv").open() as file:
        return list(csv.DictReader(file))


# Money.


@pytest.mark.parametrize("key", ["x", "speaking", "person", "token-abc123"])
def test_a_local_servers_short_key_maims_no_answer(key: str, make_project: MakeProject) -> None:
    with ModelServer() as server:
        project = make_project(server.url)
        assert erclap(project, "caption", OPENAI_API_KEY=key).returncode == 0
    assert is_whole(project)
    assert once_each(server, project)
    assert not any("[key]" in row.raw for row in answers_of(project))


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("The person is speaking at valence three and arousal two, in a low voice.", "must not name"),
        ("I'm sorry, but I can't help with that.", "must begin with"),
    ],
)
@pytest.mark.parametrize("by_batch", [False, True])
def test_a_model_whose_every_answer_is_refused_stops_the_run_and_shows_one(
    said: str, problem: str, by_batch: bool, make_project: MakeProject
) -> None:
    with ModelServer(
        lambda number, body: None if asks_for(body, "three short") else Act(text=said)
    ) as server:
        runtime = {"concurrency": 2, "batch": by_batch, "poll_seconds": 0.02}
        project = make_project(server.url, runtime=runtime)
        answer = erclap(project, "caption")
    assert answer.returncode == 1
    line = error_line(answer)
    assert "m must answer with captions, found none among 20 answers for va" in line
    assert problem in line
    assert f"'{said}'" in line
    assert len(server.seen) <= (76 if by_batch else 24 + 22)  # a batch is one round
    assert sum(server.paid.values()) == len(answers_of(project))
    assert "76/76" not in answer.stderr or by_batch


def test_cells_that_are_always_refused_do_not_stop_a_model_that_answers_others(
    make_project: MakeProject,
) -> None:
    def behave(number: int, body: dict[str, Any]) -> Act | None:
        return Act(text="No.") if "is 7 on valence" in str(body) else None

    with ModelServer(behave) as server:
        project = make_project(server.url, attempts=30)
        answer = erclap(project, "caption")
    assert "1 of 76 requests have none" in error_line(answer)
    assert [row["answers"] for row in failures(project)] == ["30"]
    assert "captions: 75/76 answers (99%)" in answer.stderr  # those given up are no answers


# Refusals and filters.


def refusing(text: str) -> Act:
    body = json.loads(completion("", "stop", 70))
    body["choices"][0]["message"] |= {"content": None, "refusal": text}
    return Act(body=json.dumps(body).encode())


def filtered(content: str | None) -> Act:
    body = json.loads(completion("", "content_filter", 70))
    body["choices"][0]["message"] = {"role": "assistant"} | ({} if content is None else {"content": content})
    return Act(body=json.dumps(body).encode())


BLOCKED = refusal(400, "The prompt triggered the content management policy", "content_filter")


@pytest.mark.parametrize(
    ("act", "reason", "text"),
    [
        (refusing("I can't describe this."), "the model refused to answer", "I can't describe this."),
        (filtered(None), "the endpoint filtered it (content_filter)", ""),
        (filtered(GOOD), "the endpoint filtered it (content_filter)", GOOD),
        (BLOCKED, "the endpoint filtered it (content_filter)", "triggered the content management policy"),
    ],
    ids=["refusal", "filtered", "filtered, with a text", "the prompt filtered"],
)
def test_refusals_and_filters_are_called_so_and_their_text_is_listed(
    act: Act, reason: str, text: str, make_project: MakeProject
) -> None:
    with ModelServer(lambda number, body: act if asks_for(body, CORNER) else None) as server:
        project = make_project(server.url, attempts=2)
        for _ in range(2):
            answer = erclap(project, "caption")
            assert answer.returncode == 1
            assert reason in error_line(answer)
            rows = failures(project)
            assert {(row["kind"], row["cell"], row["answers"]) for row in rows} == {
                ("voc", "0.5 0.5", "2"),
                ("aoc", "0.5 0.5", "2"),
            }
            assert all(reason in row["reason"] and text in row["last_answer"] for row in rows)
            assert sum(asks_for(body, CORNER) for body in server.seen) == 4  # never again
        said = erclap(project, "caption", "--dry-run").stdout
    assert "aoc: 14 requests, 13 answered, 0 to send, 1 given up" in said
    assert "to send: 0" in said


def test_a_filter_in_a_batch_is_called_so(make_project: MakeProject) -> None:
    with ModelServer(lambda number, body: BLOCKED if asks_for(body, CORNER) else None) as server:
        project = make_project(server.url, attempts=1, runtime={"batch": True, "poll_seconds": 0.02})
        answer = erclap(project, "caption")
    assert "the endpoint filtered it (content_filter)" in error_line(answer)
    assert {row["last_answer"] for row in failures(project)} == {
        "The prompt triggered the content management policy"
    }


def test_a_run_that_has_only_declined_requests_left_lists_them(make_project: MakeProject) -> None:
    """A 400 without a code: before anything was answered it may be our own fault, afterwards it is the cell's."""
    with ModelServer(
        lambda number, body: refusal(400, "no") if number and asks_for(body, CORNER) else None
    ) as server:
        project = make_project(server.url, runtime={"concurrency": 1})
        for _ in range(2):
            answer = erclap(project, "caption")
            assert "2 of 76 requests have none" in error_line(answer)
            assert {row["reason"][:30] for row in failures(project)} == {"declined: Error code: 400 - no"}


def test_what_one_model_leaves_is_asked_otherwise_and_what_was_paid_stays(make_project: MakeProject) -> None:
    def behave(number: int, body: dict[str, Any]) -> Act | None:
        if body["model"] == "m" and asks_for(body, CORNER):
            return BLOCKED if asks_for(body, FIGURE_2) else Act(text="No.")
        return None

    with ModelServer(behave) as server:
        project = make_project(server.url, attempts=2)
        assert erclap(project, "caption").returncode == 1
        sent = len(server.seen)
        kept = {row.key: row for row in answers_of(project)}
        (project / "milder.txt").write_text("Say, for {VALENCE} and {AROUSAL}, is 0.5 on valence, 0.5 on it.")
        others = [{"template": "milder.txt"}, {"model": "n", "template": "milder.txt"}]
        change_params(project, caption__llm__otherwise=others)
        said = erclap(project, "caption", "--dry-run").stdout
        assert "aoc: 14 requests, 13 answered, 1 to send\n" in said
        answer = erclap(project, "caption")
        assert answer.returncode == 0, answer.stderr
        assert is_whole(project)
        new = [(body["model"], asks_for(body, "Say, for 0.5 and 0.5,")) for body in server.seen[sent:]]
        assert sorted(new) == [("m", True)] * 4 + [("n", True)] * 2
        now = {row.key: row for row in answers_of(project)}
        assert kept.items() <= now.items()
        assert "aoc: 1 answer of n, prompt " in answer.stdout
        assert "aoc: 13 answers of m, prompt " in answer.stdout
        for row in now.values():  # each says whose it is, and its prompt is there to read
            prompt = json.loads((project / f"cache/answers/prompts/{row.prompt_hash}.json").read_text())
            assert "{" in prompt["template"]
        sent = len(server.seen)
        captions = (project / "data/prompts.parquet").read_bytes()
        assert erclap(project, "caption").returncode == 0
        assert len(server.seen) == sent
        assert (project / "data/prompts.parquet").read_bytes() == captions


def test_otherwise_must_name_something(make_project: MakeProject) -> None:
    answer = erclap(make_project("http://127.0.0.1:9/v1", otherwise=[{}]), "caption")
    assert "otherwise must name a model, a template or a temperature" in error_line(answer)


# What is no API.


@pytest.mark.parametrize(
    ("act", "found"),
    [
        (
            Act(body=b"<!doctype html><p>Hello", headers={"Content-Type": "text/html; charset=utf-8"}),
            "text/html",
        ),
        (Act(body=b"\n<html>", headers={"Content-Type": "text/plain"}), "text/html"),
        (
            Act(body=b"data: {}\n\n", headers={"Content-Type": "text/event-stream"}),
            "text/event-stream, though no",
        ),
        (Act(body=b""), "an empty body"),
    ],
    ids=["page", "page by its looks", "stream", "nothing"],
)
@pytest.mark.parametrize("by_variable", [True, False])
def test_what_is_no_api_is_called_so_at_once(
    act: Act, found: str, by_variable: bool, make_project: MakeProject
) -> None:
    with ModelServer(lambda number, body: act) as server:
        project = make_project(None if by_variable else server.url, runtime={"concurrency": 2})
        answer = erclap(project, "caption", **({"OPENAI_BASE_URL": server.url} if by_variable else {}))
    assert answer.returncode == 1
    setting = "OPENAI_BASE_URL" if by_variable else "runtime.llm.base_url"
    assert f"{server.url} answers with {found}" in error_line(answer)
    assert f"not JSON: is {setting} right?" in error_line(answer)
    assert len(server.seen) <= 2


@pytest.mark.parametrize(
    ("act", "found"),
    [
        (Act(body=b" " * 65_536, again=0.0), "its answer has more than 1 MB"),
        (Act(body=b" ", again=0.05), "its answer took longer than 0.3 s"),
        (Act(body=b"", headers={"Content-Encoding": "gzip"}), "it packs its answer (gzip), which was not"),
    ],
    ids=["without end", "drop by drop", "packed"],
)
def test_a_body_that_never_ends_is_given_up(
    act: Act, found: str, make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "MOST_BYTES", 1_000_000)
    monkeypatch.setattr(patience, "MOST_WITHOUT_ANSWER", 2)
    with ModelServer(lambda number, body: act) as server:
        project = make_project(
            server.url, runtime={"concurrency": 1, "max_retries": 0, "timeout_seconds": 0.3}
        )
        answer = erclap(project, "caption")
    assert answer.returncode == 1
    assert found in error_line(answer)


def test_an_error_that_comes_as_a_success_is_told() -> None:
    for error in ({"message": "model not loaded", "code": 500}, "model not loaded"):
        with pytest.raises(Malformed, match="an error: model not loaded"):
            Reply.of({"error": error})


def test_json_counts_whatever_it_calls_itself() -> None:
    assert read_json("text/html", "{}") == {}
    assert read_json("", " [1]\n") == [1]
    with pytest.raises(NotAnApi, match="text/html"):
        read_json("application/json", "<HTML>")
    for body in ("[" * 100_000, "1" * 5000, "{"):
        with pytest.raises(Malformed, match="not JSON"):
            read_json("application/json", body)


def test_waiting_says_why_once(make_project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at, "LEAST_SAID", 0.0)
    busy = refusal(503, "overloaded", retry_after="0.3")
    with ModelServer(lambda number, body: busy if number < 20 else None) as server:
        project = make_project(server.url)
        answer = erclap(project, "caption")
    assert answer.returncode == 0, answer.stderr
    lines = [line for line in answer.stderr.splitlines() if "retrying" in line]
    assert len(lines) == 1
    assert "retrying in 0 s: Error code: 503 - overloaded" in lines[0]


# Tables of others.


def row(**changes: Any) -> Answer:
    return replace(Answer("m", "h", "va", "4 4", 0, GOOD, None, GOOD, "2026-01-01", 70, 30), **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"raw": "x" * (MOST_CHARACTERS + 1)}, "raw of an answer must have at most 100,000 characters"),
        ({"cell": "4" * (MOST_CHARACTERS + 1)}, "cell of an answer must have at most 100,000 characters"),
        ({"date": "0"}, "must have a date in ISO 8601, found '0' for '4 4'"),
        ({"kind": "x" * 99}, "must be for one of va, clap4emo, plane, voc, aoc, found 'xxx"),
    ],
)
def test_what_no_endpoint_answered_is_not_imported(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with writing_answers(tmp_path) as answers:
        with pytest.raises(RuntimeError, match=message):
            answers.merge([row(draw=1), row(**changes)])
        assert not len(answers.known)


def test_a_table_that_unpacks_to_many_times_its_size_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bomb.parquet"
    for texts in (["a" * 100_000] * 1000, [f"{i} {'a' * 100_000}" for i in range(400)]):
        columns = {name: ["x"] * len(texts) for name in ANSWERS_SCHEMA.names}
        columns |= {"raw": texts} | {n: [1] * len(texts) for n in ("draw", "input_tokens", "output_tokens")}
        pq.write_table(pa.table(columns, schema=ANSWERS_SCHEMA), file, compression="zstd")
        assert file.stat().st_size < 200_000
        with pytest.raises(RuntimeError, match="unpacks to over 100 times its size"):
            read_table(file)


def test_a_long_answer_of_an_endpoint_is_kept_in_part_and_no_caption(make_project: MakeProject) -> None:
    long = "<think>" * 40_000 + GOOD
    with ModelServer(lambda number, body: Act(text=long) if number == 0 else None) as server:
        project = make_project(server.url)
        assert erclap(project, "caption").returncode == 0
    (problem,) = (kept for kept in answers_of(project) if kept.problem)
    assert problem.problem == "an answer must have at most 100,000 characters, found 280,061"
    assert problem.raw == long[:MOST_CHARACTERS]


# Drawn by seed.


@pytest.mark.parametrize("seed", range(2))
def test_odd_replies_are_read_or_malformed_and_judged_at_once(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(500 * TIMES):
        act, started = odd.response(dice), time.monotonic()
        body = (act.body or b"").decode(errors="replace")
        try:
            reply = Reply.of(read_json(act.headers.get("Content-Type", ""), body))
        except Malformed:
            continue
        captions, problem = check_answer(reply.text, dice.choice(["va", "clap4emo"]))
        assert (captions is None) != (problem is None)
        assert captions is None or not {"<", "\0", "\n\n", "\ud83d"} & set(captions)
        assert time.monotonic() - started < 1


@pytest.mark.parametrize("seed", range(1))
def test_a_run_against_an_odd_server_ends_in_captions_or_in_a_line(
    seed: int, make_project: MakeProject
) -> None:
    for number in range(TIMES):
        dice = random.Random(f"{seed} {number}")
        odds = [odd.response(dice) for _ in range(400)]
        share = dice.choice([0.2, 0.5, 0.9])
        chosen = [dice.random() < share for _ in range(400)]
        with ModelServer(lambda n, body, o=odds, c=chosen: o[n % 400] if c[n % 400] else None) as server:
            project = make_project(server.url, attempts=3, runtime={"max_retries": 2})
            for path in project.glob("cache/answers/*.*"):
                path.unlink()
            answer = erclap(project, "caption", OPENAI_API_KEY=KEY)
        assert answer.returncode in (0, 1, 2), answer
        assert answer.returncode == 0 or error_line(answer)
        assert KEY not in answer.stdout + answer.stderr
        for kept in read_answers(project / "cache/answers"):
            assert judged(kept) == kept


@pytest.mark.parametrize("seed", range(1))
def test_a_batch_of_an_odd_server_ends_in_captions_or_in_a_line(seed: int, make_project: MakeProject) -> None:
    for number in range(TIMES):
        dice = random.Random(f"batch {seed} {number}")
        share = dice.choice([0.1, 0.3])
        with ModelServer(lambda n, body, d=dice: odd.response(d) if d.random() < 0.2 else None) as server:
            plainly = server.batch_api

            def oddly(*request: Any, d=dice, plain=plainly, share=share) -> Act:
                if "/models" in request:
                    return odd.changed(d, Act(body=b'{"object": "list", "data": [{"id": "m"}]}'))
                return odd.changed(d, plain(*request)) if d.random() < share else plain(*request)

            server.batch_api = oddly  # type: ignore[method-assign]
            runtime = {"max_retries": 2, "batch": True, "poll_seconds": 0.001}
            project = make_project(server.url, attempts=3, runtime=runtime)
            for path in project.glob("cache/answers/*.*"):
                path.unlink()
            answer = erclap(project, "caption", OPENAI_API_KEY=KEY)
            with (
                contextlib.suppress(ValueError, RuntimeError),
                Endpoint(LlmCaptions(model="m"), LlmRuntime(base_url=server.url)) as endpoint,
            ):
                models = endpoint.models(5)
                assert models is None or all(isinstance(model, str) for model in models)
        assert answer.returncode in (0, 1, 2), answer
        assert answer.returncode == 0 or error_line(answer)
        assert KEY not in answer.stdout + answer.stderr


@pytest.mark.parametrize("seed", range(1))
def test_an_odd_table_is_taken_in_whole_or_refused_in_a_line(seed: int, tmp_path: Path) -> None:
    dice, file = random.Random(seed), tmp_path / "theirs.parquet"
    with writing_answers(tmp_path / "ours") as answers:
        for _ in range(20 * TIMES):
            pq.write_table(odd.table(dice), file, compression=dice.choice(["zstd", "none", "snappy"]))
            damaged = bytearray(file.read_bytes())
            for _ in range(dice.choice([0, 0, 1, 30])):
                damaged[dice.randrange(len(damaged))] = dice.randrange(256)
            file.write_bytes(damaged[: dice.choice([None, None, None, 100])])
            before, started, refused = len(answers.known), time.monotonic(), ""
            try:
                new = answers.merge(read_table(file))
            except RuntimeError as error:
                new, refused = 0, str(error)
            assert not refused or ("must" in refused and refused.isprintable())
            assert len(answers.known) == before + new
            assert time.monotonic() - started < 10
    assert all(judged(kept) == kept for kept in read_answers(tmp_path / "ours"))
