"""A plan names where each row comes from, and why the others must be computed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.features.shards.folder import ShardFolder
from pipeline.features.shards.keys import packed
from pipeline.features.upkeep.planning import (
    CHANGED,
    LOST,
    NEW,
    UNKNOWN,
    Wanted,
    differences,
    earlier_reasons,
    plan,
)
from tests.features.samples import OTHER, RECIPE, fill, keys_of


def wanted(count: int) -> Wanted:
    return Wanted(packed(keys_of(0, count)), [f"clip {i}" for i in range(count)])


def reasons(planned) -> dict[str, list[str]]:
    return {reason: [planned.wanted.names[i] for i in rows] for reason, rows in planned.reasons.items()}


def test_rows_are_looked_up_in_the_cache_and_in_the_teams_store(tmp_path):
    fill(tmp_path / "local", (0, 4))
    fill(tmp_path / "team", (2, 4))
    local, team = (ShardFolder(tmp_path / name).refresh() for name in ("local", "team"))
    planned = plan(wanted(8), RECIPE, local, team, {})
    assert np.flatnonzero(planned.local).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(planned.team).tolist() == [2, 3, 4, 5]
    assert (planned.to_take, planned.to_compute) == (2, 2)
    assert reasons(planned) == {NEW: ["clip 6", "clip 7"]}


def test_a_row_of_another_recipe_names_the_fields_that_differ(tmp_path):
    far = replace(OTHER, padding="literal", compute_dtype="bfloat16")
    fill(tmp_path, (0, 2), recipe=OTHER)
    fill(tmp_path, (0, 3), recipe=far)
    planned = plan(wanted(4), RECIPE, ShardFolder(tmp_path).refresh(), [], None)
    assert reasons(planned) == {
        "changed recipe: pooling attentive-std → attentive-mean": ["clip 0", "clip 1"],
        "changed recipe: pooling attentive-std → attentive-mean, padding literal → masked, "
        "compute_dtype bfloat16 → float32": ["clip 2"],
        UNKNOWN: ["clip 3"],
    }


def test_new_changed_and_lost_files_are_told_apart():
    before = packed([*keys_of(1, 1), *keys_of(50, 2)])
    found = earlier_reasons(wanted(4), ["clip 1", "clip 2", "clip 9"], before)
    planned = plan(wanted(4), RECIPE, [], [], found)
    assert reasons(planned) == {LOST: ["clip 1"], CHANGED: ["clip 2"], NEW: ["clip 0", "clip 3"]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pooling": "attentive-stats", "feature_size": 8}, ["pooling attentive-mean → attentive-stats"]),
        ({"model": "moved", "padding": "literal"}, ["padding masked → literal"]),
        ({"model": "big", "revision": "sha256:cd"}, ["model small → big", "revision sha256:ab → sha256:cd"]),
        ({"forward_version": 99}, [f"forward_version {RECIPE.forward_version} → 99"]),
        ({}, []),
    ],
)
def test_differences_of_recipes_are_those_that_somebody_made(change, said):
    assert differences(RECIPE, replace(RECIPE, **change)) == said
