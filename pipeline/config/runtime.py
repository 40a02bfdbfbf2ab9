"""runtime: how it is run, which changes no result."""

from __future__ import annotations

import os
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from pipeline.config.section import Count, Positive, Section


class LlmRuntime(Section):
    """How a language model is asked. Its key is in OPENAI_API_KEY and nowhere else."""

    base_url: str | None = None
    """The endpoint; OPENAI_BASE_URL where it is None, and OpenAI's own where that is not set either."""
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 8
    """Requests under way at once."""
    max_retries: Annotated[int, Field(ge=0, le=100)] = 6
    """Of a request that got no answer: busy, failing, or out of reach."""
    timeout_seconds: Positive = 120.0
    batch: bool = False
    """Ask by the batch API, which OpenAI answers within a day at a lower price."""
    poll_seconds: Positive = 30.0
    """Between two looks at a batch."""
    price_per_million_input_tokens: Annotated[float, Field(ge=0)] | None = None
    """What you pay, for the estimate alone."""
    price_per_million_output_tokens: Annotated[float, Field(ge=0)] | None = None

    @field_validator("base_url")
    @classmethod
    def _url(cls, url: str | None) -> str | None:
        return None if url is None else check_base_url(url, "base_url")


def check_base_url(url: str, name: str) -> str:
    """Raise ValueError unless it is an address of http or https with no name, password or query in it.

    The address is shown in messages, so that no secret may be in it; one that is refused is not shown.
    """
    try:
        parts = urlsplit(url)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        whole, parts = False, None
    if parts is not None and (parts.username or parts.password or parts.query or parts.fragment):
        raise ValueError(
            f"{name} must hold no name, password or query, found one: the key goes into OPENAI_API_KEY"
        )
    if not whole:
        raise ValueError(f"{name} must be an address such as http://localhost:8000/v1, found another thing")
    return url


class RayRuntime(Section):
    """How `--engine ray` spreads its work over a cluster."""

    encoders: Count | Literal["auto"] = "auto"
    """Processes that encode: as many as there are GPUs, or as the cluster's CPUs have room for."""
    encoder_cpus: Count | Literal["auto"] = "auto"
    """CPUs of each: one beside a GPU; otherwise 8, or what the smallest node has."""
    reader_cpus: Annotated[float, Field(gt=0, le=64)] = 1.0
    """Of each process that reads clips; as many of them run as there is room for beside the encoders."""
    rows: Annotated[int, Field(ge=1, le=4096)] = 256
    """Clips that are read, encoded and stored together: all that a process which dies takes with it."""


class Runtime(Section):
    """How, not what: no stage depends on these."""

    device: str = "auto"
    """The GPU where there is one, or cpu, cuda or cuda:N."""
    workers: int | Literal["auto"] = "auto"
    """Threads that read audio and that solve trials: as many as there are cores, 8 at most."""
    inspect: bool = True
    """Have every `dvc repro` look whether the corpus has changed; off where a look at each file takes long."""
    clip_seconds: Positive = 60.0
    """What a clip may take to be decoded, and a second more a MB, or to be measured; then it is given up."""
    batch_seconds: Positive = 320.0
    """Padded speech that goes through the encoder at once on a GPU; on a CPU every clip goes alone."""
    batch_tokens: Count = 8192
    """Padded tokens that go through the encoder at once on a GPU; on a CPU every sentence goes alone."""
    compile: bool = False
    """Have torch compile the speech encoder's norms and the gating of its position bias. Meant for a GPU."""
    cuda_graphs: bool = True
    """Replay a training step on a GPU as one graph."""
    store: str | None = None
    """The team's store of features, a shared folder; ERCLAP_STORE, where it is set, comes before it."""
    llm: LlmRuntime = LlmRuntime()
    ray: RayRuntime = RayRuntime()

    @field_validator("device")
    @classmethod
    def _device(cls, name: str) -> str:
        if re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
            return name
        raise ValueError(f"must be auto, cpu, cuda or cuda:N, found {name!r}")

    @field_validator("workers", mode="before")
    @classmethod
    def _counted(cls, workers: object) -> object:
        if workers == "auto" or (type(workers) is int and workers >= 1):
            return workers
        raise ValueError(f"must be auto or a whole number from 1, found {workers!r}")

    @property
    def threads(self) -> int:
        """How many workers that is on this machine."""
        if self.workers != "auto":
            return self.workers
        allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(8, allowed)
