"""What is said: short sentences of a negative, neutral or positive sentiment, in two banks.

A sentence is a subject and a predicate. Each bank has its own subjects, so no sentence is in both.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

Bank = Literal["corpus", "checkpoint"]
Sentiment = Literal["negative", "neutral", "positive"]

SUBJECTS: dict[Bank, tuple[str, ...]] = {
    "corpus": (
        "The concert",
        "Our trip",
        "The new office",
        "My interview",
        "The weather there",
        "Her answer",
        "The second half",
        "Their last game",
        "The hotel",
        "Our dinner",
        "The phone call",
        "His speech",
        "The whole morning",
        "That train ride",
        "The first lesson",
        "Your idea",
        "The film",
        "Our visit",
        "The market",
        "My birthday",
    ),
    "checkpoint": (
        "The meeting",
        "My exam",
        "Their wedding",
        "The long drive",
        "His letter",
        "The old house",
        "Our holiday",
        "That story",
        "The garden party",
        "Her cooking",
        "The museum",
        "This weekend",
        "The doctor's visit",
        "Our flight",
        "The final song",
        "My neighbour's plan",
        "The school play",
        "Your message",
        "The evening walk",
        "Their offer",
    ),
}

PREDICATES: dict[Sentiment, tuple[str, ...]] = {
    "negative": (
        "was a disaster",
        "made me cry",
        "was a terrible mistake",
        "went badly wrong",
        "was simply awful",
        "ruined everything",
        "was a bitter disappointment",
        "hurt everyone there",
        "was painful and sad",
        "was a horrible waste",
    ),
    "neutral": (
        "is on Tuesday",
        "comes after lunch",
        "was about an hour",
        "is in the calendar",
        "was as usual",
        "is next on the list",
        "was in the middle",
        "is the same as before",
        "was in October",
        "is on the second page",
    ),
    "positive": (
        "was wonderful",
        "made us all smile",
        "was a lovely surprise",
        "turned out beautifully",
        "was simply perfect",
        "is my favourite",
        "was a great success",
        "delighted everyone there",
        "was warm and happy",
        "was a real pleasure",
    ),
}


def sentences(bank: Bank, sentiment: Sentiment) -> list[str]:
    """All sentences of a bank with a sentiment."""
    return [f"{subject} {predicate}." for subject in SUBJECTS[bank] for predicate in PREDICATES[sentiment]]


def draw_sentence(bank: Bank, valence: float, rng: np.random.Generator) -> str:
    """Draw a sentence that suits a valence on 1..7; the words may also contradict the voice."""
    distances = np.array([2.6, 4.2, 5.8]) - valence
    weights = np.exp(-0.5 * (distances / 0.8) ** 2) + 0.02
    sentiment = get_args(Sentiment)[rng.choice(3, p=weights / weights.sum())]
    choices = sentences(bank, sentiment)
    return choices[rng.integers(len(choices))]
