"""The paper's two tables with ours beside the published figures, and the third of further measures."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pipeline.config import Evaluate
from pipeline.methods import METHODS
from pipeline.report.results import published
from pipeline.report.results.ceilings import CEILING, TITLES, Ceilings, ceiling_notes, ceiling_taus
from pipeline.report.results.cells import (
    Contenders,
    figures_of,
    interval,
    interval_note,
    mean_and_spread,
    single_note,
    spread_note,
)
from pipeline.report.results.comparisons import Comparison, Halves, Scores, compare, compare_alignment
from pipeline.report.results.marks import mark, mark_notes
from pipeline.report.results.table import Table

MMD_READINGS = {
    "mmd": "√MMD² (γ = 1)",
    "mmd_squared": "MMD² (γ = 1)",
    "mmd_median": "√MMD² (γ median)",
    "mmd_squared_median": "MMD² (γ median)",
}
WASSERSTEIN_READINGS = {"w1": "W1", "w2": "W2", "w2_squared": "W2²", "w2_squared_half": "½W2²"}
ALIGNMENT_READINGS = MMD_READINGS | WASSERSTEIN_READINGS
"""What Table 1 may mean by its two distances, which it does not say; lower is better."""

HEADLINE = ("mmd", "w1", "aoc", "voc")
"""The paper's measures that `dvc metrics` compares, and those that have an interval in Table 1."""

FURTHER = {
    "probe_speech_valence": "probe of speech, valence (CCC ↑)",
    "probe_speech_arousal": "probe of speech, arousal (CCC ↑)",
    "probe_text_valence": "probe of text, valence (CCC ↑)",
    "probe_text_arousal": "probe of text, arousal (CCC ↑)",
    "modality_gap": "modality gap (↓)",
    "pair_distance": "alignment of pairs (↓)",
    "spread_speech": "spread of speech",
    "spread_text": "spread of text",
    "uniformity_speech": "uniformity of speech (↓)",
    "uniformity_text": "uniformity of text (↓)",
}
DIRECTIONS = {"text_to_speech": "text → speech", "speech_to_text": "speech → text"}
"""What the rows of the third table are called; those of retrieval depend on the params."""


def alignment_table(
    values: Scores,
    *,
    corpus: str,
    available: int,
    settings: Evaluate,
    notes: Sequence[str] = (),
    contenders: Contenders = METHODS,
) -> Table:
    """Table 1, of the readings; `available` is how many pairs the split has.

    `notes` stand below it, after its own.
    """
    seeds, trials = next(iter(values.values()))["mmd"].shape
    tests = compare_alignment(values, pairs=settings.pairs, available=available, contenders=contenders)
    rows = []
    for readings, paper, measure in (
        (MMD_READINGS, "paper's MMD", "mmd"),
        (WASSERSTEIN_READINGS, "paper's Wasserstein", "wasserstein"),
    ):
        for reading, label in readings.items():
            rows.append([label, *(_cell(values, name, reading, tests, settings) for name in values)])
            if reading in HEADLINE and seeds * trials > 1:
                intervals = [interval(found[reading], settings) for found in values.values()]
                rows.append([f"{label}, 95 %", *intervals])
        rows.append([paper, *(published.published(name, measure) for name in values)])
    if available > settings.pairs:
        sampling = (
            f"{trials} trials of {settings.pairs} of {available} pairs each, {spread_note(seeds, 'trials')}."
        )
    else:
        sampling = (
            f"One trial of all {available} pairs: the split has no more than the {settings.pairs} of a trial, so "
            f"there is no spread over trials and no test of significance"
            + (f"; {spread_note(seeds, 'trials')}." if seeds > 1 else ".")
        )
    return Table(
        title="Table 1. Cross-modal alignment, lower is better.",
        corpora=f"Ours: {corpus}. Paper: {published.CORPUS}.",
        header=["distance", *(contenders[name].title for name in values)],
        rows=rows,
        notes=[
            sampling,
            *single_note(values, contenders, "trials"),
            *interval_note(seeds, trials, "trials", settings),
            *mark_notes(tests, settings.alpha, "trials", seeds=seeds, contenders=contenders),
            *notes,
        ],
        figures=[
            {
                "method": name,
                "seeds": len(found["mmd"]),
                "trials": trials,
                "pairs": min(settings.pairs, available),
            }
            | figures_of({reading: found[reading] for reading in ALIGNMENT_READINGS}, settings)
            for name, found in values.items()
        ],
    )


def ordinality_table(
    values: Scores,
    *,
    corpus: str,
    pool: int,
    settings: Evaluate,
    ceilings: Ceilings | None = None,
    halves: Halves | None = None,
    notes: Sequence[str] = (),
    contenders: Contenders = METHODS,
) -> Table:
    """Table 2, of Kendall's tau under `aoc` and `voc`; `pool` clips to retrieve.

    `halves` are the taus in halves of the pool, where it has clips enough; `ceilings` stand below the methods, and
    `notes` below the table, after its own.
    """
    tests, ceilings = ("aoc", "voc"), ceilings or {}
    seeds, lists = next(iter(values.values()))["aoc"].shape
    comparisons = compare(values, higher_is_better=True, halves=halves, contenders=contenders)
    limits = ceiling_taus(ceilings)
    every = {**values, **limits}
    titles = {name: contenders[name].title for name in values}
    titles |= {name: CEILING + TITLES[name] for name in limits}
    rows = [
        [
            titles[name],
            *(
                cell
                for test in tests
                for cell in (
                    _cell(every, name, test, comparisons, settings),
                    interval(found[test], settings),
                    published.published(name, test),
                )
            ),
        ]
        for name, found in every.items()
    ]
    return Table(
        title="Table 2. Ordinal consistency, Kendall's τ, higher is better.",
        corpora=f"Ours: {corpus}. Paper: {published.CORPUS}.",
        header=["method", "AOC", "95 %", "paper's AOC", "VOC", "95 %", "paper's VOC"],
        rows=rows,
        notes=[
            f"{lists} lists of 14 prompts each, {pool} clips to retrieve from, {spread_note(seeds, 'lists')}.",
            *single_note(values, contenders, "lists"),
            *interval_note(seeds, lists, "lists", settings),
            *mark_notes(comparisons, settings.alpha, "lists", seeds=seeds, contenders=contenders),
            *ceiling_notes(ceilings),
            *notes,
        ],
        figures=[
            {"method": name, "kind": "ceiling" if name in limits else "method"}
            | {"seeds": 0 if name in limits else len(found["aoc"]), "lists": lists, "pool": pool}
            | figures_of({test: found[test] for test in tests}, settings)
            for name, found in every.items()
        ],
        apart=len(limits),
    )


def caption_notes(captioner: str | None, methods: Collection[str]) -> list[str]:
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


def further_table(
    values: Scores,
    *,
    corpus: str,
    available: int,
    settings: Evaluate,
    notes: Sequence[str] = (),
    contenders: Contenders = METHODS,
) -> Table:
    """The third table: what `measure_further` came to, (S, 1) each, a row for each measure."""
    seeds = len(next(iter(next(iter(values.values())).values())))
    labels = dict(list(FURTHER.items())[:4])
    for direction, words in DIRECTIONS.items():
        labels |= {f"{direction}_recall_{k}": f"{words}, recall@{k} (↑)" for k in settings.recall_at}
        labels[f"{direction}_mean_rank"] = f"{words}, mean rank (↓)"
    labels |= FURTHER
    pool = min(settings.pairs, available)
    return Table(
        title="Further measures.",
        corpora=f"Ours: {corpus}.",
        header=["measure", *(contenders[name].title for name in values)],
        rows=[
            [label, *(mean_and_spread(found[m]) if m in found else "–" for found in values.values())]
            for m, label in labels.items()
        ],
        notes=[
            f"Probes: concordance of a ridge regression fitted to the {settings.probe_split} split's embeddings.",
            f"Retrieval among {pool} pairs: an item is relevant where its valence and arousal lie within "
            f"{settings.radius:g} of the query's; recall@k is the share of queries with a relevant item among the "
            f"first k, the rank that of the first relevant item.",
            "Gap: distance of the mean embeddings. Alignment: mean squared distance of pairs. Spread: mean "
            "distance of two clips, or captions; read W1 beside it: clouds that shrink come nearer. Uniformity: "
            f"log of the mean of exp(−2d²) within {pool} clips or captions (Wang and Isola).",
            *([f"Mean ± std over {seeds} seeds of training."] if seeds > 1 else []),
            *notes,
        ],
        figures=[
            {"method": name, "seeds": len(found["modality_gap"])}
            | {m: float(found[m].mean()) if m in found else None for m in labels}
            for name, found in values.items()
        ],
    )


def metrics(readings: Scores, taus: Scores, further: Scores, *, seeds: Sequence[int]) -> dict[str, object]:
    """Method → measure → mean over trials or lists and seeds, for `dvc metrics`; CSV files hold the rest.

    Where there are several seeds, a method also has `seeds`, with each seed's own values.
    """
    found: dict[str, dict[str, object]] = {}
    for table in (readings, taus, further):
        for name, measures in table.items():
            kept = {m: v for m, v in measures.items() if table is further or m in HEADLINE}
            method = found.setdefault(name, {"seeds": {}} if len(seeds) > 1 else {})
            method |= {m: float(v.mean()) for m, v in kept.items()}
            if len(seeds) > 1:
                of_seeds = method["seeds"]
                for row, seed in enumerate(seeds):
                    own = {m: float(v[row].mean()) for m, v in kept.items() if row < len(v)}
                    if own:
                        of_seeds.setdefault(f"seed-{seed}", {}).update(own)  # type: ignore[attr-defined]
    return dict(found)


def _cell(values: Scores, name: str, measure: str, comparisons: list[Comparison], settings: Evaluate) -> str:
    marked = mark(comparisons, name, measure, settings.alpha)
    return marked + mean_and_spread(values[name][measure])
