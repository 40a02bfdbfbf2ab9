"""What the paper printed, to stand beside ours (Suresh Chandra et al. 2025, Tables 1 and 2)."""

from __future__ import annotations

CORPUS = "MSP-Podcast 1.12, test1"

PUBLISHED: dict[str, dict[str, str]] = {
    "clap-template": {"aoc": "0.171 ± .26", "voc": "0.466 ± .14"},
    "clap4emo": {"aoc": "0.284 ± .20", "voc": "0.533 ± .14"},
    "paraclap": {"aoc": "0.283 ± .20", "voc": "0.217 ± .20"},
    "clap-sce": {
        "mmd": "0.096 ± .002",
        "wasserstein": "0.180 ± .003",
        "aoc": "0.492 ± .15",
        "voc": "0.505 ± .13",
    },
    "supconclap": {
        "mmd": "0.4436 ± .003",
        "wasserstein": "0.4172 ± .003",
        "aoc": "0.346 ± .19",
        "voc": "0.530 ± .15",
    },
    "emotionrankclap": {
        "mmd": "0.087 ± .001",
        "wasserstein": "0.065 ± .007",
        "aoc": "0.552 ± .12",
        "voc": "0.616 ± .13",
    },
}
"""Method → measure → mean ± standard deviation as printed."""


def published(method: str, measure: str) -> str:
    """The paper's figure for `mmd`, `wasserstein`, `aoc` or `voc`; a dash where it has none."""
    return PUBLISHED.get(method, {}).get(measure, "–")
