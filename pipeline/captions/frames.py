"""The captioner's frames: halves of sentences with slots, of which one speaks of arousal, the other of valence.

A head of arousal takes any tail of valence, and the other way round, so that every sentence carries both. A
simile stands in one half at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

Frames = Literal["corpus", "workshop"]

SIMILES = ("{fellow}", "{likeness}", "someone")


@dataclass(frozen=True)
class FrameSet:
    """Halves of sentences by what they speak of and where they stand."""

    heads_of_arousal: tuple[str, ...]
    tails_of_valence: tuple[str, ...]
    heads_of_valence: tuple[str, ...]
    tails_of_arousal: tuple[str, ...]

    def arousal_first(self) -> tuple[str, ...]:
        """The whole frames that begin with arousal."""
        return _joined(self.heads_of_arousal, self.tails_of_valence)

    def valence_first(self) -> tuple[str, ...]:
        """The whole frames that begin with valence."""
        return _joined(self.heads_of_valence, self.tails_of_arousal)


def _joined(heads: tuple[str, ...], tails: tuple[str, ...]) -> tuple[str, ...]:
    pairs = product(heads, tails)
    return tuple(head + tail for head, tail in pairs if not (_has_simile(head) and _has_simile(tail)))


def _has_simile(half: str) -> bool:
    return any(sign in half for sign in SIMILES)


# No sentence can come from both: a head of the one begins with in, with, at or an adverb, of the other with none.
FRAME_SETS: dict[Frames, FrameSet] = {
    "corpus": FrameSet(
        heads_of_arousal=(
            "in a {voice} voice at a {pace} {tempo}",
            "in a {voice}, {pace} {manner}",
            "in a {voice} voice with a {melody} {pitch}",
            "in a {voice} voice, like {likeness}",
            "in a voice that is {voice}, {delivery}",
            "in a {manner} that is {pace} and with a {melody} {pitch}",
            "with {energy} and a {melody} {pitch}",
            "with {energy}, {delivery}",
            "with a {voice} delivery and {energy}",
            "with a {pitch} that is {melody} and at a {pace} {tempo}",
            "at a {pace} {tempo} and with {energy}",
            "at a {pace} {tempo}, with a {melody} {pitch}",
            "at a {tempo} that is {pace}, much like {likeness}",
            "{gait} and with {energy}",
            "{gait}, {delivery}",
            "{gait}, with a {pitch} that stays {melody}",
        ),
        tails_of_valence=(
            ", sounding {feeling}, and the tone is {surely} {tone}",
            ", sounding {feeling}, like {fellow}",
            ", in a {tone} tone that {surely} conveys {mood}",
            ", in the {tone} tone of {fellow}",
            ", and the {tone} tone carries {a_note} of {mood}",
            ", and the tone is {tone}, so that every {word} {trace}",
            ", and doing so {temper}, so that each {word} {trace}",
            ", and what comes through is {mood}, for every {word} {trace}",
            ", and whoever listens hears {mood} in a tone that is {tone}",
            ", coming across as {feeling}, while every {word} {trace}",
            ", conveying {mood}, much as {fellow} would",
            ", putting everything {temper}, in a {tone} tone",
            ", revealing {mood}, so that each {word} {trace}",
            ", while a tone that is {tone} makes the speaker seem {feeling}",
            ", with {a_note} of {mood} and a {tone} quality to the voice",
        ),
        heads_of_valence=(
            "in a {tone} tone that {surely} conveys {mood}",
            "in a {tone} {manner}, sounding {feeling}",
            "in a {manner} that sounds {feeling}, and each {word} {trace}",
            "in a tone that is {tone} and in which one hears {mood}",
            "in the {tone} tone of {fellow}",
            "with {a_note} of {mood} and a {tone} tone",
            "with {mood} in the voice, so that every {word} {trace}",
            "with {mood}, much like {fellow}",
            "with words that signal {mood} in a {tone} tone",
            "{temper}, as {fellow} would",
            "{temper}, in a tone that is {tone}",
            "{temper}, so that each {word} {trace}",
        ),
        tails_of_arousal=(
            ", keeping the voice {voice} and the {tempo} {pace}",
            ", with a {voice} voice and {energy}",
            ", with {energy} in a {voice} delivery",
            ", at a {pace} {tempo}, with {energy}",
            ", the {tempo} {pace} and the {pitch} {melody}",
            ", while the voice is {voice} and the {pitch} {melody}",
            ", and does so with {energy} at a {pace} {tempo}",
            ", and does so {gait}, with {energy}",
            ", and the voice, {voice} as it is, moves at a {pace} {tempo}",
            ", using {energy} and a {melody} {pitch}",
            ", in a voice that is {voice} and has {energy}",
            ", {delivery}, the {tempo} {pace}",
            ", {delivery}, with a {pitch} that is {melody}",
            ", like {likeness}, with a {melody} {pitch}",
        ),
    ),
    "workshop": FrameSet(
        heads_of_arousal=(
            "so that the voice is {voice} and the {tempo} {pace}",
            "so that it all comes {gait}, with {energy}",
            "using {energy} and a {voice} voice",
            "using a {melody} {pitch} and a {pace} {tempo}",
            "like someone with {energy} and a {melody} {pitch}",
            "like someone whose voice is {voice} and whose {pitch} is {melody}",
            "like {likeness}, the voice {voice}",
            "while the {tempo} is {pace} and the delivery {voice}",
            "while {delivery}, with {energy}",
            "while going on {gait} with a {melody} {pitch}",
            "as one does with {energy} at a {pace} {tempo}",
        ),
        tails_of_valence=(
            "; the tone is {tone} and the person seems {feeling}",
            "; each {word} {trace}, and the tone is {surely} {tone}",
            "; there is {mood} in a tone that is {tone}",
            ", and {feeling} is how it sounds, since every {word} {trace}",
            "; what one hears is {mood}, and each {word} {trace}",
            "; what one hears is {mood}, as if from {fellow}",
            "; it is said {temper}, and the tone is {tone}",
            "; it is said {temper}, as if by {fellow}",
            ", with {mood} behind a {tone} tone",
            ", seeming {feeling}, in a {tone} {manner}",
            ", seeming {feeling}, not unlike {fellow}",
        ),
        heads_of_valence=(
            "like someone who is {feeling}, with a {tone} tone",
            "like {fellow}, in a {tone} tone",
            "as if moved by {mood}, so that every {word} {trace}",
            "as though there were {a_note} of {mood}, in a {tone} {manner}",
            "as {fellow} might, with {mood} in each {word}",
            "so that one hears {mood} and a {tone} tone",
            "so that each {word} is put {temper} and {trace}",
            "while seeming {feeling}, and each {word} {trace}",
            "while putting things {temper}, with a {tone} sound",
        ),
        tails_of_arousal=(
            "; the voice is {voice} and the {tempo} {pace}",
            "; the {pitch} is {melody} and there is {energy} in it",
            ", having a {voice} voice with {energy}",
            "; one notices {energy} and a {tempo} that is {pace}",
            ", having a {voice} voice and a {melody} {pitch}",
            ", a {pace} {tempo} and a {melody} {pitch} going with it",
            "; it comes {gait}, with {energy}",
            "; it comes {gait}, on a {pitch} that is {melody}",
            "; it has the sound of {likeness}, the voice {voice}",
            ", {delivery}, the {pitch} {melody} all the while",
        ),
    ),
}
