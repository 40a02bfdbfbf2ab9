"""Planning the captions of a full corpus by a language model, before anything is sent.

    python benchmarks/caption_planning.py [--clips 150243] [--step 0.25] [--draws 8] [--rounds 3]

As many clips as MSP-Podcast 1.12 has after the paper's filter, with means of five to eight whole ratings for
labels, so that they tie as the release's do. Counts the requests of one a cell and draw against those of one a
clip, and measures planning and estimating against making the offline lexicon's captions of the same clips.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import click
import numpy as np

from pipeline.captions import LlmCaptioner, caption_utterances, measure_overlap
from pipeline.captions.llm.answers import Answers
from pipeline.captions.llm.estimate import estimate
from pipeline.config import Caption, LlmCaptions, LlmRuntime
from pipeline.manifest import Utterance

SHARES = {"train": 90_022, "development": 25_258, "test1": 34_963}


def corpus(clips: int) -> list[Utterance]:
    rng = np.random.default_rng(0)
    centre = rng.multivariate_normal([4.24, 4.38], [[0.7, 0.24], [0.24, 0.88]], clips)
    raters = rng.integers(5, 9, clips)
    ratings = np.clip(np.rint(centre[:, None] + rng.normal(0, 0.7, (clips, 8, 2))), 1, 7)
    counted = (np.arange(8)[None] < raters[:, None])[..., None]
    labels = (ratings * counted).sum(1) / raters[:, None]
    splits = rng.choice(
        list(SHARES), clips, p=np.array(list(SHARES.values())) / sum(SHARES.values())
    ).tolist()
    emotions = rng.choice(list("ASHUFDCN"), clips).tolist()
    return [
        Utterance(f"clip-{i:07}", f"{i}.wav", splits[i], v, a, emotion=emotions[i])
        for i, (v, a) in enumerate(labels.tolist())
    ]


def lowest(rounds: int, work: Callable[[], object]) -> float:
    """Seconds of the quickest of several runs."""
    took = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        took.append(time.perf_counter() - started)
    return min(took)


@click.command()
@click.option("--clips", default=sum(SHARES.values()), show_default=True)
@click.option("--step", default=0.25, show_default=True)
@click.option("--draws", default=8, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(clips: int, step: float, draws: int, rounds: int) -> None:
    utterances = corpus(clips)
    settings = Caption(
        captioner="llm", seed=0, prompt_lists=100, llm=LlmCaptions(model="m", step=step, draws=draws)
    )
    variants = ["clap4emo", "va"]

    def plan() -> list[str]:
        captioner = LlmCaptioner(utterances, variants, settings, LlmRuntime())
        return estimate(captioner.requests(), Answers(), LlmRuntime(), attempts=3).lines()

    lines = plan()
    print(f"{clips} clips, {len({(u.valence, u.arousal) for u in utterances})} distinct pairs of labels")
    print("\n".join(lines))
    print(f"one request a clip and variant would be {2 * clips + 2800}\n")
    planned = lowest(rounds, plan)
    offline = lowest(1, lambda: caption_utterances(utterances, "va", 0))
    captions = caption_utterances(utterances, "va", 0).column("text").to_pylist()
    compared = lowest(1, lambda: measure_overlap(captions[:2800], captions))
    print("| | seconds | against the lexicon's captions |\n| --- | --- | --- |")
    for name, seconds in (
        ("plan and estimate, both variants and the test", planned),
        ("the offline lexicon's captions, one variant", offline),
        ("overlap of 2,800 sentences with the lexicon's", compared),
    ):
        print(f"| {name} | {seconds:.1f} | {seconds / offline:.2f} |")


if __name__ == "__main__":
    main()
