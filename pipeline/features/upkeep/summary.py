"""What a folder of shards holds, and who computed it, when, on what and with which versions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.features.shards.index import Index
from pipeline.features.shards.provenance import VERSIONS, Origin
from pipeline.features.shards.shard import Shard
from pipeline.recipe import Recipe
from pipeline.support import shown


@dataclass(frozen=True)
class Contribution:
    """Rows of one origin but for the time."""

    rows: int
    origin: Origin
    first: str
    last: str
    """Dates, ISO 8601."""

    def __str__(self) -> str:
        about = {name: shown(value, 100) for name, value in self.origin.items()}
        versions = ", ".join(f"{name} {about[name]}" for name in VERSIONS if name in about)
        days = " to ".join(dict.fromkeys((shown(self.first[:10]), shown(self.last[:10]))))
        return (
            f"{self.rows} by {about.get('user', '?')} on {about.get('host', '?')}, {days}, "
            f"{about.get('device', '?')}, {versions}"
        )


@dataclass(frozen=True)
class Summary:
    """The shards of one recipe in a folder."""

    recipe: Recipe
    rows: int
    """Distinct ones."""
    shards: int
    size: int
    """Bytes."""
    contributions: list[Contribution]


def summarise(shards: Iterable[Shard]) -> list[Summary]:
    """One summary a recipe, those with the most rows first."""
    by_recipe: dict[str, list[Shard]] = {}
    for shard in shards:
        by_recipe.setdefault(shard.recipe.digest, []).append(shard)
    summaries = [
        Summary(
            ours[0].recipe,
            len(Index(ours)),
            len(ours),
            sum(shard.size for shard in ours),
            _contributions(ours),
        )
        for ours in by_recipe.values()
    ]
    return sorted(summaries, key=lambda summary: (-summary.rows, summary.recipe.digest))


def _contributions(shards: list[Shard]) -> list[Contribution]:
    found: dict[tuple[tuple[str, str], ...], list[tuple[int, Origin]]] = {}
    for shard in shards:
        for rows, origin in shard.provenance.runs:
            known_by = tuple(sorted((name, value) for name, value in origin.items() if name != "date"))
            found.setdefault(known_by, []).append((rows, origin))
    contributions = []
    for runs in found.values():
        dates = sorted(origin.get("date", "") for _, origin in runs)
        contributions.append(Contribution(sum(rows for rows, _ in runs), runs[0][1], dates[0], dates[-1]))
    return sorted(contributions, key=lambda contribution: -contribution.rows)
