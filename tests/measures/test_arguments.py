"""What is handed to a measure or a loss: any array of numbers, by oracles, and the rest refused by its name."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from emotionrankclap.losses import (
    rank_n_contrast,
    squared_label_distance,
    supervised_contrastive,
    symmetric_cross_entropy,
)
from emotionrankclap.measures import (
    kendall_tau,
    mmd_rbf,
    ordinal_consistency,
    retrieve_without_replacement,
    wasserstein,
)
from pipeline.measures import bootstrap_interval, drawn_again, paired_test
from pipeline.measures.alignment import alignment_readings, mean_kernel, median_gamma
from pipeline.measures.geometry import modality_gap, pair_distance, spread, uniformity
from pipeline.measures.halves import halved_consistency
from pipeline.measures.probe import concordance, probe_concordance
from pipeline.measures.retrieval import first_relevant_ranks, recall_at

INTEGERS = [np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)]


def matrix(rows: int = 5, columns: int = 3, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(rows, columns))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


X, Y, LABELS = matrix(), matrix(seed=1), matrix(columns=2, seed=2)
LISTS, VALUES = matrix(4, 6).reshape(2, 4, 3), np.tile(np.arange(4.0), (2, 1))

MEASURES: dict[str, tuple[Callable[..., Any], dict[str, np.ndarray]]] = {
    "mmd_rbf": (lambda x, y: mmd_rbf(x, y, gamma=1.0), {"x": X, "y": Y}),
    "wasserstein": (wasserstein, {"x": X, "y": Y}),
    "mean_kernel": (lambda x: mean_kernel(x, gamma=1.0), {"x": X}),
    "median_gamma": (median_gamma, {"x": X, "y": Y}),
    "alignment_readings": (lambda x, y: alignment_readings(x, y)["w2"], {"x": X, "y": Y}),
    "retrieve": (retrieve_without_replacement, {"queries": X, "pool": Y}),
    "kendall_tau": (kendall_tau, {"x": X, "y": Y}),
    "ordinal_consistency": (
        lambda **given: ordinal_consistency(**given).tau,
        {"queries": LISTS, "intended": VALUES, "pool": X, "pool_labels": LABELS[:, 0]},
    ),
    "halved_consistency": (
        lambda **given: halved_consistency(**given, halvings=3),
        {"queries": LISTS, "intended": VALUES, "pool": matrix(9), "pool_labels": matrix(9)[:, 0]},
    ),
    "modality_gap": (modality_gap, {"speech": X, "text": Y}),
    "pair_distance": (pair_distance, {"speech": X, "text": Y}),
    "spread": (spread, {"embeddings": X}),
    "uniformity": (uniformity, {"embeddings": X}),
    "probe_concordance": (
        probe_concordance,
        {"fitted": X, "labels": LABELS, "tested": Y, "wanted": LABELS[::-1]},
    ),
    "concordance": (concordance, {"x": X, "y": Y}),
    "first_relevant_ranks": (
        lambda **given: first_relevant_ranks(**given, radius=0.5),
        {"queries": X, "pool": Y, "labels": LABELS, "pool_labels": LABELS[::-1]},
    ),
    "paired_test": (paired_test, {"ours": X[:, 0], "theirs": Y[:, 0]}),
    "bootstrap_interval": (bootstrap_interval, {"scores": X}),
    "drawn_again": (lambda scores: drawn_again(scores).interval(), {"scores": X}),
}
ARGUMENTS = [(name, argument) for name, (_, given) in MEASURES.items() for argument in given]


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS, ids=map(" ".join, ARGUMENTS))
def test_what_is_not_finite_is_an_error_that_names_argument_and_row(name: str, argument: str) -> None:
    measure, given = MEASURES[name]
    for value in (math.nan, math.inf, -math.inf, 1e200):
        for kind in (np.float64, np.float32) if value != 1e200 else (np.float64,):
            bad = given[argument].astype(kind)
            bad[(0, 3, 2) if bad.ndim == 3 else (1,) * bad.ndim] = value
            row = "0, 3" if bad.ndim == 3 else "1"
            with pytest.raises(ValueError, match=rf"{argument} must be finite .*found .* in row {row} of \("):
                measure(**given | {argument: bad})


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS, ids=map(" ".join, ARGUMENTS))
@pytest.mark.parametrize("bad", [None, "x", [[1.0], [1.0, 2.0]], np.array(["a"]), X + 1j, object(), {}])
def test_what_is_no_array_of_numbers_is_an_error_that_names_it(name: str, argument: str, bad: Any) -> None:
    measure, given = MEASURES[name]
    with pytest.raises(ValueError, match=rf"{argument} must be an array of real numbers, found") as error:
        measure(**given | {argument: bad})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", MEASURES)
def test_lists_and_tensors_are_arrays(name: str) -> None:
    measure, given = MEASURES[name]
    wanted = measure(**given)
    for form in (np.ndarray.tolist, lambda a: torch.from_numpy(a.copy()).requires_grad_(), np.asfortranarray):
        assert np.allclose(measure(**{k: form(v) for k, v in given.items()}), wanted, atol=1e-12)
    if name != "kendall_tau":  # whose ties are the type's
        for kind in (torch.bfloat16, np.float16):
            rounded = {
                k: torch.from_numpy(v.copy()).to(kind) if kind is torch.bfloat16 else v.astype(kind)
                for k, v in given.items()
            }
            assert np.isfinite(measure(**rounded)).all()


@pytest.mark.parametrize("name", MEASURES)
def test_shapes_that_do_not_fit_are_one_line(name: str) -> None:
    measure, given = MEASURES[name]
    for argument, value in given.items():
        for bad in (
            np.zeros(()),
            value[..., :0],
            value[:0],
            value[None],
            value.ravel()[:2],
            np.zeros((7, 9)),
        ):
            if bad.shape == value.shape:
                continue
            with contextlib.suppress(ValueError):
                assert np.isfinite(measure(**given | {argument: bad})).all()


@pytest.mark.parametrize("kind", INTEGERS, ids=str)
def test_integers_of_any_width_are_what_they_count(kind: np.dtype) -> None:
    rng, ends = np.random.default_rng(0), np.iinfo(kind)
    for size in range(2, 12):
        x = rng.choice(np.array([ends.min, ends.max, 0, 1, 2], kind), (30, size))
        y = rng.integers(0, 100, (30, size)).astype(kind)
        ranks = [stats.rankdata(side, method="dense", axis=1) for side in (x, y)]
        wanted = [stats.kendalltau(*pair).statistic for pair in zip(*ranks, strict=True)]
        assert kendall_tau(x, y) == pytest.approx(np.nan_to_num(wanted), abs=1e-14)
    small = rng.integers(0, 3, (6, 4))
    for measure, given in MEASURES.values():
        if measure is uniformity:
            continue
        like = {
            k: small.ravel()[: v.size].reshape(v.shape) if v.size <= 24 else None for k, v in given.items()
        }
        if all(side is not None for side in like.values()):
            wanted = measure(**{k: v.astype(np.float64) for k, v in like.items()})
            assert np.allclose(
                measure(**{k: v.astype(kind) for k, v in like.items()}), wanted, equal_nan=True
            )


def test_tau_of_unsigned_and_of_truth_values() -> None:
    assert kendall_tau(np.array([[3, 2, 1, 0]], np.uint8), np.array([[1, 2, 3, 4]])).tolist() == [-1.0]
    assert kendall_tau(np.array([[False, True]]), np.array([[0, 1]])).tolist() == [1.0]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3, 1e8, 1e16, 1e40, 1e140])
def test_mmd_stays_in_its_range_at_any_scale(scale: float) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, y = (rng.normal(size=(rng.integers(1, 9), 3)) * scale for _ in range(2))
        shift = scale * rng.normal(size=3)
        found = mmd_rbf(x + shift, y + shift, gamma=1.0)
        assert 0 <= found <= math.sqrt(2) + 1e-12
        if scale >= 1e8:  # no two rows see each other
            assert found == pytest.approx(math.sqrt(1 / len(x) + 1 / len(y)), rel=1e-9)
        assert mmd_rbf(x + shift, x + shift, gamma=1.0) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("gamma", [0, -1, math.nan, math.inf, None, "1"])
def test_a_gamma_that_is_none_is_one_line(gamma: Any) -> None:
    with pytest.raises(ValueError, match="gamma must be positive and finite, found"):
        mmd_rbf(X, Y, gamma=gamma)


@pytest.mark.parametrize("radius", [-1, math.nan, None])
def test_a_radius_that_is_none_is_one_line(radius: Any) -> None:
    with pytest.raises(ValueError, match="radius must be finite and not negative, found"):
        first_relevant_ranks(X, Y, LABELS, LABELS, radius=radius)


def test_no_ranks_have_no_recall() -> None:
    for ranks, k in (([], 1), ([1], 0)):
        with pytest.raises(ValueError, match="needs ranks and a k of at least 1"):
            recall_at(ranks, k)


def test_rows_that_are_not_of_length_one_have_no_uniformity() -> None:
    with pytest.raises(ValueError, match="must be of length one"):
        uniformity(100 * X)


# Losses.

SIMILARITY = torch.from_numpy(matrix(4, 4))


@pytest.mark.parametrize("bad", [None, X, [[1.0]], "x", SIMILARITY.to(torch.complex64)])
def test_what_is_no_tensor_is_an_error_that_names_it(bad: Any) -> None:
    distance = squared_label_distance(torch.eye(4), torch.eye(4))
    calls: dict[str, Callable[[], Any]] = {
        "similarity must": lambda: symmetric_cross_entropy(bad),
        "similarity must ": lambda: rank_n_contrast(bad, distance),
        "similarity must  ": lambda: supervised_contrastive(bad, torch.arange(4)),
        "label_distance must": lambda: rank_n_contrast(SIMILARITY, bad),
        "labels must": lambda: supervised_contrastive(SIMILARITY, bad),
        "anchors must": lambda: squared_label_distance(bad, torch.eye(4)),
        "candidates must": lambda: squared_label_distance(torch.eye(4), bad),
    }
    for message, call in calls.items():
        with pytest.raises(ValueError, match=message.strip()) as error:
            call()
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e7])
def test_labels_that_have_no_distance_are_an_error_that_names_the_row(value: float) -> None:
    labels = torch.ones(2, 3, 2)
    labels[1, 0, 1] = value
    with pytest.raises(ValueError, match="candidates must be finite and within .* in row 3"):
        squared_label_distance(torch.ones(2, 3, 2), labels)
    with pytest.raises(ValueError, match="anchors must be finite and within .* in row 3"):
        squared_label_distance(labels, torch.ones(2, 3, 2))


def test_the_largest_labels_that_are_taken_do_not_overflow() -> None:
    ends = torch.tensor([[-3e5, -3e5], [3e5, 3e5]], dtype=torch.float64)
    exact = 2 * (int(6e5) * 2520) ** 2
    assert squared_label_distance(ends, ends).tolist() == [[0, exact], [exact, 0]]


def test_a_distance_that_is_nan_is_an_error() -> None:
    distance = torch.rand(4, 4)
    distance[2, 1] = math.nan
    with pytest.raises(ValueError, match="label_distance must hold numbers, found nan in row 2"):
        rank_n_contrast(SIMILARITY, distance)


def test_masked_values_are_not_measured() -> None:
    masked = np.ma.masked_equal([[1.0, 999.0, 3.0]], 999.0)
    with pytest.raises(ValueError, match="must have no masked values"):
        kendall_tau(masked, np.array([[1.0, 2.0, 3.0]]))
