"""Captions of the plane: every cell, no other table's sentence, and a digest for those who learn from them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.captions.captioning import caption_prompts
from pipeline.captions.llm.planning import Planner, word_plane
from pipeline.captions.plane import caption_plane, plane_spots
from pipeline.config import LlmCaptions, Plane
from pipeline.sentences import CAPTIONS_SCHEMA, PLANE_SCHEMA, read_plane, write_learnt
from pipeline.support.files import write_parquet


@pytest.mark.parametrize(("step", "cells"), [(0.25, 27), (0.5, 14), (6.5, 2), (0.4, 17), (3.3, 3), (5.0, 2)])
def test_the_grid_goes_over_the_whole_range_of_the_test(step, cells):
    spots = plane_spots(Plane(step=step, draws=3))
    assert len(spots) == cells**2 * 3
    assert set(Counter((spot.valence, spot.arousal) for spot in spots).values()) == {3}
    for attribute in ("valence", "arousal"):
        values = sorted({getattr(spot, attribute) for spot in spots})
        assert (values[0], values[-1], len(values)) == (0.5, 7.0, cells)
        np.testing.assert_allclose(np.diff(values), 6.5 / (cells - 1), atol=0.011)


def test_no_caption_of_the_plane_is_another_tables_sentence():
    settings = Plane(step=0.5, draws=2)
    first = caption_plane(settings, 0, frozenset())
    taken = set(first.column("text").to_pylist()[::2])
    second = caption_plane(settings, 0, taken)
    assert not taken & set(second.column("text").to_pylist())
    assert second.schema.equals(PLANE_SCHEMA)
    kept = [
        old == new for old, new in zip(*(t.column("text").to_pylist() for t in (first, second)), strict=True)
    ]
    assert kept[1::2] == [True] * len(kept[1::2])  # a sentence depends on no other row


def test_the_test_of_a_seed_shares_no_sentence_with_its_plane():
    prompts = set(caption_prompts(100, 0, set()).column("text").to_pylist())
    assert not prompts & set(caption_plane(Plane(step=0.25, draws=4), 0, prompts).column("text").to_pylist())


def test_what_is_written_is_what_is_read(tmp_path):
    table = caption_plane(Plane(step=3.25, draws=2), 0, frozenset())
    write_parquet(table, tmp_path / "plane.parquet")
    read = read_plane(tmp_path / "plane.parquet")
    assert len(read) == 18
    assert read.texts == table.column("text").to_pylist()
    assert read.labels[[0, 2, -1]].tolist() == [[0.5, 0.5], [0.5, 3.75], [7.0, 7.0]]


def test_a_model_is_asked_once_a_cell_and_draw_and_again_where_its_answer_is_taken():
    settings = Plane(step=6.5, draws=2)
    planner = Planner.of(LlmCaptions(model="m"), 0, 1)
    spots = plane_spots(settings)
    answers: dict[tuple[str, int], str] = {}

    def text_of(request):
        return answers.get((request.key.cell, request.key.draw))

    first = word_plane(spots, 2, planner, text_of, {"Calm, and low."})
    assert sorted((r.key.kind, r.key.cell, r.key.draw) for r in first.missing) == sorted(
        ("plane", f"{v} {a}", draw) for v in ("0.5", "7") for a in ("0.5", "7") for draw in (0, 1)
    )
    answers |= {(r.key.cell, r.key.draw): f"{r.key.cell} {r.key.draw}" for r in first.missing}
    answers["7 7", 1] = "calm and low"  # a prompt's, but for a comma
    second = word_plane(spots, 2, planner, text_of, {"Calm, and low."})
    assert [(r.key.cell, r.key.draw) for r in second.missing] == [("7 7", 3)]
    assert len(second.worded) == 7


@pytest.mark.parametrize("excluded", [False, True])
def test_a_model_that_says_the_same_again_is_asked_three_times(excluded):
    planner = Planner.of(LlmCaptions(model="m"), 0, 1)
    spots = plane_spots(Plane(step=6.5, draws=2))
    answers: dict[tuple[str, int], str] = {}
    asked = 0

    def text_of(request):
        return answers.get((request.key.cell, request.key.draw))

    exclude = {f"at {cell}" for cell in ("0.5 0.5", "0.5 7", "7 0.5", "7 7")} if excluded else set()
    while True:
        wording = word_plane(spots, 2, planner, text_of, exclude)
        if not wording.missing:
            break
        asked += len(wording.missing)
        answers.update({(r.key.cell, r.key.draw): f"At {r.key.cell}." for r in wording.missing})
    # One sentence a cell, where no other table has it; each of the others is given up after three draws.
    assert len(wording.worded) == (0 if excluded else 4)
    assert len(wording.hopeless) == 8 - len(wording.worded)
    assert asked == len(wording.worded) + 3 * len(wording.hopeless)


def learnt_files(folder: Path, captions: list[list[str]], plane: pa.Table) -> dict[str, bytes]:
    table = pa.table([list(column) for column in zip(*captions, strict=True)], schema=CAPTIONS_SCHEMA)
    write_learnt(
        {"one": ("va", False), "two": ("va", True), "three": ("template", False)}, table, plane, folder
    )
    return {file.stem: file.read_bytes() for file in folder.iterdir()}


def test_a_methods_digest_changes_with_its_own_sentences_alone(tmp_path):
    captions = [["a", "va", "Low."], ["b", "va", "High."], ["a", "template", "speech"]]
    plane = caption_plane(Plane(step=6.5, draws=1), 0, frozenset())
    before = learnt_files(tmp_path / "learnt", captions, plane)
    assert json.loads(before["one"])["plane_sha256"] is None

    def changed(*now) -> set[str]:
        after = learnt_files(tmp_path / "learnt", *now)
        return {name for name in before if after[name] != before[name]}

    assert changed(captions, plane) == set()
    assert changed(captions, plane.slice(1)) == {"two"}
    assert changed([*captions[:2], ["a", "template", "other"]], plane) == {"three"}
    assert changed([["a", "va", "Lower."], *captions[1:]], plane) == {"one", "two"}
