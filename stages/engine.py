"""The options that say where a command's work is done: on this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import click


class Engine(NamedTuple):
    """What does the work."""

    ray: bool
    address: str | None = None
    """Of a Ray cluster; None for that of RAY_ADDRESS, or one of this machine's own."""


LOCAL = Engine(ray=False)


def on_engine(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --engine and --ray-address, as its argument `engine`."""

    @click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="This machine, or a Ray cluster.",
    )
    @click.option(
        "--ray-address", metavar="HOST:PORT", help="The cluster's; RAY_ADDRESS where it is not given."
    )
    @wraps(command)
    def on_one(*args: Any, engine: str, ray_address: str | None, **options: Any) -> None:
        if ray_address is not None and engine != "ray":
            raise ValueError("--ray-address needs --engine ray")
        command(*args, engine=Engine(engine == "ray", ray_address), **options)

    return on_one
