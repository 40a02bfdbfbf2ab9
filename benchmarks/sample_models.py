"""What the sample's frozen features say about valence and arousal: concordance on speakers never heard.

    python benchmarks/sample_models.py

Needs a run of the pipeline (`make run`) before it. A ridge regression from the pooled features (speech) and
from the first token's (captions) is fitted on the training split and measured on the test split; the strength
of the penalty is chosen on the development split. Prints a markdown table.
"""

from __future__ import annotations

import click
import numpy as np
import numpy.typing as npt

from pipeline.config import load_params
from pipeline.features import gather_pairs, open_stores
from pipeline.manifest import DEVELOPMENT, TRAIN, Manifest
from pipeline.measures.probe import concordance
from pipeline.sentences import read_captions

Values = npt.NDArray[np.float64]

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)


def ridge(features: Values, labels: Values, penalty: float) -> Values:
    """Weights (F + 1, 2) of standardised features with an intercept that is not penalised."""
    design = np.column_stack([features, np.ones(len(features))])
    penalties = np.full(design.shape[1], penalty)
    penalties[-1] = 0
    return np.linalg.solve(design.T @ design + np.diag(penalties), design.T @ labels)


@click.command(help=(__doc__ or "").splitlines()[0])
def main() -> None:
    params = load_params()
    manifest, stores, captions = Manifest.read(), open_stores(params.extract), read_captions("va")
    splits = [
        gather_pairs(manifest.split(name), captions, *stores)
        for name in (TRAIN, DEVELOPMENT, params.evaluate.split)
    ]
    print(f"{params.prepare.corpus} corpus, {params.evaluate.split}, {len(splits[2])} clips\n")
    print("| features | valence | arousal |\n| --- | --- | --- |")
    for modality in ("speech", "text"):
        raw = [getattr(pairs, modality).astype(np.float64) for pairs in splits]
        mean, spread = raw[0].mean(axis=0), raw[0].std(axis=0) + 1e-9
        training, development, test = ((features - mean) / spread for features in raw)

        def agreement(weights: Values, features: Values, labels: Values) -> list[float]:
            predicted = np.column_stack([features, np.ones(len(features))]) @ weights
            return concordance(predicted, labels).tolist()

        fitted = [ridge(training, splits[0].labels, penalty) for penalty in PENALTIES]
        best = max(fitted, key=lambda weights: sum(agreement(weights, development, splits[1].labels)))
        valence, arousal = agreement(best, test, splits[2].labels)
        print(f"| {modality} | {valence:.3f} | {arousal:.3f} |")


if __name__ == "__main__":
    main()
