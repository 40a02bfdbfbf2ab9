"""The losses, against plain loops over the paper's equations."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor

from pipeline.training.losses import (
    rank_candidates,
    rank_n_contrast,
    ranked_contrast,
    squared_label_distance,
    supervised_contrastive,
    symmetric_cross_entropy,
)
from pipeline.training.losses.rank_n_contrast import ELEMENTS_AT_ONCE, Candidates
from tests.tensors import assert_close

seeded = settings(deadline=None, derandomize=True)
BOTH: tuple[Candidates, ...] = ("farther", "farther-or-equal")
seeds = st.integers(0, 2**31 - 1)
sizes = st.integers(1, 8)


def log_sum_exp(values: list[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))


def rank_n_contrast_by_loops(similarity: Tensor, distance: Tensor, candidates: Candidates) -> float:
    """Equations 3 and 4, one pair at a time."""
    rows, columns = similarity.shape
    s, d = similarity.tolist(), distance.tolist()
    total = 0.0
    for i in range(rows):
        for j in range(columns):
            if candidates == "farther":
                others = [s[i][k] for k in range(columns) if d[i][k] > d[i][j]]
            else:
                others = [s[i][k] for k in range(columns) if d[i][k] >= d[i][j]]
            if others:
                total -= s[i][j] - log_sum_exp(others)
    return total / (rows * columns)


def rank_n_contrast_by_mask(similarity: Tensor, distance: Tensor, candidates: Candidates) -> Tensor:
    """The same in (N, M, M), for autograd to differentiate."""
    farther = distance[:, None, :] > distance[:, :, None]
    if candidates == "farther-or-equal":
        farther = distance[:, None, :] >= distance[:, :, None]
    lowest = torch.finfo(similarity.dtype).min
    normaliser = similarity[:, None, :].masked_fill(~farther, lowest).logsumexp(2)
    return ((normaliser - similarity) * farther.any(2)).sum() / similarity.numel()


def supervised_contrastive_by_loops(similarity: Tensor, labels: Tensor) -> float:
    total = 0.0
    for s in (similarity.tolist(), similarity.T.tolist()):
        for i, anchor in enumerate(labels.tolist()):
            positives = [p for p, label in enumerate(labels.tolist()) if label == anchor]
            total -= sum(s[i][p] - log_sum_exp(s[i]) for p in positives) / len(positives)
    return total / (2 * len(similarity))


def gradient(loss: Tensor, similarity: Tensor) -> Tensor:
    (result,) = torch.autograd.grad(loss, similarity)
    return result


def drawn(
    rows: int, columns: int, seed: int, *, temperature: float = 1.0, levels: int = 4
) -> tuple[Tensor, Tensor]:
    """Cosines over a temperature in float64, and label distances from a few integers, so that many tie."""
    generator = torch.Generator().manual_seed(seed)
    cosine = 2 * torch.rand(rows, columns, generator=generator, dtype=torch.float64) - 1
    return cosine / temperature, torch.randint(0, levels, (rows, columns), generator=generator)


@seeded
@given(sizes, sizes, seeds, st.sampled_from(BOTH), st.sampled_from([0.01, 0.07, 1.0, 100.0]))
def test_rank_n_contrast_is_equation_4(
    rows: int, columns: int, seed: int, candidates: Candidates, temperature: float
) -> None:
    similarity, distance = drawn(rows, columns, seed, temperature=temperature)
    loss = rank_n_contrast(similarity, distance, candidates=candidates)
    expected = rank_n_contrast_by_loops(similarity, distance, candidates)
    assert loss.item() == pytest.approx(expected, rel=1e-12, abs=1e-12)


@seeded
@given(sizes, sizes, seeds, st.sampled_from(BOTH), st.sampled_from([0.01, 1.0, 100.0]))
def test_rank_n_contrast_has_the_gradient_of_its_definition(
    rows: int, columns: int, seed: int, candidates: Candidates, temperature: float
) -> None:
    similarity, distance = drawn(rows, columns, seed, temperature=temperature)
    ours, theirs = similarity.clone().requires_grad_(), similarity.clone().requires_grad_()
    actual = gradient(rank_n_contrast(ours, distance, candidates=candidates), ours)
    expected = gradient(rank_n_contrast_by_mask(theirs, distance, candidates), theirs)
    assert_close(actual, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("candidates", BOTH)
@pytest.mark.parametrize("temperature", [0.1, 1.0, 100.0])
def test_rank_n_contrast_passes_gradcheck(candidates: Candidates, temperature: float) -> None:
    similarity, distance = drawn(5, 7, 1, temperature=temperature)
    similarity.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda s: rank_n_contrast(s, distance, candidates=candidates), (similarity,)
    )


@seeded
@given(sizes, sizes, seeds, st.sampled_from(BOTH), st.sampled_from([0.01, 1.0, 100.0]))
def test_candidates_ranked_before_give_the_same_losses_and_gradients(
    rows: int, columns: int, seed: int, candidates: Candidates, temperature: float
) -> None:
    similarity, distance = drawn(rows, columns, seed, temperature=temperature)
    ours, theirs = similarity.clone().requires_grad_(), similarity.clone().requires_grad_()
    loss = ranked_contrast(ours, rank_candidates(distance, candidates=candidates))
    expected = rank_n_contrast_by_mask(theirs, distance, candidates)
    assert_close(loss, expected, rtol=1e-9, atol=1e-12)
    assert_close(gradient(loss, ours), gradient(expected, theirs), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("candidates", BOTH)
def test_a_matrix_taken_in_parts_gives_the_same(
    candidates: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    similarity, distance = drawn(9, 7, 12)
    similarity.requires_grad_()
    whole = rank_n_contrast(similarity, distance, candidates=candidates)
    monkeypatch.setitem(ELEMENTS_AT_ONCE, "cpu", 20)
    parts = rank_n_contrast(similarity, distance, candidates=candidates)
    assert_close(parts, whole)
    assert_close(gradient(parts, similarity), gradient(whole, similarity))


@pytest.mark.parametrize("candidates", BOTH)
def test_weights_multiply_the_terms_of_their_positives(candidates: Candidates) -> None:
    similarity, distance = drawn(5, 6, 13)
    weights = torch.rand(5, 6, generator=torch.Generator().manual_seed(13), dtype=torch.float64)
    similarity.requires_grad_()
    loss = rank_n_contrast(similarity, distance, candidates=candidates, weights=weights)
    expected = torch.zeros((), dtype=torch.float64)
    for i in range(5):
        for j in range(6):
            alone = torch.zeros(5, 6, dtype=torch.float64)
            alone[i, j] = 1
            term = rank_n_contrast(similarity, distance, candidates=candidates, weights=alone)
            expected = expected + weights[i, j] * term
    assert_close(loss, expected)
    assert_close(gradient(loss, similarity), gradient(expected, similarity))
    ones = rank_n_contrast(similarity, distance, candidates=candidates, weights=torch.ones_like(weights))
    assert ones.item() == pytest.approx(rank_n_contrast_by_loops(similarity, distance, candidates), rel=1e-12)


@pytest.mark.parametrize("candidates", BOTH)
def test_leading_dimensions_are_batches_of_their_own(candidates: Candidates) -> None:
    similarity, distance = (tensor.view(2, 3, 4, 4) for tensor in drawn(24, 4, 14))
    emotions = torch.randint(0, 3, (2, 3, 4), generator=torch.Generator().manual_seed(14))
    labels = torch.randint(1, 8, (2, 3, 4, 2), generator=torch.Generator().manual_seed(15))
    losses = {
        "ranked": lambda *at: rank_n_contrast(similarity[at], distance[at], candidates=candidates),
        "crossed": lambda *at: symmetric_cross_entropy(similarity[at]),
        "supervised": lambda *at: supervised_contrastive(similarity[at], emotions[at]),
        "distance": lambda *at: squared_label_distance(labels[at], labels[at]),
    }
    for loss in losses.values():
        apart = torch.stack([torch.stack([loss(i, j) for j in range(3)]) for i in range(2)])
        assert_close(loss(...), apart)


def test_distances_too_large_to_sort_beside_their_columns_are_ranked_exactly() -> None:
    similarity, distance = drawn(3, 6, 16)
    huge = distance + torch.iinfo(torch.int64).max - 8
    assert rank_n_contrast(similarity, huge) == rank_n_contrast(similarity, distance)


@seeded
@given(seeds, st.sampled_from(BOTH))
def test_rank_n_contrast_ignores_the_order_of_rows_and_of_columns(seed: int, candidates: Candidates) -> None:
    similarity, distance = drawn(6, 5, seed)
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.randperm(6, generator=generator), torch.randperm(5, generator=generator)
    shuffled = rank_n_contrast(
        similarity[rows][:, columns], distance[rows][:, columns], candidates=candidates
    )
    assert_close(shuffled, rank_n_contrast(similarity, distance, candidates=candidates))


def test_text_as_the_anchor_is_the_transpose() -> None:
    similarity, distance = drawn(5, 7, 11)
    expected = rank_n_contrast_by_loops(similarity.T, distance.T, "farther")
    assert rank_n_contrast(similarity.T, distance.T).item() == pytest.approx(expected, rel=1e-12)


@seeded
@given(seeds, st.sampled_from(BOTH))
def test_rank_n_contrast_ignores_a_constant_added_to_a_row(seed: int, candidates: Candidates) -> None:
    similarity, distance = drawn(6, 5, seed)
    shift = 50 * torch.randn(6, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert_close(
        rank_n_contrast(similarity + shift, distance, candidates=candidates),
        rank_n_contrast(similarity, distance, candidates=candidates),
    )


@seeded
@given(seeds, st.sampled_from(BOTH))
def test_only_the_order_of_the_distances_in_a_row_counts(seed: int, candidates: Candidates) -> None:
    similarity, squared = drawn(4, 9, seed, levels=5)
    stretch = torch.arange(1, 5)[:, None]
    loss = rank_n_contrast(similarity, squared, candidates=candidates)
    for same_order in (squared.double().sqrt(), squared.float() / 7, squared.int() * stretch - 3):
        assert rank_n_contrast(similarity, same_order, candidates=candidates) == loss


def test_the_worked_example_of_section_3_3() -> None:
    """Anchor 1 with texts at label distances 0 < d_12 < d_13: the sets are {2, 3}, {3} and none."""
    labels = torch.tensor([[2.0, 3.0], [3.0, 4.0], [6.0, 6.0]])
    distance = squared_label_distance(labels[:1], labels)
    s1, s2, s3 = 0.9, 0.4, -0.2
    first = -(s1 - math.log(math.exp(s2) + math.exp(s3)))
    second = -(s2 - s3)
    loss = rank_n_contrast(torch.tensor([[s1, s2, s3]]), distance)
    assert loss.item() == pytest.approx((first + second + 0) / 3, abs=1e-6)


@pytest.mark.parametrize("candidates", BOTH)
def test_the_better_order_has_the_lower_loss(candidates: Candidates) -> None:
    distance = torch.arange(5).expand(5, 5)
    ordered = -distance.float()
    assert rank_n_contrast(ordered, distance, candidates=candidates) < rank_n_contrast(
        -ordered, distance, candidates=candidates
    )


def test_a_row_of_ties_adds_nothing_to_the_sum_and_its_pairs_to_the_count() -> None:
    similarity, distance = drawn(2, 6, 3)
    distance[1] = 5
    similarity.requires_grad_()
    loss = rank_n_contrast(similarity, distance)
    assert loss.item() == pytest.approx(rank_n_contrast(similarity[:1], distance[:1]).item() / 2)
    assert not gradient(loss, similarity)[1].any()


def test_a_row_of_ties_among_farther_or_equal_is_cross_entropy_against_all() -> None:
    similarity, _ = drawn(1, 6, 4)
    loss = rank_n_contrast(similarity, torch.zeros(1, 6, dtype=torch.int64), candidates="farther-or-equal")
    assert_close(loss, -similarity.log_softmax(1).mean())


@pytest.mark.parametrize("candidates", BOTH)
def test_a_single_candidate_costs_nothing(candidates: Candidates) -> None:
    assert rank_n_contrast(torch.tensor([[3.0]]), torch.tensor([[1]]), candidates=candidates).item() == 0


@seeded
@given(seeds)
def test_farther_or_equal_is_never_negative(seed: int) -> None:
    similarity, distance = drawn(5, 6, seed, temperature=0.05)
    assert rank_n_contrast(similarity, distance, candidates="farther-or-equal").item() >= -1e-12


@pytest.mark.parametrize("candidates", BOTH)
@pytest.mark.parametrize("temperature", [0.01, 1.0, 100.0])
def test_float32_agrees_with_float64(candidates: Candidates, temperature: float) -> None:
    wide, distance = drawn(64, 64, 5, temperature=temperature, levels=20)
    narrow = wide.float().requires_grad_()
    wide = narrow.detach().double().requires_grad_()
    losses = [rank_n_contrast(similarity, distance, candidates=candidates) for similarity in (narrow, wide)]
    assert_close(losses[0].double(), losses[1], rtol=1e-6, atol=1e-12)
    ours, theirs = gradient(losses[0], narrow), gradient(losses[1], wide)
    assert ours.dtype == torch.float32
    assert_close(ours.double(), theirs, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("candidates", BOTH)
def test_the_lowest_temperature_gives_finite_and_right_gradients(candidates: Candidates) -> None:
    """Cosines of −1 and 1 at temperature 0.01: the best and the worst order there can be."""
    distance = torch.arange(8).expand(2, 8)
    best = torch.where(distance < 4, 100.0, -100.0)
    best[1] *= -1
    ours, theirs = best.clone().requires_grad_(), best.double().requires_grad_()
    actual = gradient(rank_n_contrast(ours, distance, candidates=candidates), ours)
    expected = gradient(rank_n_contrast_by_mask(theirs, distance, candidates), theirs)
    assert_close(actual.double(), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("candidates", BOTH)
@pytest.mark.parametrize("temperature", [0.01, 1.0, 100.0])
def test_duplicate_utterances_give_finite_gradients(candidates: Candidates, temperature: float) -> None:
    embeddings = torch.randn(4, 8, generator=torch.Generator().manual_seed(6)).repeat(3, 1).requires_grad_()
    labels = torch.tensor([[1.0, 2.0], [4.3, 4.1], [4.3, 4.1], [7.0, 6.0]]).repeat(3, 1)
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    distance = squared_label_distance(labels, labels)
    loss = rank_n_contrast(unit @ unit.T / temperature, distance, candidates=candidates)
    assert gradient(loss, embeddings).isfinite().all()


def test_bfloat16_similarities_keep_their_dtype() -> None:
    similarity, distance = drawn(4, 4, 7)
    loss = rank_n_contrast(similarity.bfloat16(), distance)
    assert loss.dtype == torch.bfloat16
    assert loss.item() == pytest.approx(rank_n_contrast(similarity, distance).item(), rel=0.02, abs=0.02)


def test_a_similarity_that_is_not_finite_shows_in_the_loss() -> None:
    similarity, distance = drawn(3, 3, 8)
    similarity[1, 2] = math.nan
    assert rank_n_contrast(similarity, distance).isnan()


def test_a_row_too_wide_for_float64_is_refused() -> None:
    with pytest.raises(ValueError, match="span at most 1000 in a row, found 1200"):
        rank_n_contrast(torch.tensor([[0.0, 1200.0]]), torch.tensor([[0, 1]]))
    edge = torch.tensor([[500.0, -500.0, 0.0], [-500.0, 500.0, 0.0]], requires_grad=True)
    distance = torch.tensor([[0, 1, 2], [0, 1, 2]])
    loss = rank_n_contrast(edge, distance)
    assert loss.item() == pytest.approx(rank_n_contrast_by_loops(edge, distance, "farther"))
    assert gradient(loss, edge).isfinite().all()


@pytest.mark.parametrize(
    ("similarity", "distance", "message"),
    [
        (torch.zeros(2, 3), torch.zeros(3, 2), r"the same \(\.\.\., N, M\).*\(2, 3\) and \(3, 2\)"),
        (torch.zeros(3), torch.zeros(3), r"the same \(\.\.\., N, M\).*\(3,\) and \(3,\)"),
        (torch.zeros(0, 3), torch.zeros(0, 3), r"none 0, found \(0, 3\)"),
        (torch.zeros(2, 2).int(), torch.zeros(2, 2), "similarity must be floating, found torch.int32"),
        (torch.zeros(2, 2), torch.zeros(2, 2).bfloat16(), "label_distance must hold .* found torch.bfloat16"),
        (torch.zeros(2, 2), torch.zeros(2, 2).bool(), "label_distance must hold .* found torch.bool"),
    ],
)
def test_rank_n_contrast_refuses_what_does_not_fit(
    similarity: Tensor, distance: Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        rank_n_contrast(similarity, distance)


@pytest.mark.parametrize("weights", [torch.ones(2, 3), torch.ones(2, 2).int()])
def test_rank_n_contrast_refuses_weights_that_do_not_fit(weights: Tensor) -> None:
    with pytest.raises(ValueError, match=r"weights must be floating and \(2, 2\), found torch"):
        rank_n_contrast(torch.zeros(2, 2), torch.zeros(2, 2), weights=weights)


def test_rank_n_contrast_names_its_candidates() -> None:
    with pytest.raises(ValueError, match="one of farther, farther-or-equal, found 'nearer'"):
        rank_n_contrast(torch.zeros(2, 2), torch.zeros(2, 2), candidates="nearer")  # type: ignore[arg-type]


@seeded
@given(
    st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70)), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70)), min_size=1, max_size=6),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_label_distances_of_tenths_are_exact(
    anchors: list[tuple[int, int]], candidates: list[tuple[int, int]], dtype: torch.dtype
) -> None:
    distance = squared_label_distance(
        torch.tensor(anchors, dtype=torch.float64).div(10).to(dtype),
        torch.tensor(candidates, dtype=torch.float64).div(10).to(dtype),
    )
    for i, (v, a) in enumerate(anchors):
        for j, (w, b) in enumerate(candidates):
            assert distance[i, j].item() == 252**2 * ((v - w) ** 2 + (a - b) ** 2)


@pytest.mark.parametrize("annotators", range(1, 11))
def test_means_over_annotators_land_on_the_grid_even_when_written_with_four_decimals(annotators: int) -> None:
    totals = range(annotators, 7 * annotators + 1)
    written = torch.tensor([[round(total / annotators, 4)] for total in totals])
    exact = torch.tensor([[total * (2520 // annotators)] for total in totals])
    assert torch.equal(squared_label_distance(written, torch.zeros(1, 1)), exact.square())


def test_label_distances_take_any_number_of_attributes() -> None:
    anchors, candidates = torch.tensor([[1, 2, 3]]), torch.tensor([[1, 2, 3], [2, 4, 6]])
    distance = squared_label_distance(anchors, candidates)
    assert distance.dtype == torch.int64
    assert distance.tolist() == [[0, 14 * 2520**2]]


@pytest.mark.parametrize(("left", "right"), [((3, 2), (3, 3)), ((3,), (3,)), ((3, 2), (2,))])
def test_label_distances_refuse_labels_that_do_not_match(
    left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"must be \(\.\.\., N, D\) and \(\.\.\., M, D\), found"):
        squared_label_distance(torch.zeros(left), torch.zeros(right))


@seeded
@given(sizes, seeds, st.sampled_from([0.01, 1.0, 100.0]))
def test_symmetric_cross_entropy_is_the_mean_of_both_directions(
    size: int, seed: int, temperature: float
) -> None:
    similarity, _ = drawn(size, size, seed, temperature=temperature)
    expected = sum(
        log_sum_exp(s[i]) - s[i][i] for s in (similarity.tolist(), similarity.T.tolist()) for i in range(size)
    )
    loss = symmetric_cross_entropy(similarity)
    assert loss.item() == pytest.approx(expected / (2 * size), rel=1e-12, abs=1e-12)
    assert_close(loss, symmetric_cross_entropy(similarity.T))


@seeded
@given(sizes, seeds, st.sampled_from([0.01, 1.0, 100.0]))
def test_supervised_contrastive_is_the_mean_over_positives(size: int, seed: int, temperature: float) -> None:
    similarity, distance = drawn(size, size, seed, temperature=temperature)
    labels = distance[0]
    loss = supervised_contrastive(similarity, labels)
    expected = supervised_contrastive_by_loops(similarity, labels)
    assert loss.item() == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_supervised_contrastive_with_labels_that_all_differ_is_symmetric_cross_entropy() -> None:
    similarity, _ = drawn(6, 6, 9)
    assert_close(supervised_contrastive(similarity, torch.arange(6)), symmetric_cross_entropy(similarity))


def test_the_square_losses_pass_gradcheck() -> None:
    similarity, distance = drawn(5, 5, 10)
    similarity.requires_grad_()
    assert torch.autograd.gradcheck(symmetric_cross_entropy, (similarity,))
    assert torch.autograd.gradcheck(lambda s: supervised_contrastive(s, distance[0]), (similarity,))


@pytest.mark.parametrize("shape", [(2, 3), (0, 0), (4,)])
def test_the_square_losses_refuse_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"similarity must be \(\.\.\., N, N\), N at least 1, found"):
        symmetric_cross_entropy(torch.zeros(shape))
    with pytest.raises(ValueError, match=r"similarity must be \(\.\.\., N, N\), N at least 1, found"):
        supervised_contrastive(torch.zeros(shape), torch.zeros(shape[0]).int())


@pytest.mark.parametrize("labels", [torch.zeros(3).int(), torch.zeros(2), torch.zeros(2, 1).int()])
def test_supervised_contrastive_refuses_labels_that_do_not_fit(labels: Tensor) -> None:
    with pytest.raises(ValueError, match=r"labels must be integers and \(2,\), found"):
        supervised_contrastive(torch.zeros(2, 2), labels)
