"""What runs on the cluster's nodes: clips read in one process, encoded and stored in another.

A block is a table of rows that go together. Whatever becomes of each row is answered, by its number: nothing is
raised, as Ray would end the whole run. A row is answered when it lies in the store, so that whoever asked may die.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import pyarrow as pa

from pipeline.config import Params
from pipeline.recipe import Recipe
from pipeline.support import shown

if TYPE_CHECKING:
    import torch

    from pipeline.audio import Unusable
    from pipeline.encoders import SpeechEncoder, TextEncoder
    from pipeline.features import FeatureStore, Keys, Mask, Read, ShardWriter

ANSWERS = pa.schema({"row": pa.int64(), "reason": pa.string(), "fault": pa.string()})
"""`reason`, where the row failed; `fault`, where nothing more can be done by this process, nor by any other."""

BROKEN_DEVICE = 70
"""Exit code of a process whose GPU computes nothing more for it; another process takes its place."""

Encoder = TypeVar("Encoder", "SpeechEncoder", "TextEncoder")

_NOTHING = np.empty(0, np.float32)


class BrokenDeviceError(Exception):
    """A device computes nothing more for this process."""


@dataclass(frozen=True)
class Place:
    """A store that all nodes reach by the same path."""

    root: Path
    recipe: Recipe
    shared: bool
    """Whether it is the team's."""

    def lacks(self, keys: Keys) -> Mask:
        """For each key whether there is no feature of it, as of a new look at the folder."""
        from pipeline.features import FeatureStore

        return FeatureStore(self.root, self.recipe, shared=self.shared).lacks(keys)

    def open_for(self, encoder: SpeechEncoder | TextEncoder) -> FeatureStore:
        """The store, to append to. Raises RuntimeError where the encoder has another recipe on this node."""
        from pipeline.features import FeatureStore
        from pipeline.support import device_name

        if encoder.recipe != self.recipe:
            raise RuntimeError(
                f"the {self.recipe.modality} encoder must have the recipe {self.recipe.digest} on every node, has "
                f"{encoder.recipe.digest} on this: install the same version of emotionrankclap, and have the same "
                f"checkpoint, everywhere"
            )
        return FeatureStore(self.root, self.recipe, device=device_name(encoder.device), shared=self.shared)


@dataclass(frozen=True)
class ClipReader:
    """Reads a block of clips: row, id, path, sha256 become row, id, path, sha256, waveform, reason."""

    root: Path
    crop_seconds: float

    def __call__(self, block: pa.Table) -> pa.Table:
        from pipeline.features import Read, read_clip

        reads = []
        for clip in block.select(["id", "path", "sha256"]).to_pylist():
            described = clip["id"], clip["path"], clip["sha256"]
            try:
                reads.append(read_clip(self.root, *described, self.crop_seconds))
            except Exception as error:
                reads.append(Read(*described, None, one_line(error)))
        heard = [_NOTHING if read.waveform is None else read.waveform for read in reads]
        offsets = np.cumsum([0, *map(len, heard)], dtype=np.int64)
        waveforms = pa.LargeListArray.from_arrays(offsets, np.concatenate([_NOTHING, *heard]))
        reasons = pa.array([read.reason for read in reads], pa.string())
        return block.append_column("waveform", waveforms).append_column("reason", reasons)


class BlockEncoder(ABC, Generic[Encoder]):
    """Encodes blocks, and stores each as a shard."""

    def __init__(self, params: Params, place: Place) -> None:
        self._params, self._place = params, place
        with suppress(Exception):  # which the first block's answer tells
            self._loaded  # noqa: B018 (a process that dies of it is not made again and again)

    def __call__(self, block: pa.Table) -> pa.Table:
        return answered(block, self._encode)

    @cached_property
    def _loaded(self) -> tuple[Encoder, FeatureStore]:
        _use_given_cpus()
        encoder = self._load()
        return encoder, self._place.open_for(encoder)

    @abstractmethod
    def _load(self) -> Encoder:
        """The encoder, as the params ask for it."""

    @abstractmethod
    def _encode(self, block: pa.Table) -> dict[int, str]:
        """Encode and store a block; the reasons of the rows that failed."""


class ClipEncoder(BlockEncoder["SpeechEncoder"]):
    """Encodes blocks of clips that were read."""

    def _load(self) -> SpeechEncoder:
        from pipeline.encoders import load_speech_encoder

        return load_speech_encoder(self._params)

    def _encode(self, block: pa.Table) -> dict[int, str]:
        from pipeline.audio import SAMPLING_RATE
        from pipeline.features import ShardWriter, encode_read

        (encoder, store), reads = self._loaded, _reads(block)
        lengths = [0.0 if read.waveform is None else len(read.waveform) / SAMPLING_RATE for read in reads]
        batches = [[reads[i] for i in batch] for batch in encoder.batches(lengths)]
        failed, done = [], 0
        with ShardWriter(store) as writer:
            try:
                for part in encode_read(batches, encoder, writer):
                    failed += part
                    done += 1
            except OSError:  # of the store
                raise
            except Exception:
                check_computes(encoder.device)
                for clip in (clip for batch in batches[done:] for clip in batch):
                    failed += _alone(clip, encoder, writer)
        reasons = {clip.id: clip.reason for clip in failed}
        rows, ids = block.column("row").to_pylist(), block.column("id").to_pylist()
        return {row: reasons[name] for row, name in zip(rows, ids, strict=True) if name in reasons}


class SentenceEncoder(BlockEncoder["TextEncoder"]):
    """Encodes blocks of sentences: row, sentence."""

    def _load(self) -> TextEncoder:
        from pipeline.encoders import load_text_encoder

        return load_text_encoder(self._params)

    def _encode(self, block: pa.Table) -> dict[int, str]:
        from pipeline.features import encode_sentences

        encoder, store = self._loaded
        try:
            for _ in encode_sentences(block.column("sentence").combine_chunks(), encoder, store):
                pass
        except Exception:
            check_computes(encoder.device)
            raise
        return {}


def answered(block: pa.Table, encode: Callable[[pa.Table], dict[int, str]]) -> pa.Table:
    """What became of a block's rows, as `ANSWERS`, by a function that returns the reasons of those that failed."""
    rows = block.column("row").to_pylist()
    reasons: dict[int, str] = {}
    fault = None
    try:
        reasons = encode(block)
    except BrokenDeviceError:
        os._exit(BROKEN_DEVICE)  # without a word to anyone: the rows are taken up again, by another process
    except Exception as error:
        fault = f"on node {_node()}: {one_line(error)}"
    return pa.table(
        {"row": rows, "reason": [reasons.get(row) for row in rows], "fault": [fault] * len(rows)}, ANSWERS
    )


def check_computes(device: torch.device) -> None:
    """Raise BrokenDeviceError where a device computes nothing more, as a GPU after an illegal access."""
    import torch

    try:
        torch.ones(1, device=device).sum().item()
    except RuntimeError as error:
        raise BrokenDeviceError(str(error)) from error


def _alone(clip: Read, encoder: SpeechEncoder, writer: ShardWriter) -> list[Unusable]:
    from pipeline.audio import Unusable
    from pipeline.features import encode_read

    try:
        return [failed for part in encode_read([[clip]], encoder, writer) for failed in part]
    except OSError:
        raise
    except Exception as error:
        check_computes(encoder.device)
        return [Unusable(clip.id, clip.path, one_line(error))]


def _reads(block: pa.Table) -> list[Read]:
    from pipeline.features import Read

    heard = block.column("waveform").combine_chunks()
    samples, offsets = heard.values.to_numpy(), heard.offsets.to_numpy()
    texts = block.select(["id", "path", "sha256", "reason"]).to_pylist()
    return [
        # A copy, as torch takes none that cannot be written.
        Read(t["id"], t["path"], t["sha256"], None if t["reason"] else samples[a:b].copy(), t["reason"])
        for t, a, b in zip(texts, offsets[:-1], offsets[1:], strict=True)
    ]


def _use_given_cpus() -> None:
    """Have torch compute with as many threads as Ray gave CPUs to this process."""
    import ray

    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded
    import torch

    given: dict[str, float] = ray.get_runtime_context().get_assigned_resources()  # type: ignore[no-untyped-call]
    torch.set_num_threads(max(1, round(given.get("CPU", 1))))


def _node() -> str:
    import ray

    return str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]


def one_line(error: BaseException) -> str:
    """What went wrong, by its type where its message may mean little alone."""
    told = " ".join(str(error).split())
    return shown(
        told if told and isinstance(error, ValueError | RuntimeError) else f"{type(error).__name__}: {told}"
    )
