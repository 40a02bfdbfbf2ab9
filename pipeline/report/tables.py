"""The paper's two tables with ours beside the published figures, as CSV, markdown and plain text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.files import write_csv, write_text
from pipeline.methods import METHODS, OURS
from pipeline.report import published
from pipeline.significance import better_than_all, paired_test

Values = npt.NDArray[np.float64]

MMD_READINGS = {
    "mmd": "√MMD² (γ = 1)",
    "mmd_squared": "MMD² (γ = 1)",
    "mmd_median": "√MMD² (γ median)",
    "mmd_squared_median": "MMD² (γ median)",
}
WASSERSTEIN_READINGS = {"w1": "W1", "w2": "W2", "w2_squared": "W2²"}
ALIGNMENT_READINGS = MMD_READINGS | WASSERSTEIN_READINGS
"""What Table 1 may mean by its two distances, which it does not say; lower is better."""

HEADLINE = ("mmd", "w1", "aoc", "voc")
"""The measures that `dvc metrics` compares."""


@dataclass(frozen=True)
class Table:
    """A table as it is shown, with the plain figures behind it."""

    title: str
    corpora: str
    """What ours and the paper's figures were measured on."""
    header: list[str]
    rows: list[list[str]]
    notes: list[str]
    figures: list[dict[str, object]] = field(default_factory=list)
    """One dict a method, unrounded."""

    def markdown(self) -> str:
        """The table for a README or a page."""
        lines = [
            f"**{self.title}** {self.corpora}",
            "",
            _joined(self.header),
            _joined(["---"] * len(self.header)),
        ]
        lines += [_joined(row) for row in self.rows]
        text = "\n".join([*lines, "", *(f"{note}  " for note in self.notes), ""])
        return text.replace("| *", "| \\*").replace("\n* ", "\n\\* ")  # stars, not italics and lists

    def text(self) -> str:
        """The table for a terminal."""
        widths = [max(len(row[i]) for row in [self.header, *self.rows]) for i in range(len(self.header))]

        def line(row: Sequence[str]) -> str:
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            return "  ".join(cells).rstrip()

        rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
        body = [line(self.header), rule, *(line(row) for row in self.rows), rule]
        return "\n".join([self.title, self.corpora, rule, *body, *self.notes, ""])

    def write(self, folder: Path, name: str) -> None:
        """Write NAME.csv, which holds the unrounded figures, NAME.md and NAME.txt."""
        write_csv(self.figures, folder / f"{name}.csv")
        write_text(self.markdown(), folder / f"{name}.md")
        write_text(self.text(), folder / f"{name}.txt")


def alignment_table(
    values: Mapping[str, Mapping[str, Values]],
    *,
    corpus: str,
    pairs: int,
    available: int,
    alpha: float,
    notes: Sequence[str] = (),
) -> Table:
    """Table 1. `values` is method → reading → (trials,); `available` is how many pairs the split has.

    `notes` stand below it, after its own.
    """
    trials = len(next(iter(values.values()))["mmd"])
    shown = {
        reading: _cells(values, reading, alpha, higher_is_better=False) for reading in ALIGNMENT_READINGS
    }
    rows = []
    for readings, paper, measure in (
        (MMD_READINGS, "paper's MMD", "mmd"),
        (WASSERSTEIN_READINGS, "paper's Wasserstein", "wasserstein"),
    ):
        rows += [[label, *(shown[reading][name] for name in values)] for reading, label in readings.items()]
        rows.append([paper, *(published.published(name, measure) for name in values)])
    if available > pairs:
        sampling = f"{trials} trials of {pairs} of {available} pairs each, mean ± std over trials."
    else:
        sampling = (
            f"One trial of all {available} pairs: the split has no more than the {pairs} of a trial, so there is "
            f"no spread and no test of significance."
        )
    return Table(
        title="Table 1. Cross-modal alignment, lower is better.",
        corpora=f"Ours: {corpus}. Paper: {published.CORPUS}.",
        header=["distance", *(METHODS[name].title for name in values)],
        rows=rows,
        notes=[sampling, *_star_note(values, alpha), *notes],
        figures=[
            {"method": name, "trials": trials, "pairs": min(pairs, available)}
            | {
                f"{reading}_{statistic}": value
                for reading in ALIGNMENT_READINGS
                for statistic, value in _moments(readings[reading]).items()
            }
            for name, readings in values.items()
        ],
    )


def ordinality_table(
    values: Mapping[str, Mapping[str, Values]],
    *,
    corpus: str,
    pool: int,
    alpha: float,
    notes: Sequence[str] = (),
) -> Table:
    """Table 2. `values` is method → `aoc` or `voc` → Kendall's tau of each list; `pool` clips to retrieve.

    `notes` stand below it, after its own.
    """
    tests = ("aoc", "voc")
    lists = len(next(iter(values.values()))["aoc"])
    shown = {test: _cells(values, test, alpha, higher_is_better=True) for test in tests}
    rows = [
        [
            METHODS[name].title,
            *(cell for test in tests for cell in (shown[test][name], published.published(name, test))),
        ]
        for name in values
    ]
    return Table(
        title="Table 2. Ordinal consistency, Kendall's τ, higher is better.",
        corpora=f"Ours: {corpus}. Paper: {published.CORPUS}.",
        header=["method", "AOC", "paper's AOC", "VOC", "paper's VOC"],
        rows=rows,
        notes=[
            f"{lists} lists of 14 prompts each, {pool} clips to retrieve from, mean ± std over lists.",
            *_star_note(values, alpha),
            *notes,
        ],
        figures=[
            {"method": name, "lists": lists, "pool": pool}
            | {
                f"{test}_{statistic}": value
                for test in tests
                for statistic, value in _moments(taus[test]).items()
            }
            for name, taus in values.items()
        ],
    )


def caption_notes(captioner: str, methods: Collection[str]) -> list[str]:
    """What a reader must know of captions that no LLM has written, as the paper's were."""
    if captioner != "lexicon":
        return []
    notes = ["Captions and prompts: by the offline lexicon; the paper's are by an LLM."]
    if "clap4emo" in methods:
        notes.append(
            f"{METHODS['clap4emo'].title} learns from pools of the lexicon's sentences around each class's mean "
            f"valence and arousal in the train split; its authors' are by an LLM, from the class alone."
        )
    return notes


def significance_rows(
    values: Mapping[str, Mapping[str, Values]], *, higher_is_better: bool
) -> list[dict[str, object]]:
    """Ours against every baseline: mean difference and p-value, a row for each measure and baseline."""
    if OURS not in values:
        return []
    return [
        {
            "measure": measure,
            "baseline": name,
            "mean_difference": float(np.mean(ours - baseline)),
            "better": bool(np.mean(ours - baseline) * (1 if higher_is_better else -1) > 0),
            "p": paired_test(ours, baseline),
        }
        for measure, ours in values[OURS].items()
        for name, baseline in _baselines(values, measure).items()
    ]


def metrics(*tables: Mapping[str, Mapping[str, Values]]) -> dict[str, dict[str, float]]:
    """Method → headline measure → mean, for `dvc metrics`; the tables' CSV files hold the rest."""
    found: dict[str, dict[str, float]] = {}
    for table in tables:
        for name, measures in table.items():
            headline = {m: _moments(v)["mean"] for m, v in measures.items() if m in HEADLINE}
            found.setdefault(name, {}).update(headline)
    return found


def _baselines(values: Mapping[str, Mapping[str, Values]], measure: str) -> dict[str, Values]:
    return {name: found[measure] for name, found in values.items() if METHODS[name].baseline}


def _cells(
    values: Mapping[str, Mapping[str, Values]], measure: str, alpha: float, *, higher_is_better: bool
) -> dict[str, str]:
    """Each method's mean ± std, ours with a star where it beats every baseline significantly."""
    cells = {name: _mean_and_std(found[measure]) for name, found in values.items()}
    baselines = _baselines(values, measure)
    if OURS in values and baselines:
        wins, _ = better_than_all(
            values[OURS][measure], baselines, higher_is_better=higher_is_better, alpha=alpha
        )
        cells[OURS] = ("*" if wins else "") + cells[OURS]
    return cells


def _star_note(values: Mapping[str, Mapping[str, Values]], alpha: float) -> list[str]:
    baselines = [METHODS[name].title for name in values if METHODS[name].baseline]
    trials = min(len(found) for measures in values.values() for found in measures.values())
    if OURS not in values or not baselines or trials < 2:
        return []
    return [
        f"* better than every baseline here ({', '.join(baselines)}): two-tailed paired t, p < {alpha:g}."
    ]


def _moments(values: Values) -> dict[str, float]:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return {"mean": float(np.mean(values)), "std": spread}


def _mean_and_std(values: Values) -> str:
    moments = _moments(values)
    return f"{moments['mean']:.3f}" + (f" ± {moments['std']:.3f}" if len(values) > 1 else "")


def _joined(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
