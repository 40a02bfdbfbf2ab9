"""`erclap check`: whether the run that params.yaml describes can succeed, within a minute and before it begins."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict

import click

from stages.check.findings import EXIT_CODES, Finding, guarded, worst

MARKS = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red")}


@click.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """See within a minute whether the whole run can succeed, and what it will take.

    Looks at the params, the corpus and a hundred of its clips, what training and the tests need, both encoders,
    the device, the disk, the team's store and the captions' endpoint. Nothing is fetched, and no result is
    changed. Exit code 0 where all is well, 1 where something is doubtful, 2 where a stage would fail.
    """
    if as_json:
        found = list(check())
        shown = {"state": worst(found), "findings": [asdict(finding) for finding in found]}
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        found = show(check())
    ctx.exit(EXIT_CODES[worst(found)])


def show(findings: Iterable[Finding]) -> list[Finding]:
    """Print findings as they come, and return them."""
    shown = []
    for finding in findings:
        mark, colour = MARKS[finding.state]
        click.echo(f"{click.style(mark, fg=colour)}  {finding.about:10}{finding.says}")
        shown.append(finding)
    return shown


def check() -> Iterator[Finding]:
    """Every finding, as it is found."""
    from pipeline.config import load_params
    from pipeline.support import counted

    try:
        params = load_params()
    except ValueError as error:
        yield Finding("fail", "params", str(error))
        return
    from stages.check.corpus import Seen, check_corpus
    from stages.check.costs import Cost, check_costs
    from stages.check.encoders import Rates, check_encoders
    from stages.check.places import check_llm, check_places, check_team

    methods, seeds = counted(len(params.train.methods), "method"), counted(params.train.seeds, "seed")
    yield Finding("ok", "params", f"params.yaml: corpus {params.prepare.corpus}, {methods}, {seeds}")
    seen, rates, costs = Seen(), Rates(), list[Cost]()
    yield from guarded("corpus", lambda: check_corpus(params, seen))
    yield from guarded("encoders", lambda: check_encoders(params, seen, rates))
    yield from guarded("cost", lambda: check_costs(params, seen, rates, costs))
    yield from guarded("disk", lambda: check_places(sum(cost.disk for cost in costs)))
    yield from guarded("team", lambda: check_team(params))
    yield from guarded("captions", lambda: check_llm(params))
