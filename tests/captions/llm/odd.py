"""Responses and tables of answers that nobody would write on purpose, drawn by seed."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import replace
from typing import Any

import pyarrow as pa

from pipeline.captions.llm.table import ANSWERS_SCHEMA
from tests.captions.llm.server import Act, completion, sentence

VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        7,
        2**31,
        10**40,
        1.5,
        float("nan"),
        float("inf"),
        "",
        " ",
        "x",
        "\ud83d",
        "\0",
    ),
    *([], [[]], {}, {"code": "content_filter"}, "content_filter", "length", "stop", "null", "é" * 50),
]
TYPES = [
    "application/json",
    "text/html; charset=x",
    "text/event-stream",
    "text/plain",
    "",
    "application/xml; q",
]
PAGES = [
    b"",
    b" ",
    b"\xff\xfe",
    b"<!doctype html><p>hello",
    b"<html>",
    b"data: {}\n\ndata: [DONE]\n",
    b"[" * 20_000,
]
PAGES += [b'{"a":' * 5_000, b"1" * 6_000, b"NaN", b"null", b"\xef\xbb\xbf{}", b'"\\ud83d"']
AFTER = ["0", "-1", "nan", "x", "Wed, 21 Oct 99999 07:28:00 GMT", "0.001", ""]
STATUSES = [200, 200, 200, 200, 200, 400, 408, 409, 413, 422, 429, 500, 502, 503, 529, 599]
THOUGHTS = [
    "<think>",
    "</think>",
    "\n",
    "1. ",
    "“",
    "*",
    "\u2028",
    "\x85",
    "\0",
    "valence",
    "7",
    "。",
    "\ud83d",
    ".",
]


def mutated(dice: random.Random, value: Any, depth: int = 0) -> Any:
    """A JSON value with a few of its parts replaced, removed or put into lists."""
    if depth and dice.random() < 0.12:
        return copy.deepcopy(dice.choice(VALUES))
    if isinstance(value, dict):
        kept = {k: mutated(dice, v, depth + 1) for k, v in value.items() if dice.random() > 0.04}
        if dice.random() < 0.1:
            kept[dice.choice(["refusal", "content", "error", "finish_reason", "usage"])] = dice.choice(VALUES)
        return kept
    if isinstance(value, list):
        return [mutated(dice, v, depth + 1) for v in value for _ in range(dice.choice([1, 1, 1, 1, 0, 2]))]
    return value


def answer(dice: random.Random) -> str:
    """A caption with odd things in it, or nothing like one."""
    text = sentence(str(dice.random()))
    for _ in range(dice.choice([0, 0, 1, 2, 30])):
        place = dice.randrange(len(text) + 1)
        text = text[:place] + dice.choice(THOUGHTS) + text[place + dice.choice([0, 0, 5]) :]
    return text * dice.choice([1, 1, 1, 1, 1, 1, 1, 2000])


def response(dice: random.Random) -> Act:
    """What a server may send back, in the protocol or out of it."""
    status = dice.choice(STATUSES)
    kind = dice.random()
    if kind < 0.15:
        body = dice.choice(PAGES)
    elif status == 200:
        whole = json.loads(completion(answer(dice), dice.choice(["stop", "length", "content_filter"]), 70))
        body = json.dumps(mutated(dice, whole), ensure_ascii=dice.random() < 0.5).encode(errors="replace")
    else:
        error = {"message": f"odd max_tokens {answer(dice)[:90]}", "type": "e", "param": None, "code": None}
        error["code"] = dice.choice([None, None, "content_filter", "invalid_prompt", 7, ["x"], {}])
        body = json.dumps(mutated(dice, {"error": error})).encode()
    if kind > 0.95 and body:
        place = dice.randrange(len(body))
        body = body[:place] + dice.randbytes(3) + body[place + 3 :]
    headers = {"Content-Type": dice.choice(TYPES)} if dice.random() < 0.2 else {}
    if dice.random() < 0.1:
        headers["Retry-After"] = dice.choice(
            ["0", "-1", "nan", "x", "Wed, 21 Oct 99999 07:28:00 GMT", "0.001", ""]
        )
    return Act(status, body=body, headers=headers, drop=dice.random() < 0.03)


def changed(dice: random.Random, act: Act) -> Act:
    """A response in which a few parts are others."""
    if act.body is None or dice.random() < 0.1:
        return Act(
            dice.choice(STATUSES), body=dice.choice(PAGES), headers={"Content-Type": dice.choice(TYPES)}
        )
    lines = []
    for line in act.body.split(b"\n"):
        lines.append(json.dumps(mutated(dice, json.loads(line))).encode(errors="replace") if line else b"")
    return replace(act, body=b"\n".join(lines))


def table(dice: random.Random) -> pa.Table:
    """A table of answers in which anything may stand."""
    texts = ["", "va", "clap4emo", "voc", "x", "4 4", "\0\x1b[2J", "2026-01-01", "0000", "é" * 200_000]
    texts += ["m", "h", "A furious", *(answer(dice).encode(errors="replace").decode() for _ in range(3))]
    usual = {
        "model": "m",
        "prompt_hash": "h",
        "kind": "va",
        "cell": "4 4",
        "date": "2026-01-01T00:00:00+00:00",
    }
    rows = []
    for draw in range(dice.choice([0, 1, 3, 3000])):
        row = {
            name: None if ANSWERS_SCHEMA.field(name).nullable else texts[0] for name in ANSWERS_SCHEMA.names
        }
        row |= usual | {"draw": draw, "raw": texts[-1]}
        for name in ANSWERS_SCHEMA.names:
            if dice.random() < 0.02:
                number = ANSWERS_SCHEMA.field(name).type == pa.int32()
                row[name] = dice.choice([0, -1, 2**31 - 1]) if number else dice.choice(texts)
        rows.append(row)
    made = pa.Table.from_pylist(rows, schema=ANSWERS_SCHEMA)
    if dice.random() < 0.1:
        name = dice.choice(ANSWERS_SCHEMA.names)
        made = made.drop_columns(name).append_column(name, pa.nulls(len(rows)))
    return made
