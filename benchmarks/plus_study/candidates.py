"""The ways to train that the study compares.

A part of the study, no command.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Candidate:
    """A way to train; the defaults are the paper's."""

    rank: float = 1.0
    """Weight of Rank-N-Contrast across the modalities."""
    both: bool = False
    equal: bool = False
    """Farther-or-equal candidates."""
    within: float = 0.0
    """Weight of Rank-N-Contrast within each modality, the mean of both."""
    cross_entropy: float = 0.0
    """Weight of the symmetric cross-entropy."""
    soft: float = 0.0
    """Weight of the symmetric cross-entropy with targets softmax(-d^2 / 2 width^2)."""
    width: float = 0.5
    near: float = 0.0
    """Pairs weigh exp(-d^2 / 2 near^2) in Rank-N-Contrast; 0 for all alike."""
    bin: float = 0.0
    """Distances within one bin tie; 0 for exact ones."""
    bin_by_annotators: float = 0.0
    """The bin of an anchor, in units of its annotators' disagreement."""
    dominance: float = 0.0
    """Weight of dominance in the distance of labels."""
    density: float = 0.0
    """Anchors weigh one over the smoothed density of their labels to this power, by the mean of a world."""
    regression: float = 0.0
    """Weight of a linear map shared by both modalities from the embedding to the labels, squared error."""
    gap: float = 0.0
    """Weight of the squared distance between the modalities' means in a batch."""
    plane: int = 0
    """Captions of no clip in a batch."""
    filling: bool = False
    """Plane captions are drawn where the train split has few labels, not evenly."""
    plane_weight: float = 1.0
    """Of plane captions, as candidates' positives and as anchors."""
    centred: bool = False
    """Less the modality's mean before it is brought to length one: the batch's in training, a running one
    after."""
    calibrated: float = 0.0
    """Weight of the squared error of a pair's cosine from 1 − d / d_max, over all pairs."""
    halves: bool = False
    """Half of an embedding ranks by valence alone, half by arousal."""
    monge: bool = False
    """The Gaussian Monge map from the train split's speech to its text, after a linear head."""
    mixed: int = 0
    """Speech anchors that are mixed of two, or lie beyond them, with their labels, a batch."""
    lowest: float = 0.02
    """Bound of the temperature."""
    temperature: float = 1.0
    fixed: bool = False
    until: float = 0.0
    """Temperature at the end of a geometric schedule; 0 for none."""
    head: str = "relu"
    """relu, linear, mlp or residual."""
    standardised: bool = False
    batch: int = 64
    rate: float = 1.0
    """In units of the stage's learning rate."""
    cosine: bool = False


BASELINES = ("emotionrankclap", "clap-sce")
FIRST_WINNER = "both, density 1"
WINNER = "linear, density 1"

PAPER = Candidate()
BOTH = replace(PAPER, both=True)
LINEAR = replace(BOTH, head="linear")
CANDIDATES: dict[str, Candidate] = {
    "emotionrankclap": PAPER,
    "clap-sce": Candidate(rank=0, cross_entropy=1),
    "both directions": BOTH,
    "farther or equal": replace(PAPER, equal=True),
    "both, farther or equal": replace(BOTH, equal=True),
    "both, within 0.5": replace(BOTH, within=0.5),
    "both, within 0.5, equal": replace(BOTH, within=0.5, equal=True),
    "both, sce 0.5": replace(BOTH, cross_entropy=0.5),
    "both, soft 1": replace(BOTH, soft=1),
    "soft 0.5": Candidate(rank=0, soft=1),
    "soft 1.0": Candidate(rank=0, soft=1, width=1.0),
    "both, near 1": replace(BOTH, near=1),
    "both, bin 0.5": replace(BOTH, bin=0.5),
    "both, bin by annotators": replace(BOTH, bin_by_annotators=0.5),
    "both, dominance 0.5": replace(BOTH, dominance=0.5),
    "both, smoothed density": replace(BOTH, density=0.5),
    "both, regression 1": replace(BOTH, regression=1),
    "both, gap 10": replace(BOTH, gap=10),
    "both, temperature 0.1": replace(BOTH, temperature=0.1),
    "both, temperature 0.1 fixed": replace(BOTH, temperature=0.1, fixed=True),
    "both, temperature 1 fixed": replace(BOTH, fixed=True),
    "both, temperature 1 to 0.1": replace(BOTH, until=0.1),
    "both, linear": replace(BOTH, head="linear"),
    "both, mlp": replace(BOTH, head="mlp"),
    "both, residual": replace(BOTH, head="residual"),
    "both, standardised": replace(BOTH, standardised=True),
    "both, batch 256": replace(BOTH, batch=256, rate=2),
    "both, rate x3": replace(BOTH, rate=3),
    "both, rate x3 cosine": replace(BOTH, rate=3, cosine=True),
    # Second round: what helped by itself, together.
    "soft 2.0": Candidate(rank=0, soft=1, width=2.0),
    "linear, soft 1.0": replace(LINEAR, soft=1, width=1.0),
    "linear, regression 1": replace(LINEAR, regression=1),
    "linear, regression 3": replace(LINEAR, regression=3),
    "linear, regression 1, gap 3": replace(LINEAR, regression=1, gap=3),
    "linear, regression 3, gap 10": replace(LINEAR, regression=3, gap=10),
    "linear, regression 1, temperature 1 fixed": replace(LINEAR, regression=1, fixed=True),
    "linear, equal, regression 1, gap 3": replace(LINEAR, equal=True, regression=1, gap=3),
    "linear, equal, regression 1, temperature 1 fixed": replace(LINEAR, equal=True, regression=1, fixed=True),
    "linear, soft 1.0, regression 1, gap 3": replace(LINEAR, soft=1, width=1.0, regression=1, gap=3),
    "linear, soft 1.0, regression 1, gap 10": replace(LINEAR, soft=1, width=1.0, regression=1, gap=10),
    "linear, soft alone 1.0, regression 1, gap 10": replace(
        LINEAR, rank=0, soft=1, width=1.0, regression=1, gap=10
    ),
    # Third round: with label distribution smoothing.
    "both, density 1": replace(BOTH, density=1),
    "one direction, density 0.5": replace(PAPER, density=0.5),
    "linear, density 0.5": replace(LINEAR, density=0.5),
    "linear, density 1": replace(LINEAR, density=1),
    "linear, density 1, gap 1": replace(LINEAR, density=1, gap=1),
    "linear, density 1, regression 1": replace(LINEAR, density=1, regression=1),
    "linear, density 1, regression 1, gap 1": replace(LINEAR, density=1, regression=1, gap=1),
    "linear, density 0.5, regression 1, gap 1": replace(LINEAR, density=0.5, regression=1, gap=1),
    "linear, density 1, soft 1.0, gap 1": replace(LINEAR, density=1, soft=1, width=1.0, gap=1),
    "linear, density 1, temperature 1 fixed": replace(LINEAR, density=1, fixed=True),
    "linear, density 1, equal, regression 1": replace(LINEAR, density=1, equal=True, regression=1),
    "clap-sce, density 1": Candidate(rank=0, cross_entropy=1, density=1),
    "both, density 1, equal": replace(BOTH, density=1, equal=True),
    "both, density 1, gap 1": replace(BOTH, density=1, gap=1),
    "both, density 1, temperature 1 fixed": replace(BOTH, density=1, fixed=True),
    "both, density 1, regression 1": replace(BOTH, density=1, regression=1),
    "one direction, density 1": replace(PAPER, density=1),
    "one direction, linear": replace(PAPER, head="linear"),
    "one direction, linear, density 1": replace(PAPER, head="linear", density=1),
    "one direction, linear, density 0.5": replace(PAPER, head="linear", density=0.5),
    # Fourth round: what could raise AOC beside the density.
    "both, density 1, rate x3, cosine": replace(BOTH, density=1, rate=3, cosine=True),
    "linear, density 1, rate x3, cosine": replace(LINEAR, density=1, rate=3, cosine=True),
    "linear, density 1, batch 256": replace(LINEAR, density=1, batch=256, rate=2),
    "linear, density 1, soft 1.0": replace(LINEAR, density=1, soft=1, width=1.0),
    "linear, density 1, regression 1, temperature 1 fixed": replace(
        LINEAR, density=1, regression=1, fixed=True
    ),
    "linear, density 1, equal, regression 3, temperature 1 fixed": replace(
        LINEAR, density=1, equal=True, regression=3, fixed=True
    ),
    "linear, rate x3, cosine, regression 1, gap 3": replace(LINEAR, rate=3, cosine=True, regression=1, gap=3),
}

PLANE = replace(BOTH, plane=64)
FIXED = replace(PLANE, temperature=0.3, fixed=True)
CANDIDATES |= {
    # Captions of no clip as candidates and anchors.
    "plane 64, one direction": replace(PAPER, plane=64),
    "plane 64": PLANE,
    "plane 16": replace(PLANE, plane=16),
    "plane 256": replace(PLANE, plane=256),
    "plane 64, linear": replace(PLANE, head="linear"),
    "plane 64, density 1": replace(PLANE, density=1),
    "plane 64, linear, density 1": replace(PLANE, head="linear", density=1),
    "plane 64, filling": replace(PLANE, filling=True),
    "plane 64, weight 0.5": replace(PLANE, plane_weight=0.5),
    "plane 64, equal": replace(PLANE, equal=True),
    # Where the temperature may go.
    "plane 64, temperature 1 fixed": replace(PLANE, fixed=True),
    "plane 64, temperature 0.3 fixed": FIXED,
    "plane 64, temperature 0.1 fixed": replace(FIXED, temperature=0.1),
    "plane 64, temperature at least 0.3": replace(PLANE, lowest=0.3),
    "plane 64, temperature 1 to 0.3": replace(PLANE, until=0.3),
    "plane 64, equal, temperature 0.3 fixed": replace(FIXED, equal=True),
    "plane 64, linear, temperature 0.3 fixed": replace(FIXED, head="linear"),
    "plane 64, filling, temperature 0.3 fixed": replace(FIXED, filling=True),
    "plane 256, temperature 0.3 fixed": replace(FIXED, plane=256),
    "plane 256, filling, temperature 0.3 fixed": replace(FIXED, plane=256, filling=True),
    "plane 64, linear, temperature 0.3 fixed, density 1": replace(FIXED, head="linear", density=1),
    "plane 128, filling, temperature 0.3 fixed": replace(FIXED, plane=128, filling=True),
    "plane 256, linear, temperature 0.3 fixed": replace(FIXED, plane=256, head="linear"),
    "plane 64, filling, temperature 0.2 fixed": replace(FIXED, filling=True, temperature=0.2),
    "plane 64, filling, temperature 0.5 fixed": replace(FIXED, filling=True, temperature=0.5),
    # On top: what else attacks where order, or closeness, is lost.
    "fixed, gap 1": replace(FIXED, gap=1),
    "fixed, gap 10": replace(FIXED, gap=10),
    "fixed, filling, gap 1": replace(FIXED, filling=True, gap=1),
    "fixed, centred": replace(FIXED, centred=True),
    "fixed, linear, centred": replace(FIXED, head="linear", centred=True),
    "fixed, calibrated 1": replace(FIXED, calibrated=1),
    "fixed, calibrated 3": replace(FIXED, calibrated=3),
    "fixed, filling, calibrated 1": replace(FIXED, filling=True, calibrated=1),
    "fixed, filling, calibrated 3": replace(FIXED, filling=True, calibrated=3),
    "fixed, filling, calibrated 1, gap 1": replace(FIXED, filling=True, calibrated=1, gap=1),
    "fixed, filling, calibrated 1, gap 3": replace(FIXED, filling=True, calibrated=1, gap=3),
    "filling, calibrated 1, gap 1, temperature 0.2 fixed": replace(
        FIXED, filling=True, calibrated=1, gap=1, temperature=0.2
    ),
    "filling, calibrated 1, gap 1, temperature 0.5 fixed": replace(
        FIXED, filling=True, calibrated=1, gap=1, temperature=0.5
    ),
    "filling, calibrated 1, gap 1, temperature learnt": replace(PLANE, filling=True, calibrated=1, gap=1),
    "filling, calibrated 1, gap 1, temperature at least 0.3": replace(
        PLANE, filling=True, calibrated=1, gap=1, lowest=0.3
    ),
    "fixed, filling, calibrated 1, gap 1, density 1": replace(
        FIXED, filling=True, calibrated=1, gap=1, density=1
    ),
    "fixed, filling, calibrated 1, gap 1, linear": replace(
        FIXED, filling=True, calibrated=1, gap=1, head="linear"
    ),
    "plane 128, fixed, filling, calibrated 1, gap 1": replace(
        FIXED, plane=128, filling=True, calibrated=1, gap=1
    ),
    "fixed, linear, filling, calibrated 3": replace(FIXED, head="linear", filling=True, calibrated=3),
    "fixed, calibrated 10": replace(FIXED, calibrated=10),
    "fixed, calibrated alone": replace(FIXED, rank=0, calibrated=1),
    "fixed, halves": replace(FIXED, halves=True),
    "fixed, linear, Monge": replace(FIXED, head="linear", monge=True),
    "fixed, mixed 64": replace(FIXED, mixed=64),
    "fixed, regression 1": replace(FIXED, regression=1),
    "fixed, sce 0.1": replace(FIXED, cross_entropy=0.1),
    # The same for four times as far.
    "emotionrankclap, rate x4": replace(PAPER, rate=4),
    "clap-sce, rate x4": replace(CANDIDATES["clap-sce"], rate=4),
    "plane 64, rate x4": replace(PLANE, rate=4),
    "plane 64, temperature 0.3 fixed, rate x4": replace(FIXED, rate=4),
    "plane 64, temperature at least 0.3, rate x4": replace(PLANE, lowest=0.3, rate=4),
}
