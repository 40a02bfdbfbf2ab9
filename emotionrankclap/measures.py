"""What embeddings are measured by, of arrays: alignment (Table 1 of the paper), ordinal consistency (Table 2)."""

from pipeline.measures import (
    kendall_tau,
    mmd_rbf,
    ordinal_consistency,
    retrieve_without_replacement,
    wasserstein,
)

__all__ = ["kendall_tau", "mmd_rbf", "ordinal_consistency", "retrieve_without_replacement", "wasserstein"]
