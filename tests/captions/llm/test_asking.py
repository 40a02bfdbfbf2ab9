"""A run against a server that misbehaves: every cell is filled or listed, and nothing is paid for twice."""

from __future__ import annotations

import csv
import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from pipeline.captions.llm.answers import Answers, read_answers
from pipeline.captions.llm.table import read_table
from pipeline.sentences import read_captions, read_prompts
from tests.captions.llm.conftest import KEY, ROOT
from tests.captions.llm.server import Act, Behaviour, ModelServer, refusal, sentence
from tests.stages.conftest import warm
from tests.stages.test_commands import Answer, erclap
from tests.stages.warm import Running

__all__ = ["warm"]  # a fixture

MakeProject = Callable[..., Path]


def answers_of(project: Path) -> Answers:
    return read_answers(project / "cache/answers")


def once_each(server: ModelServer, project: Path) -> bool:
    """Whether the server answered each request of the project once, and the project kept every answer."""
    kept = answers_of(project)
    assert max(server.paid.values()) == 1, server.paid.most_common(3)
    assert sum(server.paid.values()) == len(kept)
    good = {row.key for row in kept if row.answer is not None}
    assert len(good) == sum(row.answer is not None for row in kept)
    return True


def is_whole(project: Path, rows: int = 24) -> bool:
    assert len(read_captions("va", project / "data/captions.parquet")) == rows
    assert len(read_captions("clap4emo", project / "data/captions.parquet")) == rows
    assert len(read_prompts(project / "data/prompts.parquet")) == 28
    assert not (project / "cache/caption_failures.csv").exists()
    return True


def error_line(answer: Answer) -> str:
    """The one line of a command that failed."""
    lines = [line for line in answer.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, answer.stderr
    assert "Traceback" not in answer.stderr
    return lines[0]


def every(period: int, act: Act) -> Behaviour:
    """Each so-manieth request goes wrong, the first one among them."""
    return lambda number, body: act if number % period == 0 else None


UNHELPFUL = {
    "busy": refusal(429, "slow down", retry_after="0.01"),
    "busy for milliseconds": refusal(429, "slow down", retry_after_ms="5"),
    "busy until a date": refusal(429, "slow down", retry_after="Wed, 21 Oct 2015 07:28:00 GMT"),
    "busy without a word": Act(429, body=b""),
    "failing": refusal(500, "an error"),
    "overloaded": Act(503, body=b"<html>busy</html>", headers={"Content-Type": "text/html"}),
    "no JSON": Act(body=b'{"choices": [{"mess'),
    "JSON of another kind": Act(body=b'["hello"]'),
    "no choices": Act(body=b'{"choices": []}'),
    "a text": Act(body=b"good morning", headers={"Content-Type": "text/plain"}),
    "content of another kind": Act(body=b'{"choices": [{"message": {"content": ["x"]}}]}'),
    "a line cut": Act(drop=True),
}
BAD_ANSWERS = {
    "empty": Act(text=""),
    "digits": Act(text="The person is speaking in a voice that is 7 on arousal, with joy in it."),
    "another beginning": Act(text="They speak in a soft voice, with joy in the tone."),
    "two sentences": Act(text="The person is speaking in a soft voice. There is some joy in the tone."),
    "another language": Act(text="The person is speaking мягким голосом, с радостью в каждом слове."),
    "too short": Act(text="The person is speaking softly."),
    "cut off": Act(text="The person is speaking in a soft voice, with joy in the", finish="length"),
}


@pytest.mark.parametrize("act", UNHELPFUL.values(), ids=UNHELPFUL.keys())
def test_what_is_no_answer_is_asked_again_and_paid_once(act, make_project):
    with ModelServer(every(4, act)) as server:
        project = make_project(server.url)
        answer = erclap(project, "caption")
    assert answer.returncode == 0, answer.stderr
    assert is_whole(project)
    assert once_each(server, project)


@pytest.mark.parametrize(
    ("tokens", "kept"), [(10**12, None), (50.0, 50), (-1, None), ("many", None), (None, None)]
)
def test_an_answer_counts_whatever_the_server_says_it_took(tokens, kept, make_project):
    with ModelServer(lambda number, body: Act(input_tokens=tokens)) as server:
        project = make_project(server.url)
        answer = erclap(project, "caption")
    assert answer.returncode == 0, answer.stderr
    assert once_each(server, project)
    assert {row.input_tokens for row in read_table(project / "cache/answers/answers.parquet")} == {kept}


def test_half_a_surrogate_pair_in_an_answer_is_no_fault(make_project):
    def behave(number: int, body: dict[str, Any]) -> Act:
        return Act(text=server.good_answer(body, str(number)).replace(".", " \ud83d.", 1))

    with ModelServer(behave) as server:
        project = make_project(server.url, attempts=1)
        answer = erclap(project, "caption")
    assert "surrogates" not in answer.stderr
    assert once_each(server, project)


@pytest.mark.parametrize("act", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
def test_an_answer_that_is_no_caption_is_kept_and_asked_again(act, make_project):
    with ModelServer(every(5, act)) as server:
        project = make_project(server.url, attempts=8)
        answer = erclap(project, "caption")
    assert answer.returncode == 0, answer.stderr
    assert is_whole(project)
    assert once_each(server, project)
    problems = [row for row in answers_of(project) if row.problem]
    assert problems
    assert {row.raw for row in problems} == {act.text}
    texts = read_captions("va", project / "data/captions.parquet").values()
    assert act.text not in texts


def test_a_server_that_keeps_a_request_waiting_is_left_and_asked_again(make_project):
    with ModelServer(
        lambda number, body: Act(seconds=1.0, drop=True) if number in {3, 9} else None
    ) as server:
        project = make_project(server.url, runtime={"timeout_seconds": 0.3})
        answer = erclap(project, "caption")
    assert answer.returncode == 0, answer.stderr
    assert is_whole(project)
    assert once_each(server, project)


def test_everything_at_once_fills_all_cells_and_pays_none_twice(make_project):
    acts = [*UNHELPFUL.values(), *BAD_ANSWERS.values()]

    def behave(number: int, body: dict[str, Any]) -> Act | None:
        return acts[number // 2 % len(acts)] if number % 2 else None

    with ModelServer(behave) as server:
        project = make_project(server.url, rows=60, attempts=12, runtime={"max_retries": 12})
        answer = erclap(project, "caption")
    assert answer.returncode == 0, answer.stderr
    assert is_whole(project, 60)
    assert once_each(server, project)


def test_a_second_run_sends_nothing_and_writes_the_same_bytes(make_project):
    with ModelServer() as server:
        project = make_project(server.url)
        assert erclap(project, "caption").returncode == 0
        before = {
            name: (project / "data" / name).read_bytes() for name in ("captions.parquet", "prompts.parquet")
        }
        sent = len(server.seen)
        for name in before:
            (project / "data" / name).unlink()
    # The server is gone and there is no key: the answers are enough.
    assert erclap(project, "caption").returncode == 0
    assert {name: (project / "data" / name).read_bytes() for name in before} == before
    assert len(server.seen) == sent


def test_one_request_goes_out_for_a_cell_and_draw_however_many_clips_there_are(make_project):
    with ModelServer() as server:
        project = make_project(server.url, rows=2000, step=3.0, draws=2, pool=3)
        assert erclap(project, "caption").returncode == 0
    kinds = [row.kind for row in answers_of(project)]
    assert kinds.count("va") <= 2 * 9  # cells at 0, 3 and 6 of either label
    assert kinds.count("clap4emo") == 4  # a class, and one answer of three captions
    assert len(server.seen) == len(kinds)


def test_no_more_requests_are_under_way_than_is_allowed(make_project):
    with ModelServer(lambda number, body: Act(seconds=0.02)) as server:
        project = make_project(server.url, runtime={"concurrency": 3})
        assert erclap(project, "caption").returncode == 0
    assert server.most_at_once == 3


def test_a_cell_that_stays_unfilled_is_listed_and_all_else_is_kept(make_project):
    def behave(number: int, body: dict[str, Any]) -> Act | None:
        return Act(text="It has a 7 in it.") if "is 0.5 on valence, 0.5 on" in str(body) else None

    with ModelServer(behave) as server:
        project = make_project(server.url, attempts=2)
        answer = erclap(project, "caption")
        assert answer.returncode == 1
        assert "2 of 76 requests have none: see cache/caption_failures.csv" in error_line(answer)
        with (project / "cache/caption_failures.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert {(r["kind"], r["cell"], r["answers"]) for r in rows} == {
            ("voc", "0.5 0.5", "2"),
            ("aoc", "0.5 0.5", "2"),
        }
        assert rows[0]["last_answer"] == "It has a 7 in it."
        assert not (project / "data/captions.parquet").exists()
        assert once_each(server, project)
        sent = len(server.seen)
        assert erclap(project, "caption").returncode == 1
        assert len(server.seen) == sent  # what was paid for twice in vain is not asked a third time
        server.behaviour = lambda number, body: None
        params = (project / "params.yaml").read_text().replace("attempts: 2", "attempts: 3")
        (project / "params.yaml").write_text(params)
        assert erclap(project, "caption").returncode == 0
        assert len(server.seen) == sent + 2
    assert is_whole(project)


def test_a_prompt_that_the_server_refuses_is_listed_and_all_else_is_kept(make_project):
    def behave(number: int, body: dict[str, Any]) -> Act | None:
        refused = "is 0.5 on valence, 0.5 on" in str(body)
        return refusal(400, "the content filter was triggered") if number > 0 and refused else None

    with ModelServer(behave) as server:
        project = make_project(server.url, runtime={"concurrency": 1})
        answer = erclap(project, "caption")
    assert answer.returncode == 1
    assert "2 of 76 requests have none" in error_line(answer)
    assert "declined: Error code: 400" in error_line(answer)
    assert len(answers_of(project)) == 74
    assert once_each(server, project)


def test_a_prompt_that_is_a_caption_is_drawn_again(make_project):
    """The model says of the scale's middle what it says of a clip there."""
    same = "The person is speaking in a level voice, with nothing much in the tone."

    def behave(number: int, body: dict[str, Any]) -> Act | None:
        if "three short" in str(body):
            return None
        return Act(text=same) if number % 3 == 0 else None

    with ModelServer(behave) as server:
        project = make_project(server.url)
        answer = erclap(project, "caption")
    assert answer.returncode == 0, answer.stderr
    captions = set(read_captions("va", project / "data/captions.parquet").values())
    prompts = [prompt.text for prompt in read_prompts(project / "data/prompts.parquet")]
    assert same in captions
    assert not captions & set(prompts)
    assert "0 (0.0 %) are a caption word for word" in answer.stdout
    assert once_each(server, project)


def test_a_model_that_always_says_the_same_is_one_line(make_project):
    same = "The person is speaking in a level voice, with nothing much in the tone."
    with ModelServer(lambda number, body: None if "three short" in str(body) else Act(text=same)) as server:
        project = make_project(server.url)
        answer = erclap(project, "caption")
    assert answer.returncode == 1
    assert "found the same again and again in 20 answers" in error_line(answer)
    asked = sum("three short" not in str(body) for body in server.seen)
    assert asked <= 20 + 2 * 8  # and what eight threads had begun before they were told


# Bad input and an endpoint that is not as it should be.


@pytest.mark.parametrize(
    ("act", "code", "message"),
    [
        (refusal(401, f"Incorrect API key provided: {KEY}"), 2, "OPENAI_API_KEY must be a key that"),
        (
            refusal(404, "The model `m` does not exist", "model_not_found"),
            2,
            "caption.llm.model must be a model",
        ),
        (refusal(403, "no access"), 2, "caption.llm.model must be a model"),
        (refusal(429, "You exceeded your quota", "insufficient_quota"), 1, "must have credit left"),
        (refusal(400, f"the prompt is odd {KEY}"), 1, "must take the request"),
        (refusal(429, "tomorrow", retry_after="86400"), 1, "asks to wait for 86400 s"),
    ],
)
def test_what_no_retry_mends_is_one_line_at_once(act, code, message, make_project):
    gc.disable()  # the connections are closed, not found by the collector of garbage
    with ModelServer(lambda number, body: act) as server:
        project = make_project(server.url, runtime={"concurrency": 2})
        answer = erclap(project, "caption", OPENAI_API_KEY=KEY)
        port = urlsplit(server.url).port
        left = [c for c in psutil.Process().net_connections("tcp") if c.raddr and c.raddr.port == port]
    gc.enable()
    assert not left
    assert answer.returncode == code
    assert message in error_line(answer)
    assert KEY not in answer.stdout + answer.stderr
    assert len(server.seen) <= 2


def test_a_server_that_is_gone_ends_the_run_and_keeps_what_was_answered(make_project):
    with ModelServer(lambda number, body: None if number < 20 else refusal(500, "gone")) as server:
        project = make_project(server.url, runtime={"max_retries": 1, "concurrency": 2})
        answer = erclap(project, "caption")
        assert answer.returncode == 1
        assert "8 requests in a row without an answer" in error_line(answer)
        assert len(answers_of(project)) == 20
        server.behaviour = lambda number, body: None
        assert erclap(project, "caption").returncode == 0
    assert once_each(server, project)


def test_no_key_and_no_address_is_one_line(make_project):
    project = make_project(None)
    answer = erclap(project, "caption")
    assert answer.returncode == 2
    assert "the environment must hold OPENAI_API_KEY, found none" in error_line(answer)


def test_a_key_of_odd_characters_is_one_line_that_does_not_show_it(make_project):
    odd = "sk-sécret key"
    answer = erclap(make_project("http://127.0.0.1:9/v1"), "caption", OPENAI_API_KEY=odd)
    assert answer.returncode == 2
    assert "OPENAI_API_KEY must be a key in plain characters" in error_line(answer)
    assert odd not in answer.stderr


def test_without_the_package_it_is_one_line(make_project, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    answer = erclap(make_project("http://127.0.0.1:9/v1"), "caption")
    assert answer.returncode == 2
    assert (
        "needs the package openai, which is not installed: in the clone, pip install -e '.[llm]' -c"
        in error_line(answer)
    )


def test_the_offline_captioner_needs_no_package_and_sends_nothing(make_project, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    project = make_project("http://127.0.0.1:9/v1")
    params = (project / "params.yaml").read_text().replace("captioner: llm", "captioner: lexicon")
    (project / "params.yaml").write_text(params)
    assert "nothing to send: caption.captioner is lexicon" in erclap(project, "caption", "--dry-run").stdout
    answer = erclap(project, "caption")
    assert answer.returncode == 0, answer.stderr
    assert "overlap: of 28 distinct prompts, 0 (0.0 %) are a caption word for word" in answer.stdout
    assert is_whole(project)
    assert "(1-very negative; 7-very positive)" in erclap(project, "caption", "--show-prompt").stdout


def test_a_model_must_be_named(make_project):
    project = make_project("http://127.0.0.1:9/v1")
    text = (project / "params.yaml").read_text().replace("  llm:\n    model: m\n", "", 1)
    (project / "params.yaml").write_text(text)
    answer = erclap(project, "caption")
    assert answer.returncode == 2
    assert "params.yaml: caption: captioner llm must have a section llm with at least a model" in error_line(
        answer
    )


def test_an_address_where_nothing_listens_is_one_line_at_once(make_project):
    started = time.monotonic()
    answer = erclap(make_project("http://127.0.0.1:9/v1"), "caption")
    assert answer.returncode == 1
    assert "the endpoint http://127.0.0.1:9/v1 must be within reach" in error_line(answer)
    assert time.monotonic() - started < 5  # not after the pauses of six retries


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host/v1", "http://", "http://[::1"])
def test_an_address_that_is_none_is_one_line(url, make_project):
    answer = erclap(make_project(url), "caption")
    assert answer.returncode == 2
    assert "base_url must be an address such as http://localhost:8000/v1" in error_line(answer)
    project = make_project(None)
    answer = erclap(project, "caption", OPENAI_BASE_URL=url)
    assert answer.returncode == 2
    assert "OPENAI_BASE_URL must be an address" in error_line(answer)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"http://me:{KEY}@127.0.0.1:9/v1", "must hold no name, password or query"),
        (f"http://127.0.0.1:9/v1?api-key={KEY}", "must hold no name, password or query"),
        (KEY, "must be an address"),
    ],
    ids=["a password", "a query", "the key itself"],
)
def test_a_secret_in_the_address_is_refused_and_not_shown(url, message, make_project):
    answer = erclap(make_project(None), "caption", OPENAI_BASE_URL=url)
    assert answer.returncode == 2
    assert f"OPENAI_BASE_URL {message}" in error_line(answer)
    assert KEY not in answer.stdout + answer.stderr


def test_the_address_may_come_from_the_environment(make_project):
    with ModelServer() as server:
        project = make_project(None)
        assert erclap(project, "caption", OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY).returncode == 0
    assert server.keys == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("setting", "text", "message"),
    [
        ("template", "Be {VALENCE}.", "caption.llm.template must hold {VALENCE} and {AROUSAL} and no other"),
        ("template", "Be {VALENCE} {AROUSAL} {MOOD}.", "found {AROUSAL} {MOOD} {VALENCE} in mine.txt"),
        (
            "template_of_classes",
            "Say something.",
            "must hold {EMOTION} and {WORD} and no other placeholder, found none",
        ),
        ("nrc_file", "joy joy 1\nx", "caption.llm.nrc_file must have lines of word, emotion and 0 or 1"),
        ("nrc_file", "", "caption.llm.nrc_file must tie words to emotions, found none in mine.txt"),
    ],
)
def test_a_file_that_is_not_right_is_one_line(setting, text, message, make_project):
    project = make_project("http://127.0.0.1:9/v1", **{setting: "mine.txt"})
    answer = erclap(project, "caption", "--dry-run")
    assert answer.returncode == 2
    assert "must be a text file, found mine.txt" in error_line(answer)
    (project / "mine.txt").write_text(text)
    answer = erclap(project, "caption", "--dry-run")
    assert answer.returncode == 2
    assert message in error_line(answer)


# Parameters.


def test_a_server_that_wants_other_parameters_gets_them_and_is_paid_no_more(make_project):
    def behave(number: int, body: dict[str, Any]) -> Act | None:
        if "max_tokens" in body:
            return refusal(
                400,
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                "'max_completion_tokens' instead.",
                "unsupported_parameter",
            )
        if "temperature" in body:
            return refusal(400, "Unsupported value: 'temperature' does not support 0.7 with this model.")
        return None

    with ModelServer(behave) as server:
        project = make_project(server.url, temperature=0.7)
        answer = erclap(project, "caption")
    assert answer.returncode == 0, answer.stderr
    assert once_each(server, project)
    assert server.seen[-1].keys() == {"model", "messages", "max_completion_tokens"}
    assert len(server.seen) <= 76 + 2 * 8  # each of the requests that were under way met each refusal once


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("o1", {"max_completion_tokens"}),
        ("o3-mini", {"max_completion_tokens"}),
        ("gpt-5", {"max_completion_tokens"}),
        ("gpt-4o", {"max_tokens", "temperature"}),
        ("meta-llama/Llama-3.1-8B-Instruct", {"max_tokens", "temperature"}),
    ],
)
def test_parameters_go_by_the_models_name(model, names, make_project):
    with ModelServer() as server:
        assert erclap(make_project(server.url, model=model, temperature=0.9), "caption").returncode == 0
    for body in server.seen:
        assert body.keys() - {"model", "messages"} == names
        assert [message["role"] for message in body["messages"]] == ["user"]


def test_the_prompt_is_figure_2_word_for_word(make_project):
    with ModelServer() as server:
        assert erclap(make_project(server.url), "caption").returncode == 0
    asked = {body["messages"][0]["content"] for body in server.seen}
    assert (
        "Given the following scale of emotions - valence (1-very negative; 7-very positive), arousal (1-very "
        "calm; 7-very active), write a sentence describing a speaking style that is 0.5 on valence, 0.5 on "
        "arousal. Do not use any numbers in the sentence. The sentence should start with: The person is "
        "speaking ..."
    ) in asked


def test_dominance_is_in_the_captions_prompt_alone(make_project):
    with ModelServer() as server:
        project = make_project(server.url, dominance=True)
        assert erclap(project, "caption").returncode == 0
    asked = [body["messages"][0]["content"] for body in server.seen]
    assert sum("on dominance" in text for text in asked) == 24
    assert sum("on arousal" in text and "dominance" not in text for text in asked) == 28


# Killed and interrupted.


def surroundings(**environment: str) -> dict[str, str]:
    known = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "ERCLAP_"))}
    return known | {"PYTHONPATH": str(ROOT)} | environment


def start(project: Path) -> Running:
    """A real `erclap caption`."""
    return Running(project, "caption", env=surroundings())


def wait_for(condition: Callable[[], bool], process: Running) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_killed_again_and_again_it_goes_on_and_asks_nothing_that_was_answered(make_project, warm):
    with ModelServer(lambda number, body: Act(seconds=0.02)) as server:
        project = make_project(server.url, rows=60, runtime={"concurrency": 4})
        for kill in range(3):
            process = start(project)
            wait_for(lambda target=20 * (kill + 1): len(server.seen) >= target, process)
            process.kill()
            process.communicate()
            time.sleep(0.1)  # what the server had in hand is over
            # Every answer that is on the disk is whole; those under way may be lost, and they alone.
            assert sum(server.paid.values()) - len(answers_of(project)) <= 4 * (kill + 1)
        kept = {row.key for row in answers_of(project)}
        sent, paid = len(server.seen), sum(server.paid.values())
        process = start(project)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        answers = answers_of(project)
        assert len(server.seen) - sent == sum(server.paid.values()) - paid == len(answers) - len(kept)
    assert is_whole(project, 60)
    assert max(server.paid.values()) <= 2  # twice for what was under way at a kill
    assert len({row.key for row in answers}) == len(answers)


def test_ctrl_c_waits_for_what_is_under_way_and_keeps_it(make_project, warm):
    with ModelServer(lambda number, body: Act(seconds=0.3 if number >= 20 else 0.0)) as server:
        project = make_project(server.url, rows=60, runtime={"concurrency": 4})
        process = start(project)
        wait_for(lambda: len(server.seen) >= 24, process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "stopping: waiting for the answers that are under way" in err
        assert "Traceback" not in err
        assert sum(server.paid.values()) == len(answers_of(project)) >= 24
        assert (project / "cache/answers/answers.parquet").exists()
        server.behaviour = lambda number, body: None
        assert erclap(project, "caption").returncode == 0
    assert is_whole(project, 60)
    assert once_each(server, project)


def test_two_processes_at_once_ask_each_thing_once(make_project, warm):
    with ModelServer(lambda number, body: Act(seconds=0.01)) as server:
        project = make_project(server.url, rows=60)
        both = [start(project), start(project)]
        said = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("another process is asking" in err for err in said) == 1
    assert is_whole(project, 60)
    assert once_each(server, project)


# Sharing, the key, and what is shown.


def test_a_teammate_who_imports_the_table_pays_nothing_and_has_the_same_captions(
    make_project, tmp_path_factory
):
    with ModelServer(every(7, BAD_ANSWERS["digits"])) as server:
        project = make_project(server.url, attempts=8)
        assert erclap(project, "caption").returncode == 0
        other = tmp_path_factory.mktemp("other")
        for name in ("params.yaml", "data/manifest.parquet"):
            (other / name).parent.mkdir(exist_ok=True)
            (other / name).write_bytes((project / name).read_bytes())
        sent = len(server.seen)
        table = project / "cache/answers/answers.parquet"
        rows = len(answers_of(project))
        answer = erclap(other, "caption", "--import", str(table))
        assert f"cache/answers: {rows} of {rows} answers are new, {rows} in all" in answer.stdout
        assert f"0 of {rows} answers are new" in erclap(other, "caption", "--import", str(table)).stdout
        assert erclap(other, "caption").returncode == 0
        assert len(server.seen) == sent
    for name in ("data/captions.parquet", "data/prompts.parquet", "cache/answers/answers.parquet"):
        assert (other / name).read_bytes() == (project / name).read_bytes()


def test_a_table_that_is_none_is_one_line(make_project):
    project = make_project("http://127.0.0.1:9/v1")
    answer = erclap(project, "caption", "--import", "gone.parquet")
    assert answer.returncode == 2
    assert "--import must be a table of answers, found no file gone.parquet" in error_line(answer)
    answer = erclap(project, "caption", "--import", "data/manifest.parquet")
    assert answer.returncode == 1
    assert "data/manifest.parquet must be a table of answers, found another" in error_line(answer)


def test_the_key_is_in_no_file_and_no_output(make_project):
    """The server says the key in its errors and even in its answers."""

    def behave(number: int, body: dict[str, Any]) -> Act | None:
        said = [
            refusal(500, f"bad {KEY}"),
            Act(text=f"{sentence(str(number))} {KEY}"),
            Act(text=f"{sentence(str(number))[:-1]} like {KEY.replace('4711', '')}."),
            Act(body=f"{KEY} is no JSON".encode()),
            None,
        ]
        return said[number % len(said)]

    with ModelServer(behave) as server:
        project = make_project(server.url, attempts=4, runtime={"max_retries": 1})
        environment = {"OPENAI_API_KEY": KEY, "OPENAI_LOG": "debug"}
        outputs = [
            erclap(project, "caption", option, **environment) for option in ("--dry-run", "--show-prompt")
        ]
        outputs += [erclap(project, "caption", **environment) for _ in range(3)]
        code = "import sys; from stages.cli import main; main(sys.argv[1:])"
        alone = subprocess.run(  # openai reads OPENAI_LOG when it is imported
            [sys.executable, "-c", code, "caption"],
            cwd=project,
            env=surroundings(**environment, ERCLAP_DEBUG="1"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        server.behaviour = lambda number, body: refusal(401, f"Incorrect API key provided: {KEY}")
        outputs.append(erclap(project, "caption", **environment))
        outputs.append(erclap(project, "caption", **environment, ERCLAP_DEBUG="1"))
        assert "Traceback" in outputs[-1].stderr
    assert server.keys == {f"Bearer {KEY}"}
    said = "".join(answer.stdout + answer.stderr for answer in [*outputs, alone])
    assert "error: " in said
    assert KEY not in said
    assert KEY not in json.dumps([row.raw for row in answers_of(project)])
    for path in project.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_a_dry_run_counts_sends_nothing_and_prices_by_the_users_prices(make_project):
    with ModelServer() as server:
        project = make_project(server.url)
        answer = erclap(project, "caption", "--dry-run")
        assert "cost: unknown: set runtime.llm.price_per_million_input_tokens" in answer.stdout
        assert "to send: 76" in answer.stdout
        assert not server.seen
        assert not (project / "cache").exists()
        prices = {"price_per_million_input_tokens": 1e6, "price_per_million_output_tokens": 0.0}
        project = make_project(server.url, runtime=prices)
        answer = erclap(project, "caption", "--dry-run")
        tokens = int(answer.stdout.split("tokens: ")[1].split(" in,")[0])
        assert f"cost: about {tokens}." in answer.stdout
        assert erclap(project, "caption").returncode == 0
        answer = erclap(project, "caption", "--dry-run")
        assert "va: 24 requests, 24 answered, 0 to send" in answer.stdout
        assert "to send: 0" in answer.stdout


def test_show_prints_the_captions_of_every_variant_side_by_side(make_project):
    with ModelServer() as server:
        project = make_project(server.url)
        assert erclap(project, "caption").returncode == 0
    answer = erclap(project, "caption", "--show", "3")
    assert answer.stdout.count("valence ") == 3
    assert answer.stdout.count("  clap4emo  The person is speaking") == 3
    assert answer.stdout.count("  va        The person is speaking") == 3
    assert erclap(project, "caption", "--show", "3").stdout == answer.stdout


def test_two_options_at_once_are_one_line(make_project):
    answer = erclap(make_project("http://127.0.0.1:9/v1"), "caption", "--dry-run", "--show", "2")
    assert answer.returncode == 2
    assert "one option at a time, found --dry-run and --show" in error_line(answer)
