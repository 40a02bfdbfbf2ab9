"""A group of commands that are imported only when they are run."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import ClassVar

import click


class LazyGroup(click.Group):
    """Knows its commands by name, so that help and completion import no heavy library."""

    commands_by_name: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Command → the module that defines `command`, and its help in one line."""

    aliases: ClassVar[Mapping[str, str]] = {}
    """What people also call a command → its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands_by_name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands_by_name:
            return None
        module = importlib.import_module(self.commands_by_name[cmd_name][0])
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = self.aliases.get(args[0], args[0])
        if name not in self.commands_by_name and not name.startswith("-"):
            known = [*self.commands_by_name, *self.aliases]
            near = difflib.get_close_matches(name, known, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(self.commands_by_name)}"
            )
            raise click.UsageError(f"there is no command {name!r}: {hint}", ctx)
        return super().resolve_command(ctx, [name, *args[1:]])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.commands_by_name.items()])
