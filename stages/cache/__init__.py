"""`erclap cache`: what becomes of features once they are computed."""

from __future__ import annotations

import click

from stages.lazy import LazyGroup

COMMANDS = {
    "status": ("stages.cache.status", "Rows, bytes and shards of every recipe, and who computed them."),
    "plan": ("stages.cache.plan", "What extract would compute, and why."),
    "verify": ("stages.cache.verify", "Every checksum compared; damaged shards set aside."),
    "merge": ("stages.cache.merge", "Another's features into yours, as after a conflict in dvc.lock."),
    "export": ("stages.cache.export", "Features with ids and labels, for people without this code."),
    "compact": ("stages.cache.compact", "Many small shards into few, bit for bit."),
    "gc": ("stages.cache.gc", "What nothing asks for any more, listed and then removed."),
}


class Commands(LazyGroup):
    """Those of `COMMANDS`."""

    commands_by_name = COMMANDS


@click.group(cls=Commands)
def command() -> None:
    """Features that are kept: in cache/features, which DVC tracks, and in the team's store.

    The team's store is the folder that ERCLAP_STORE names, or runtime.store in params.yaml.
    """
