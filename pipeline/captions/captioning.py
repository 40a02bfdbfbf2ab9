"""Makes the two tables of sentences: a caption of every utterance, and the ordinality test's prompts.

A sentence depends on the seed, on what it describes and on its own name, never on the order of rows. A prompt
alone looks at other sentences: at the captions, and at those before it in its list, to differ from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import asdict

import numpy as np
import pyarrow as pa

from pipeline.captions.acoustics import Acoustics
from pipeline.captions.categorical import template
from pipeline.captions.lexicon import describe
from pipeline.captions.paraclap import FeatureSet, caption_acoustics
from pipeline.captions.pools import from_class_pools
from pipeline.captions.prompts import ordinality_plan
from pipeline.captions.seeding import rng_of
from pipeline.manifest import Utterance
from pipeline.sentences import CAPTIONS_SCHEMA, PROMPTS_SCHEMA, Prompt, WordedPrompt

MOST_DRAWS = 1000

Captioner = Callable[[Sequence[Utterance], int], list[str]]
"""Utterances and a seed → a sentence of each."""


Describe = Callable[[float, float, np.random.Generator], str]
"""Valence, arousal and a generator → a sentence."""


def _by_valence_and_arousal(utterances: Sequence[Utterance], seed: int) -> list[str]:
    return [describe(u.valence, u.arousal, rng_of(seed, "va", u.id)) for u in utterances]


def _by_template(utterances: Sequence[Utterance], seed: int) -> list[str]:
    return [template(u) for u in utterances]


VARIANTS: dict[str, Captioner] = {
    "va": _by_valence_and_arousal,
    "template": _by_template,
    "clap4emo": from_class_pools,
}
"""The ways to caption a corpus offline by its labels: by valence and arousal, or by the emotion class."""


def acoustic_variants(measured: Mapping[str, Acoustics], features: FeatureSet) -> dict[str, Captioner]:
    """The ways to caption a corpus by its clips, of which `measured` has the measures by utterance id."""
    return {"paraclap": lambda utterances, seed: caption_acoustics(utterances, measured, features)}


def caption_utterances(
    utterances: Sequence[Utterance],
    variant: str,
    seed: int,
    captioners: Mapping[str, Captioner] = VARIANTS,
) -> pa.Table:
    """Caption every utterance: a table of CAPTIONS_SCHEMA in the order of the utterances.

    Raises ValueError for a variant that none of the captioners writes, and for an utterance that lacks what it
    needs.
    """
    if variant not in captioners:
        raise ValueError(f"a caption variant must be one of {', '.join(captioners)}, found {variant!r}")
    texts = captioners[variant](utterances, seed)
    ids = [utterance.id for utterance in utterances]
    return pa.table([ids, [variant] * len(ids), texts], schema=CAPTIONS_SCHEMA)


def caption_prompts(lists: int, seed: int, exclude: Set[str]) -> pa.Table:
    """Write the ordinality test with so many lists a test: a table of PROMPTS_SCHEMA, 28 rows for each.

    No sentence is in `exclude`, where the captions belong, and none is twice in a list. Raises ValueError for
    no list at all, and RuntimeError where 1000 draws find no sentence that is allowed.
    """
    return prompts_table(word_prompts(ordinality_plan(lists), seed, exclude))


def prompts_table(prompts: Sequence[WordedPrompt]) -> pa.Table:
    """The ordinality test's prompts as the table that is written."""
    return pa.Table.from_pylist([asdict(prompt) for prompt in prompts], schema=PROMPTS_SCHEMA)


def word_prompts(
    plan: Sequence[Prompt], seed: int, exclude: Set[str] = frozenset(), write: Describe = describe
) -> list[WordedPrompt]:
    """Describe every prompt of a plan, as `caption_prompts` does; `write` words one."""
    worded = []
    of_list: dict[tuple[str, int], set[str]] = {}
    for prompt in plan:
        taken = of_list.setdefault((prompt.test, prompt.list), set())
        name = (seed, "prompt", prompt.test, prompt.list, prompt.position)
        text = describe_apart(prompt.valence, prompt.arousal, name, exclude, taken, write)
        if text is None:
            raise RuntimeError(
                f"a prompt of the ordinality test must be no caption and no other prompt of its list, found none "
                f"in {MOST_DRAWS} draws for valence {prompt.valence:g}, arousal {prompt.arousal:g}: change "
                f"caption.seed"
            )
        taken.add(text)
        worded.append(WordedPrompt(**asdict(prompt), text=text))
    return worded


def describe_apart(
    valence: float,
    arousal: float,
    name: Sequence[str | int],
    exclude: Set[str],
    taken: Set[str],
    write: Describe = describe,
) -> str | None:
    """The first of a name's draws that is in neither set; None where 1000 of them are."""
    for draw in range(MOST_DRAWS):
        text = write(valence, arousal, rng_of(*name, draw))
        if text not in exclude and text not in taken:
            return text
    return None
