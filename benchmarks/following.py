"""Whether what is found follows what is asked: `python benchmarks/following.py`, after `make run`.

The sample corpus (synthetic speech) is searched for 49 points of the plane, valence and arousal 1 to 7: by a
sentence that describes the point, five times with other words, and by the point itself. Printed is Kendall's tau
between what was asked for and the mean label of the ten best recordings, among all of them, most of which the
model was trained on, and among those of voices that it never heard.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from scipy.stats import kendalltau

from pipeline.captions import describe
from pipeline.manifest import Manifest
from pipeline.sentences import CAPTIONS_FILE, PLANE_FILE, read_captions, read_plane
from pipeline.use import EmotionRankCLAP, Hit, Index

BEST, WORDINGS = 10, 5
POINTS = [(float(valence), float(arousal)) for valence in range(1, 8) for arousal in range(1, 8)]
UNHEARD = "test1"


def sentence(valence: float, arousal: float, wording: int, known: set[str]) -> str:
    """A sentence that describes a point, and that no training has seen."""
    rng = np.random.default_rng([wording, int(valence), int(arousal)])
    while (text := describe(valence, arousal, rng)) in known:
        pass
    return text


@click.command(help=__doc__)
@click.option("--model", default="results/model", show_default=True)
@click.option("--index", "folder", type=click.Path(path_type=Path), default=Path("results/index"))
def main(model: str, folder: Path) -> None:
    index, searching = Index.open(folder), EmotionRankCLAP.from_pretrained(model)
    index.check(searching)
    clips = {row["path"]: row for row in Manifest.read().table.to_pylist()}
    known = set(read_captions("va", CAPTIONS_FILE).values()) | set(read_plane(PLANE_FILE).texts)
    everything = len(index)

    def by_sentence(wording: int) -> list[list[Hit]]:
        texts = [sentence(*point, wording, known) for point in POINTS]
        return index.by_embedding(searching.encode_text(texts), everything)

    ways: dict[str, Callable[[int], list[list[Hit]]]] = {
        "a sentence": by_sentence,
        "the point": lambda _: [index.by_point(*point, everything) for point in POINTS],
    }
    print(f"{len(POINTS)} points, {BEST} best of {len(clips)} clips; Kendall's tau of valence, of arousal\n")
    print("| asked by | among | valence | arousal |\n| --- | --- | --- | --- |")
    for name, search in ways.items():
        found = [search(wording) for wording in range(WORDINGS if name == "a sentence" else 1)]
        for among in ("all clips", f"unheard voices, {UNHEARD}"):
            taus = [
                [_tau(hits, clips, label, among == "all clips") for label in ("valence", "arousal")]
                for hits in found
            ]
            spread = [f" ± {one:.3f}" for one in np.std(taus, axis=0, ddof=1)] if len(taus) > 1 else ["", ""]
            cells = [f"{one:.3f}{more}" for one, more in zip(np.mean(taus, axis=0), spread, strict=True)]
            print(f"| {name} | {among} | {' | '.join(cells)} |")


def _tau(found: list[list[Hit]], clips: dict[str, dict[str, object]], label: str, everywhere: bool) -> float:
    """Between what was asked for and the mean label of the best, over the points."""
    means = []
    for hits in found:
        of = [clips[hit.path] for hit in hits if everywhere or clips[hit.path]["split"] == UNHEARD]
        means.append(np.mean([clip[label] for clip in of[:BEST]], dtype=float))
    asked = [point[label == "arousal"] for point in POINTS]
    return float(kendalltau(asked, means).statistic)


if __name__ == "__main__":
    main()
