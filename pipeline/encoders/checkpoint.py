"""Where a frozen encoder's files are, what identifies them, and loading them so that every tensor is used."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.encoders.local import BUILTIN, Found, find_here

INDEX_FILE = "model.safetensors.index.json"
WEIGHTS_FILE = "model.safetensors"
HUB_PATTERNS = ["*.json", "*.safetensors", "*.txt"]


class Checkpoint(Found):
    """A folder with config.json and safetensors, and what identifies its contents."""

    def weight_files(self) -> list[Path]:
        """The safetensors, one or several. Raises RuntimeError where there are none."""
        index = self.folder / INDEX_FILE
        if index.exists():
            try:
                names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise RuntimeError(f"{index} must map tensors to files by 'weight_map': {error!r}") from error
            return [self.folder / Path(name).name for name in names]
        if (self.folder / WEIGHTS_FILE).exists():
            return [self.folder / WEIGHTS_FILE]
        pickled = sorted(path.name for path in self.folder.glob("*.bin"))
        found = f"only {', '.join(pickled)}, which can run code when opened" if pickled else "none"
        raise RuntimeError(
            f"a checkpoint must have {WEIGHTS_FILE}, found {found} in {self.folder}: convert it with "
            f"transformers' save_pretrained, or name a hub revision that has safetensors"
        )

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, on the CPU, as float32."""
        tensors: dict[str, Tensor] = {}
        for file in self.weight_files():
            try:
                tensors.update(load_file(file))
            except (SafetensorError, FileNotFoundError) as error:
                raise RuntimeError(f"{file} must be a whole safetensors file: {error}") from error
        return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}


def locate(model: str, revision: str | None = None) -> Checkpoint:
    """Find a checkpoint by a builtin name, a local folder or a hub name.

    A hub name is fetched (config, tokenizer and safetensors only; no code) unless its cached copy serves.
    Raises ValueError where nothing is found under the name.
    """
    if revision is not None and model not in BUILTIN and Path(model).is_dir():
        raise ValueError(
            f"a local folder has no revision: remove revision {revision!r} or the folder {model}"
        )
    if found := find_here(model):
        return Checkpoint(found.model, found.folder, found.revision)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", model) or model.startswith((".", "/")):
        raise ValueError(
            f"a model must be one of {', '.join(sorted(BUILTIN))}, a folder, or a hub name owner/name; "
            f"found {model!r}, and no such folder"
        )
    return _from_hub(model, revision)


def _from_hub(model: str, revision: str | None) -> Checkpoint:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(model, revision=revision, allow_patterns=HUB_PATTERNS))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"{model!r} must be a folder or a hub name: no such folder, and the hub did not give "
            f"revision {revision or 'main'}: {reason}"
        ) from error
    if not any(folder.glob("*.safetensors")):
        raise RuntimeError(
            f"{model} at {folder.name} must have safetensors, the hub has none there: name a revision that has "
            f"them, or convert it once with transformers' from_pretrained and save_pretrained and name the folder"
        )
    return Checkpoint(model, folder, folder.name)  # the cache names a snapshot's folder by its commit


def load_exactly(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load a module's weights so that every tensor is used and none is missing.

    Raises RuntimeError that lists what is missing, left over or of another shape, and names the source.
    """
    wanted = module.state_dict()
    problems = []
    if missing := sorted(wanted.keys() - tensors.keys()):
        problems.append(f"missing {_listing(missing)}")
    if left_over := sorted(tensors.keys() - wanted.keys()):
        problems.append(f"left over {_listing(left_over)}")
    for name in sorted(wanted.keys() & tensors.keys()):
        if wanted[name].shape != tensors[name].shape:
            problems.append(
                f"{name} has shape {tuple(tensors[name].shape)} instead of {tuple(wanted[name].shape)}"
            )
    if problems:
        raise RuntimeError(f"every tensor of {source} must fit the model: {'; '.join(problems)}")
    module.load_state_dict(dict(tensors), assign=True)


def _listing(names: Iterable[str]) -> str:
    listed = list(names)
    return f"{len(listed)} tensor{'s' if len(listed) != 1 else ''}: {', '.join(listed)}"


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
