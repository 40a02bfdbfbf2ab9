"""What projection heads are trained with: functions of a matrix of similarities, as torch tensors."""

from pipeline.training import (
    rank_n_contrast,
    squared_label_distance,
    supervised_contrastive,
    symmetric_cross_entropy,
)

__all__ = ["rank_n_contrast", "squared_label_distance", "supervised_contrastive", "symmetric_cross_entropy"]
