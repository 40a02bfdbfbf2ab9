"""Where a frozen encoder's files are, what identifies them, and loading them so that every tensor is used."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pipeline.encoders.asking import ANYBODY, Access
from pipeline.encoders.contents import FORMATS, format_of, parts_of
from pipeline.encoders.conversion import converted
from pipeline.encoders.hub import NAME, Revision, from_hub
from pipeline.encoders.local import BUILTIN, Found, find_here
from pipeline.support import counted

TOLD = 5
"""A message names no more of what does not fit."""


class Checkpoint(Found):
    """A folder with config.json and weights, and what identifies its contents."""

    def weight_files(self) -> list[Path]:
        """The safetensors, one or several; pickled weights are converted to them, once.

        Raises RuntimeError where there are none, or where pickled ones hold anything but tensors.
        """
        names = {path.name for path in self.folder.iterdir()}
        found = format_of(names)
        if found is None:
            raise RuntimeError(
                f"a checkpoint must have {' or '.join(f.whole for f in FORMATS)}, found neither in {self.folder}"
            )
        parts = parts_of(self.folder / found.index) if found.index in names else [found.whole]
        if absent := [part for part in parts if part not in names]:
            raise RuntimeError(
                f"{self.folder} must have the files of {found.index}, has no {', '.join(absent)}"
            )
        files = [self.folder / part for part in parts]
        return [converted(files, self.model)] if found.pickled else files

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, on the CPU, as float32."""
        tensors: dict[str, Tensor] = {}
        for file in self.weight_files():
            try:
                tensors.update(load_file(file))
            except (SafetensorError, FileNotFoundError) as error:
                raise RuntimeError(f"{file} must be a whole safetensors file: {error}") from error
        return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}


def locate(model: str | os.PathLike[str], revision: Revision = None, access: Access = ANYBODY) -> Checkpoint:
    """Find a checkpoint by a builtin name, a local folder or a hub name.

    A hub name is fetched (configuration, tokenizer and weights only; no code) unless its cached copy serves.
    Raises ValueError where nothing is found under the name.
    """
    model = os.fspath(model) if isinstance(model, os.PathLike) else model
    if not isinstance(model, str) or not model:
        raise ValueError(f"a model must be a name or a folder, found {model!r}")
    if revision is not None and model not in BUILTIN and Path(model).is_dir():
        raise ValueError(
            f"a local folder has no revision: remove revision {revision!r} or the folder {model}"
        )
    found = find_here(model)
    if found is None and not NAME.fullmatch(model):
        raise ValueError(
            f"a model must be one of {', '.join(sorted(BUILTIN))}, a folder, or a hub name owner/name; "
            f"found {model!r}, and no such folder"
        )
    found = found or from_hub(model, revision, access)
    return Checkpoint(found.model, found.folder, found.revision)


@contextmanager
def unfilled() -> Iterator[None]:
    """Modules that are made in it have names and shapes and no numbers, which `load_exactly` gives them.

    On the meta device alone numbers would be drawn for nothing, and torch import its compiler for it, for 1.5 s.
    """
    with torch.device("meta"), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    """Leaves a tensor as it is where torch.nn.init would fill it."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == torch.nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def load_exactly(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load a module's weights so that every tensor is used and none is missing.

    Raises RuntimeError that lists what is missing, left over or of another shape or kind of number, and names
    the source.
    """
    wanted = module.state_dict()
    problems = []
    if missing := sorted(wanted.keys() - tensors.keys()):
        problems.append(f"missing {_listing(missing)}")
    if left_over := sorted(tensors.keys() - wanted.keys()):
        problems.append(f"left over {_listing(left_over)}")
    reshaped = [
        f"{name} has shape {tuple(tensors[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in sorted(wanted.keys() & tensors.keys())
        if wanted[name].shape != tensors[name].shape
    ]
    problems += _first(reshaped)
    mistyped = [
        f"{name} is {tensors[name].dtype} instead of {wanted[name].dtype}"
        for name in sorted(wanted.keys() & tensors.keys())
        if wanted[name].is_floating_point() != tensors[name].is_floating_point()
    ]
    problems += _first(mistyped)
    if problems:
        raise RuntimeError(f"every tensor of {source} must fit the model: {'; '.join(problems)}")
    module.load_state_dict(dict(tensors), assign=True)


def _listing(names: Iterable[str]) -> str:
    listed = list(names)
    return f"{counted(len(listed), 'tensor')}: {', '.join(_first(listed))}"


def _first(listed: Sequence[str]) -> list[str]:
    """The first of many, and how many more there are."""
    return [*listed[:TOLD], *([f"and {len(listed) - TOLD} more"] if len(listed) > TOLD else [])]


@contextmanager
def exactly(device: torch.device) -> Iterator[None]:
    """Within this, float32 means float32 on a GPU too, never TF32."""
    if device.type != "cuda":
        yield
        return
    settings: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)  # type: ignore[attr-defined]
    before = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "ieee"
        yield
    finally:
        for setting, precision in zip(settings, before, strict=True):
            setting.fp32_precision = precision
