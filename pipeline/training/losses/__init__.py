"""Similarities and labels in, a loss out: pure functions that know nothing of heads, pairs or training.

Each takes similarities that are already divided by the temperature: row i is speech anchor i, column j is text
candidate j, and the diagonal of a square matrix pairs the speech and the text of one utterance. Dimensions
before these two are batches of their own, each with its own loss. None of them looks for nan, which costs a
pass over the matrix: it comes out as a loss of nan.
"""

from pipeline.training.losses.contrastive import (
    one_way_contrast,
    supervised_contrastive,
    symmetric_cross_entropy,
)
from pipeline.training.losses.label_distance import squared_label_distance
from pipeline.training.losses.rank_n_contrast import (
    Ranking,
    rank_candidates,
    rank_n_contrast,
    ranked_contrast,
)

__all__ = [
    "Ranking",
    "one_way_contrast",
    "rank_candidates",
    "rank_n_contrast",
    "ranked_contrast",
    "squared_label_distance",
    "supervised_contrastive",
    "symmetric_cross_entropy",
]
