"""A model from elsewhere as what it makes of clips, of their captions and of the prompts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.measures import Embedded
from pipeline.others.layout import SEE, Unfit
from pipeline.sentences import WordedPrompt
from pipeline.support import counted, shown

Features = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EmbeddedClips:
    """N clips and a caption of each, as embeddings of length one."""

    speech: Features
    """(N, E)"""
    captions: Features
    """(N, E)"""
    labels: Values | None
    """(N, 2) valence and arousal on 1..7."""
    ids: list[str] | None
    """(N,), each once."""

    def __len__(self) -> int:
        return len(self.speech)

    def of(self, ids: Sequence[str], labels: Values, path: Path, which: str) -> EmbeddedClips:
        """The rows of these clips in their order, with these labels. Raises ValueError where one is missing.

        `which` is what the clips are called in a message.
        """
        if self.ids is None:
            raise Unfit(path, f"must have the utterance ids of {which}, which tell its clips: {SEE}")
        rows = {name: row for row, name in enumerate(self.ids)}
        if missing := [name for name in ids if name not in rows]:
            raise Unfit(
                path,
                f"must have every clip of {which}, found {len(ids) - len(missing)} of {len(ids)} by their "
                f"utterance ids and no {shown(repr(missing[0]))}",
            )
        return replace(self.of_rows([rows[name] for name in ids]), labels=labels)

    def of_rows(self, rows: Sequence[int]) -> EmbeddedClips:
        """Some of them, in this order."""
        return EmbeddedClips(
            self.speech[rows],
            self.captions[rows],
            None if self.labels is None else self.labels[rows],
            None if self.ids is None else [self.ids[row] for row in rows],
        )


@dataclass(frozen=True)
class OtherModel:
    """What a file says of a model: an entry of the tables, compared like a baseline."""

    path: Path
    title: str
    clips: EmbeddedClips
    probed: EmbeddedClips | None
    """Those that linear probes are fitted to; without them there are no probes."""
    prompts: Features
    """(M, E), the ordinality test's prompts in the order of the template."""
    texts: list[str] | None
    """(M,), the sentences that were embedded, where the file says so."""
    unused: list[str]
    """What else the file holds."""
    baseline: bool = True
    aligned: bool = True
    trained: bool = True

    def check_prompts(self, prompts: Sequence[WordedPrompt], source: str) -> None:
        """Raise ValueError unless there is an embedding for each prompt of `source`, in its order."""
        wanted = [prompt.text for prompt in prompts]
        distinct = len(set(wanted))
        if (found := len(self.prompts)) != len(wanted):
            why = ", which is how many distinct sentences they are" if found == distinct else ""
            raise Unfit(
                self.path,
                f"prompts must be {counted(len(wanted), 'row')}, one for each row of {source} and in its order, "
                f"a sentence that is there twice twice, found {found}{why}: embed the column text of what "
                f"`erclap score --template` writes, row by row",
            )
        if self.texts is None or self.texts == wanted:
            return
        row = next(row for row in range(len(wanted)) if self.texts[row] != wanted[row])
        order = Counter(self.texts) == Counter(wanted)
        raise Unfit(
            self.path,
            f"text must be the prompts of {source}{' in its order' if order else ''}, found in row {row} "
            f"{shown(repr(self.texts[row]))} and not {shown(repr(wanted[row]))}"
            + (
                ": the same sentences in another order, so put prompts and text back into it" if order else ""
            ),
        )

    def of(
        self, clips: tuple[Sequence[str], Values, str], probed: tuple[Sequence[str], Values, str]
    ) -> OtherModel:
        """The model on these clips alone and in their order: ids, labels and what a message calls them."""
        return replace(
            self,
            clips=self.clips.of(clips[0], clips[1], self.path, clips[2]),
            probed=self.probed and self.probed.of(probed[0], probed[1], self.path, probed[2]),
        )

    @property
    def labels(self) -> Values:
        """Of its clips, (N, 2). Raises ValueError where the file has none."""
        if self.clips.labels is None:
            raise Unfit(self.path, f"must have valence and arousal of its clips, found none: {SEE}")
        return self.clips.labels

    def beside(self, first: OtherModel) -> OtherModel:
        """The model with its clips in the order of another's, by utterance ids where both have them.

        Raises ValueError where a clip has no labels, or they are of other clips.
        """
        found, ids = self, first.clips.ids
        if self.clips.ids is not None and ids is not None and set(self.clips.ids) == set(ids):
            rows = {name: row for row, name in enumerate(self.clips.ids)}
            found = replace(self, clips=self.clips.of_rows([rows[name] for name in ids]))
        if self.probed and self.probed.labels is None:
            raise Unfit(self.path, f"must have probe_valence and probe_arousal, found none: {SEE}")
        if not np.array_equal(found.labels, first.labels):
            raise Unfit(
                self.path,
                f"must be of the clips of {first.path}, in its order or by utterance_id in both, found other "
                f"labels: score each by itself",
            )
        return found

    def embedded(self) -> Embedded:
        """Its clips and the prompts."""
        return Embedded(self.clips.speech, self.clips.captions, self.prompts)

    def fitted(self) -> tuple[Embedded, Values] | None:
        """The clips that probes are fitted to, with their labels, where it has some."""
        if self.probed is None or self.probed.labels is None:
            return None
        return Embedded(self.probed.speech, self.probed.captions, self.prompts[:0]), self.probed.labels
