"""The tables: what they print, what they mark, and that the figures behind them are whole."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from pipeline.config import Evaluate
from pipeline.measures.significance import bootstrap_interval
from pipeline.report.results.tables import (
    ALIGNMENT_READINGS,
    Table,
    alignment_table,
    caption_notes,
    further_table,
    metrics,
    ordinality_table,
)
from tests.report.made import made_ceilings, made_prompts

SETTINGS = Evaluate(split="test1", trials=30, pairs=200, seed=0, alpha=0.05, resamples=500)


def taus(mean: float, seed: int, lists: int = 100, seeds: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {test: mean + 0.05 * rng.standard_normal((seeds, lists)) for test in ("aoc", "voc")}


def readings(mean: float, seed: int, trials: int = 30) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    found = {reading: mean + 0.01 * rng.standard_normal((1, trials)) for reading in ALIGNMENT_READINGS}
    return found | {"w2_squared_half": found["w2_squared"] / 2}


def further(seeds: int = 1) -> dict[str, np.ndarray]:
    names = [f"probe_{m}_{a}" for m in ("speech", "text") for a in ("valence", "arousal")]
    for direction in ("text_to_speech", "speech_to_text"):
        names += [*(f"{direction}_recall_{k}" for k in SETTINGS.recall_at), f"{direction}_mean_rank"]
    names += ["modality_gap", "pair_distance", "spread_speech", "spread_text"]
    names += ["uniformity_speech", "uniformity_text"]
    return {name: np.arange(seeds)[:, None] + number / 100 for number, name in enumerate(names)}


def ordinal(values: dict[str, dict[str, np.ndarray]], halves: dict | None = None) -> Table:
    return ordinality_table(
        values, corpus="sample corpus (synthetic speech)", pool=300, settings=SETTINGS, halves=halves
    )


def near_halves(values: dict[str, dict[str, np.ndarray]]) -> dict:
    """Of pools that hardly matter."""
    rng = np.random.default_rng(9)
    return {
        name: {test: 0.5 + 0.001 * rng.standard_normal((len(taus), 20, 2)) for test, taus in tests.items()}
        for name, tests in values.items()
    }


ORDINALITY = {"clap-sce": taus(0.5, 1), "emotionrankclap": taus(0.6, 2), "untrained": taus(0.0, 3)}
ALIGNMENT = {
    "clap-sce": readings(0.2, 1),
    "emotionrankclap": readings(0.1, 2),
    "untrained": readings(0.05, 3),
}


def test_ours_is_marked_where_it_beats_every_baseline():
    table = ordinal(ORDINALITY)
    cells = {row[0]: dict(zip(table.header, row, strict=True)) for row in table.rows}
    assert cells["EmotionRankCLAP (A-V)"]["AOC"].startswith("*0.6")
    assert not cells["CLAP-SCE (A-V)"]["AOC"].startswith("*")
    assert cells["EmotionRankCLAP (A-V)"]["paper's AOC"] == "0.552 ± .12"
    assert cells["untrained heads"]["paper's AOC"] == "–"
    assert any("CLAP-SCE (A-V)" in note and "untrained" not in note for note in table.notes)
    assert any(note.startswith("†") and "not tested" in note for note in table.notes)


def test_a_mark_needs_the_better_side_and_significance():
    worse = ORDINALITY | {"clap-sce": taus(0.7, 1)}
    level = ORDINALITY | {"clap-sce": ORDINALITY["emotionrankclap"]}
    for values in (worse, level):
        assert not any(cell.startswith("*") for row in ordinal(values).rows for cell in row)


def test_lower_is_better_in_alignment_and_untrained_heads_are_no_baseline():
    table = alignment_table(ALIGNMENT, corpus="here", available=300, settings=SETTINGS)
    column = table.header.index("EmotionRankCLAP (A-V)")
    ours = {row[0]: row[column] for row in table.rows}
    assert ours.pop("paper's MMD") == "0.087 ± .001"
    assert ours.pop("paper's Wasserstein") == "0.065 ± .007"
    low, high = bootstrap_interval(ALIGNMENT["emotionrankclap"]["w1"], resamples=500)
    assert ours.pop("W1, 95 %") == f"[{low:.3f}, {high:.3f}]"
    assert ours.pop("√MMD² (γ = 1), 95 %").startswith("[0.0")
    assert ours.keys() == set(ALIGNMENT_READINGS.values())
    assert all(cell.startswith("*0") for cell in ours.values())
    assert "30 trials of 200 of 300 pairs" in table.notes[0]


def test_a_single_trial_says_so_and_marks_nothing():
    single = {name: {r: v[:, :1] for r, v in found.items()} for name, found in ALIGNMENT.items()}
    whole = SETTINGS.model_copy(update={"pairs": 5000})
    table = alignment_table(single, corpus="here", available=300, settings=whole)
    assert len(table.notes) == 1
    assert "One trial of all 300 pairs" in table.notes[0]
    ours = [row for row in table.rows if not row[0].startswith("paper's")]
    assert not any("*" in cell or "±" in cell or "[" in cell for row in ours for cell in row[1:])


def test_several_seeds_are_what_the_spread_is_over():
    rng = np.random.default_rng(4)
    values = {
        "clap-sce": taus(0.5, 1, seeds=3),
        "emotionrankclap": {
            test: 0.6 + 0.01 * np.arange(3)[:, None] + 0.01 * rng.standard_normal((3, 100))
            for test in ("aoc", "voc")
        },
    }
    table = ordinal(values, near_halves(values))
    cells = {row[0]: dict(zip(table.header, row, strict=True)) for row in table.rows}
    ours = values["emotionrankclap"]["aoc"]
    spread = ours.mean(axis=1).std(ddof=1)
    assert cells["EmotionRankCLAP (A-V)"]["AOC"] == f"*†{ours.mean():.3f} ± {spread:.3f}"
    assert spread == pytest.approx(0.01, rel=0.2)
    assert "± std over 3 seeds" in table.notes[0]
    assert "seeds and lists drawn again" in table.notes[1]
    assert "lists, each averaged over the seeds" in table.notes[2]
    assert (
        "seeds, lists and clips are drawn again: p < 0.05 after Holm's correction for the 2" in table.notes[3]
    )


def test_one_trial_of_several_seeds_has_a_spread_and_no_test():
    values = {name: {r: v.reshape(-1, 1)[:4] for r, v in found.items()} for name, found in ALIGNMENT.items()}
    whole = SETTINGS.model_copy(update={"pairs": 5000})
    table = alignment_table(values, corpus="here", available=300, settings=whole)
    assert "± std over 4 seeds" in table.notes[0]
    cells = [cell for row in table.rows for cell in row[1:]]
    assert any("±" in cell for cell in cells)
    assert not any("*" in cell for cell in cells)


def test_the_csv_holds_the_unrounded_means(tmp_path):
    ordinal(ORDINALITY).write(tmp_path, "table2")
    with (tmp_path / "table2.csv").open() as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    expected = ORDINALITY["clap-sce"]["aoc"]
    assert float(rows["clap-sce"]["aoc_mean"]) == expected.mean()
    assert float(rows["clap-sce"]["aoc_std"]) == pytest.approx(expected.std(ddof=1))
    assert float(rows["clap-sce"]["aoc_low"]) == bootstrap_interval(expected, resamples=500)[0]
    assert rows["clap-sce"]["seeds"] == "1"


def with_ceilings(**how: bool) -> Table:
    return ordinality_table(
        ORDINALITY,
        corpus="here",
        pool=300,
        settings=SETTINGS,
        ceilings=made_ceilings(made_prompts(), **how),
        notes=["The last note."],
    )


def test_ceilings_stand_below_the_methods_and_are_said_to_be_none():
    table, without = with_ceilings(), ordinal(ORDINALITY)
    assert table.rows[:3] == without.rows
    assert [row[0] for row in table.rows[3:]] == [
        "ceiling: two ridges",
        "ceiling: two ridges, plane captions",
        "ceiling: ridge of speech, text known",
        "ceiling: both known",
    ]
    for row in table.rows[3:]:
        assert "±" in row[1]
        assert row[2].startswith("[")
        assert row[3] == row[6] == "–"
    lines = table.text().splitlines()
    rules = [number for number, line in enumerate(lines) if line.startswith("─")]
    assert lines[rules[2] + 1].startswith("ceiling: two ridges ")
    assert rules[2] - rules[1] == len(ORDINALITY) + 1
    assert rules[3] - rules[2] == 4 + 1
    assert "A ceiling is no method" in table.notes[-3]
    assert "with plane captions also to captions of no clip" in table.notes[-3]
    assert table.notes[-2].endswith("speech 0.1, text 0.001, text 1e-05 with plane captions.")
    assert table.notes[-1] == "The last note."


def test_without_a_plane_no_row_and_no_note_speaks_of_one():
    table = with_ceilings(plane=False)
    assert len(table.rows) == 3 + 3
    assert not any("plane captions" in text for text in (*table.notes, *(row[0] for row in table.rows)))
    assert not any("ceiling" in note.lower() for note in ordinal(ORDINALITY).notes)


def test_the_csv_says_which_rows_are_ceilings_and_that_no_seed_made_them(tmp_path):
    with_ceilings().write(tmp_path, "table2")
    with (tmp_path / "table2.csv").open() as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    assert [row["kind"] for row in rows.values()] == ["method"] * 3 + ["ceiling"] * 4
    assert [row["seeds"] for row in rows.values()] == ["1"] * 3 + ["0"] * 4
    wanted = made_ceilings(made_prompts())["text-known"].ordinality["voc"].tau
    assert float(rows["text-known"]["voc_mean"]) == wanted.mean()


def test_a_ceiling_s_spread_is_over_lists_where_methods_have_seeds():
    values = {name: taus(0.5, 1, seeds=3) for name in ORDINALITY}
    ceilings = made_ceilings(made_prompts())
    table = ordinality_table(values, corpus="here", pool=300, settings=SETTINGS, ceilings=ceilings)
    tau = ceilings["both-known"].ordinality["aoc"].tau
    assert table.rows[-1][1] == f"{tau.mean():.3f} ± {tau.std(ddof=1):.3f}"


def test_metrics_are_the_headline_means_and_the_further_measures():
    more = {name: further() for name in ORDINALITY}
    found = metrics(ALIGNMENT, ORDINALITY, more, seeds=[0])
    assert found.keys() == {"clap-sce", "emotionrankclap", "untrained"}
    assert found["clap-sce"].keys() == {"mmd", "w1", "aoc", "voc", *further()}
    assert found["clap-sce"]["voc"] == ORDINALITY["clap-sce"]["voc"].mean()


def test_metrics_of_several_seeds_have_the_same_keys_and_each_seeds_own():
    values = {"clap-sce": taus(0.5, 1, seeds=2)}
    found = metrics({}, values, {"clap-sce": further(2)}, seeds=[3, 4])["clap-sce"]
    assert found.keys() == {"aoc", "voc", "seeds", *further()}
    assert found["seeds"]["seed-4"]["aoc"] == values["clap-sce"]["aoc"][1].mean()
    assert found["seeds"]["seed-4"].keys() == {"aoc", "voc", *further()}
    assert found["aoc"] == pytest.approx(np.mean([found["seeds"][s]["aoc"] for s in found["seeds"]]))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_third_table_has_every_further_measure():
    values = {"clap-sce": further(), "emotionrankclap": further()}
    table = further_table(values, corpus="here", available=300, settings=SETTINGS)
    assert len(table.rows) == len(further())
    assert len({row[0] for row in table.rows}) == len(table.rows)
    assert sorted(row[1] for row in table.rows) == sorted(f"{v.item():.3f}" for v in further().values())
    assert table.figures[0].keys() == {"method", "seeds", *further()}
    assert any("among 200 pairs" in note and "within 0.25" in note for note in table.notes)
    several = further_table({"clap-sce": further(3)}, corpus="here", available=300, settings=SETTINGS)
    assert all(" ± 1.000" in row[1] for row in several.rows)
    assert "3 seeds" in several.notes[-1]


def test_the_title_names_both_corpora_in_every_form(tmp_path):
    table = ordinal(ORDINALITY)
    table.write(tmp_path, "table2")
    for suffix in ("md", "txt"):
        text = (tmp_path / f"table2.{suffix}").read_text()
        assert "sample corpus (synthetic speech)" in text
        assert "MSP-Podcast 1.12, test1" in text


def test_stars_are_stars_in_markdown_too():
    text = ordinal(ORDINALITY).markdown()
    assert "| \\*0.6" in text
    assert "\n\\* better than all that it is compared to" in text
    assert "**Table 2." in text


def test_the_terminal_table_is_aligned():
    lines = ordinal(ORDINALITY).text().splitlines()
    rules = [i for i, line in enumerate(lines) if line.startswith("─")]
    body = lines[rules[1] + 1 : rules[2]]
    assert len({len(line) for line in body}) == 1


def test_captions_that_no_llm_wrote_are_said_so_below_the_table():
    notes = caption_notes("lexicon", ["clap4emo", "emotionrankclap"])
    table = ordinality_table(ORDINALITY, corpus="here", pool=300, settings=SETTINGS, notes=notes)
    assert "by the offline lexicon; the paper's are by an LLM" in table.text()
    assert "CLAP4emo learns from pools of the lexicon's sentences" in table.markdown()
    assert len(caption_notes("lexicon", ["clap-sce"])) == 1
    assert caption_notes("llm", ["clap4emo"]) == []
    table = alignment_table(ALIGNMENT, corpus="here", available=300, settings=SETTINGS, notes=notes)
    assert notes[0] in table.text()
