"""What `erclap extract` would compute, what it would not, and for each row that it would, why."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.features.shards.index import Index
from pipeline.features.shards.keys import Keys
from pipeline.features.shards.provenance import Positions
from pipeline.features.shards.shard import Shard, of_recipe
from pipeline.recipe import Recipe
from pipeline.support import shown

NEW, CHANGED = "new", "changed file"
LOST, UNKNOWN = "not in the cache any more (`dvc pull` may bring it)", "not in the cache"

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Wanted:
    """What a manifest or the sentences ask for: each distinct key and what people call it."""

    keys: Keys
    """(N,), distinct."""
    names: Sequence[str]
    """(N,), the first utterance's id, or the sentence."""


@dataclass(frozen=True)
class Plan:
    """Where the rows that are wanted would come from."""

    recipe: Recipe
    wanted: Wanted
    local: Mask
    team: Mask
    """(N,): the cache has it; the team's store has it, whether the cache does or not."""
    reasons: dict[str, Positions]
    """Why the others have to be computed, and which they are."""

    @property
    def to_take(self) -> int:
        """How many rows the team's store has and the cache has not."""
        return int((self.team & ~self.local).sum())

    @property
    def to_compute(self) -> int:
        """How many rows neither has."""
        return int((~(self.local | self.team)).sum())


def plan(
    wanted: Wanted,
    recipe: Recipe,
    local: Sequence[Shard],
    team: Sequence[Shard],
    earlier: dict[str, Mask] | None,
) -> Plan:
    """Look every wanted key up in the shards of the cache and in the team's, whatever their recipes.

    `earlier` are reasons from what was there before, by mask (N,), the first that holds counting; None where that
    is not known.
    """
    here = Index(of_recipe([*local], recipe)).find(wanted.keys) >= 0
    there = Index(of_recipe([*team], recipe)).find(wanted.keys) >= 0
    open_ = ~(here | there)
    reasons: dict[str, Positions] = {}

    def give(reason: str, mask: Mask) -> None:
        chosen = np.flatnonzero(open_ & mask)
        if len(chosen):
            reasons[reason] = np.concatenate([reasons.get(reason, chosen[:0]), chosen])
        open_[chosen] = False

    others = {shard.recipe.digest: shard.recipe for shard in [*local, *team]}
    others.pop(recipe.digest, None)
    # The nearest recipe first, as it is what the row was last computed with, as far as anyone can tell.
    for other in sorted(others.values(), key=lambda other: len(differences(other, recipe))):
        index = Index(of_recipe([*local, *team], other))
        give(f"changed recipe: {', '.join(differences(other, recipe))}", index.find(wanted.keys) >= 0)
    for reason, mask in (earlier or {}).items():
        give(reason, mask)
    give(UNKNOWN if earlier is None else NEW, np.ones_like(open_))
    return Plan(recipe, wanted, here, there, reasons)


def differences(old: Recipe, new: Recipe) -> list[str]:
    """The fields in which two recipes differ: `pooling attentive-mean → attentive-std`.

    What follows from another field is left out: the model's name where its contents are the same, and the size.
    """
    before, after = asdict(old), asdict(new)
    changed = [name for name in before if before[name] != after[name]]
    if old.revision == new.revision and old.revision.startswith("sha256:"):
        changed = [name for name in changed if name != "model"]
    if len(changed) > 1:
        changed = [name for name in changed if name != "feature_size"]
    return [f"{name} {shown(before[name], 100)} → {shown(after[name], 100)}" for name in changed]


def earlier_reasons(wanted: Wanted, ids_before: Collection[str], keys_before: Keys) -> dict[str, Mask]:
    """What became of what is wanted since it was last extracted, as masks for `plan`.

    Lost is a row whose key was asked for then; changed one whose utterance was there with another file.
    """
    listed = np.isin(wanted.keys, keys_before)
    names_before = pa.array(ids_before, pa.string())
    known = np.asarray(pc.is_in(pa.array(wanted.names, pa.string()), value_set=names_before))
    return {LOST: listed, CHANGED: known}
