"""Examples of the ordinality test: a list's sentences, what each retrieved, and how well the order was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.results import Details, Row

LISTS = 100
"""At most so many lists of a test are on the page: all of the paper's."""

TESTS = {"aoc": "arousal (AOC)", "voc": "valence (VOC)"}


def examples(details: Details, seed: int, titles: Mapping[str, str]) -> dict[str, Any]:
    """What the page's chooser needs, compactly, of one training seed.

    `clips`: their ids. `tests`: test → name, and for each list the sentences and their intended values.
    `methods`: method → title, and test → for each list tau, the clips as places in `clips`, and their values.
    """
    clips: dict[str, int] = {}
    tests: dict[str, dict[str, Any]] = {}
    methods: dict[str, dict[str, Any]] = {}
    taus = {
        (row["method"], row["test"], row["list"]): row["tau"] for row in details.lists if row["seed"] == seed
    }
    for (method, test, number), rows in _by_list(details.retrievals, seed).items():
        if number >= LISTS:
            continue
        asked = tests.setdefault(test, {"name": TESTS.get(test, test), "lists": {}})["lists"]
        asked[number] = [[row["text"], row["intended"]] for row in rows]
        own = methods.setdefault(method, {"title": titles[method], "tests": {}})["tests"]
        own.setdefault(test, {})[number] = {
            "tau": round(taus[method, test, number], 3),
            "clips": [clips.setdefault(row["utterance_id"], len(clips)) for row in rows],
            "values": [round(row["value"], 2) for row in rows],
        }
    return {"clips": list(clips), "tests": tests, "methods": methods}


def _by_list(retrievals: Sequence[Row], seed: int) -> dict[tuple[str, str, int], list[Row]]:
    lists: dict[tuple[str, str, int], list[Row]] = {}
    for row in sorted(retrievals, key=lambda row: (row["list"], row["position"])):
        if row["seed"] == seed:
            lists.setdefault((row["method"], row["test"], row["list"]), []).append(row)
    return lists


def first_shown(found: Mapping[str, Any], preferred: str) -> dict[str, Any]:
    """The example that the page opens with: of the preferred method and the first test, the list of median tau.

    The keys are `method`, `test`, `list`, `tau` and `rows`, each (sentence, intended, clip, value).
    """
    method = preferred if preferred in found["methods"] else next(iter(found["methods"]))
    test, lists = next(iter(found["methods"][method]["tests"].items()))
    by_tau = sorted(lists, key=lambda number: (lists[number]["tau"], number))
    number = by_tau[len(by_tau) // 2]
    chosen = lists[number]
    rows = [
        {"text": text, "intended": intended, "clip": found["clips"][clip], "value": value}
        for (text, intended), clip, value in zip(
            found["tests"][test]["lists"][number], chosen["clips"], chosen["values"], strict=True
        )
    ]
    return {"method": method, "test": test, "list": number, "tau": chosen["tau"], "rows": rows}
