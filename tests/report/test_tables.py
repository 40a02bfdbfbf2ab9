"""The tables: what they print, what they star, and that the figures behind them are whole."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from pipeline.report.tables import (
    ALIGNMENT_READINGS,
    alignment_table,
    caption_notes,
    metrics,
    ordinality_table,
    significance_rows,
)


def taus(mean: float, seed: int, lists: int = 100) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {test: mean + 0.05 * rng.standard_normal(lists) for test in ("aoc", "voc")}


def readings(mean: float, seed: int, trials: int = 30) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {reading: mean + 0.01 * rng.standard_normal(trials) for reading in ALIGNMENT_READINGS}


ORDINALITY = {"clap-sce": taus(0.5, 1), "emotionrankclap": taus(0.6, 2), "untrained": taus(0.0, 3)}
ALIGNMENT = {
    "clap-sce": readings(0.2, 1),
    "emotionrankclap": readings(0.1, 2),
    "untrained": readings(0.05, 3),
}


def test_ours_has_a_star_where_it_beats_every_baseline():
    table = ordinality_table(ORDINALITY, corpus="here", pool=300, alpha=0.05)
    cells = {row[0]: row[1:] for row in table.rows}
    assert cells["EmotionRankCLAP (A-V)"][0].startswith("*0.6")
    assert not cells["CLAP-SCE (A-V)"][0].startswith("*")
    assert cells["EmotionRankCLAP (A-V)"][1] == "0.552 ± .12"
    assert cells["untrained heads"][1] == "–"
    assert any("CLAP-SCE (A-V)" in note and "untrained" not in note for note in table.notes)


def test_a_star_needs_the_better_side_and_significance():
    worse = ORDINALITY | {"clap-sce": taus(0.7, 1)}
    level = ORDINALITY | {"clap-sce": ORDINALITY["emotionrankclap"]}
    for values in (worse, level):
        table = ordinality_table(values, corpus="here", pool=300, alpha=0.05)
        assert not any(cell.startswith("*") for row in table.rows for cell in row)


def test_lower_is_better_in_alignment_and_untrained_heads_are_no_baseline():
    table = alignment_table(ALIGNMENT, corpus="here", pairs=200, available=300, alpha=0.05)
    column = table.header.index("EmotionRankCLAP (A-V)")
    ours = {row[0]: row[column] for row in table.rows}
    assert ours.pop("paper's MMD") == "0.087 ± .001"
    assert ours.pop("paper's Wasserstein") == "0.065 ± .007"
    assert ours.keys() == set(ALIGNMENT_READINGS.values())
    assert all(cell.startswith("*") for cell in ours.values())
    assert "30 trials of 200 of 300 pairs" in table.notes[0]


def test_a_single_trial_says_so_and_stars_nothing():
    single = {name: {r: v[:1] for r, v in found.items()} for name, found in ALIGNMENT.items()}
    table = alignment_table(single, corpus="here", pairs=5000, available=300, alpha=0.05)
    assert len(table.notes) == 1
    assert "One trial of all 300 pairs" in table.notes[0]
    ours = [row for row in table.rows if not row[0].startswith("paper's")]
    assert not any("*" in cell or "±" in cell for row in ours for cell in row[1:])


def test_the_csv_holds_the_unrounded_means(tmp_path):
    table = ordinality_table(ORDINALITY, corpus="here", pool=300, alpha=0.05)
    table.write(tmp_path, "table2")
    with (tmp_path / "table2.csv").open() as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    assert float(rows["clap-sce"]["aoc_mean"]) == ORDINALITY["clap-sce"]["aoc"].mean()
    assert float(rows["clap-sce"]["aoc_std"]) == pytest.approx(ORDINALITY["clap-sce"]["aoc"].std(ddof=1))


def test_metrics_are_the_headline_means():
    found = metrics(ALIGNMENT, ORDINALITY)
    assert found.keys() == {"clap-sce", "emotionrankclap", "untrained"}
    assert found["clap-sce"].keys() == {"mmd", "w1", "aoc", "voc"}
    assert found["clap-sce"]["voc"] == ORDINALITY["clap-sce"]["voc"].mean()


def test_the_title_names_both_corpora_in_every_form(tmp_path):
    table = ordinality_table(ORDINALITY, corpus="sample corpus (synthetic speech)", pool=300, alpha=0.05)
    table.write(tmp_path, "table2")
    for suffix in ("md", "txt"):
        text = (tmp_path / f"table2.{suffix}").read_text()
        assert "sample corpus (synthetic speech)" in text
        assert "MSP-Podcast 1.12, test1" in text


def test_stars_are_stars_in_markdown_too():
    text = ordinality_table(ORDINALITY, corpus="here", pool=300, alpha=0.05).markdown()
    assert "| \\*0.6" in text
    assert "\n\\* better than every baseline" in text
    assert "**Table 2." in text


def test_the_terminal_table_is_aligned():
    lines = ordinality_table(ORDINALITY, corpus="here", pool=300, alpha=0.05).text().splitlines()
    rules = [i for i, line in enumerate(lines) if line.startswith("─")]
    body = lines[rules[1] + 1 : rules[2]]
    assert len({len(line) for line in body}) == 1


def test_every_p_value_is_kept():
    rows = significance_rows(ORDINALITY, higher_is_better=True)
    assert [(row["measure"], row["baseline"], row["better"]) for row in rows] == [
        ("aoc", "clap-sce", True),
        ("voc", "clap-sce", True),
    ]
    assert all(row["p"] < 0.05 for row in rows)
    assert significance_rows({"clap-sce": taus(0.5, 1)}, higher_is_better=True) == []


def test_captions_that_no_llm_wrote_are_said_so_below_the_table():
    notes = caption_notes("lexicon", ["clap4emo", "emotionrankclap"])
    table = ordinality_table(ORDINALITY, corpus="here", pool=300, alpha=0.05, notes=notes)
    assert "by the offline lexicon; the paper's are by an LLM" in table.text()
    assert "CLAP4emo learns from pools of the lexicon's sentences" in table.markdown()
    assert len(caption_notes("lexicon", ["clap-sce"])) == 1
    assert caption_notes("llm", ["clap4emo"]) == []
    table = alignment_table(ALIGNMENT, corpus="here", pairs=200, available=300, alpha=0.05, notes=notes)
    assert notes[0] in table.text()
