"""What several tests build: checkpoints in the public formats with random weights, and audio files."""

from __future__ import annotations

import fcntl
import functools
import gc
import json
import os
import shutil
import signal
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

if TYPE_CHECKING:
    from torch import Tensor

# What is imported stays: looking through it again and again is a fifth of what importing takes.
gc.disable()
# A suite that a script runs in the background starts with Ctrl-C ignored, and so would the processes of its tests.
signal.signal(signal.SIGINT, signal.default_int_handler)

LONGEST = (
    "stages/test_dvc.py",
    "stages/test_sharing.py",
    "features/test_killed.py",
    "scale/test_ray_cluster.py",
    "encoders/test_published_speech.py",
    "stages/test_commands.py",
    "captions/llm/test_asking.py",
    "encoders/test_hub.py",
    "captions/test_measuring.py",
    "test_wheel.py",
)
"""The files that take longest, longest first: begun last, one would keep a process busy after all others."""


def pytest_collection_finish() -> None:
    """In each process that runs tests, before the first; the one that hands them out loads no torch."""
    import torch

    # One where several processes share the cores, since threads would wait for each other.
    torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)
    gc.freeze()
    gc.set_threshold(10_000)  # a test leaves little, and what fixtures keep is looked through each time
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; all else stays in its order."""
    rank = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(LONGEST)))


SMALL_BACKBONE: dict[str, Any] = {
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": [32] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "num_buckets": 32,
    "max_bucket_distance": 80,
}


def write_ser_checkpoint(folder: Path, backbone: dict[str, Any] | None, seed: int = 0) -> Path:
    """A SERModel with random weights; `backbone` None is the public full size."""
    import torch
    from safetensors.torch import save_file

    from pipeline.encoders.checkpoint import unfilled
    from pipeline.encoders.published import WavLM
    from pipeline.encoders.ser import SERConfig, SERModel

    torch.manual_seed(seed)
    written: dict[str, Any] = {
        "architectures": ["SERModel"],
        "model_type": "ser",
        "ssl_type": "microsoft/wavlm-large" if backbone is None else "small",
        "hidden_size": 1024 if backbone is None else backbone["hidden_size"],
        "num_classes": 3,
        "classifier_hidden_layers": 1,
        "classifier_dropout_prob": 0.5,
        "mean": -8.278621631819787e-05,
        "std": 0.08485510250851999,
    }
    if backbone is not None:
        written["ssl_config"] = backbone
    known = {name: value for name, value in written.items() if name not in {"architectures", "model_type"}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(written))
    with unfilled() if backbone is None else nullcontext():
        config = SERConfig(**known)
        tensors = SERModel(config, WavLM(config.backbone(), masked=True)).state_dict()
    if backbone is None:
        write_repeated_noise(tensors, folder / "model.safetensors")
    else:
        save_file({name: t.contiguous() for name, t in tensors.items()}, folder / "model.safetensors")
    return folder


def write_repeated_noise(tensors: dict[str, Tensor], file: Path) -> None:
    """Weights of these shapes, of a million random numbers, as to draw and to hold 300 million takes seconds.

    Their number is prime, so that no two rows of a matrix are the same. Norms are about one.
    """
    sizes = [tensor.numel() for tensor in tensors.values()]
    once = np.random.default_rng(0).standard_normal(1_000_003, dtype=np.float32)
    noise = np.resize(once, max(sizes) + 1_009 * len(sizes))
    scaled = functools.cache(lambda scale: (scale * noise).astype(np.float32))
    header, end = {}, 0
    for (name, tensor), size in zip(tensors.items(), sizes, strict=True):
        header[name] = {"dtype": "F32", "shape": [*tensor.shape], "data_offsets": [end, end + 4 * size]}
        end += 4 * size
    described = json.dumps(header).encode()
    with file.open("wb") as opened:
        opened.write(len(described).to_bytes(8, "little") + described)
        for number, ((name, tensor), size) in enumerate(zip(tensors.items(), sizes, strict=True)):
            scale = 0.1 if tensor.dim() == 1 else min(0.125, (size / len(tensor)) ** -0.5)
            values = scaled(scale)[1_009 * number :][:size]
            opened.write(values + np.float32(1) if name.endswith("norm.weight") else values)


def write_text_checkpoint(folder: Path, seed: int = 0) -> Path:
    """A small RoBERTa classifier with random weights and a tokenizer of single bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForSequenceClassification

    torch.manual_seed(seed)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(special + alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        sep_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
    ).save_pretrained(folder)
    config = RobertaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=130,
        type_vocab_size=1,
        num_labels=7,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    RobertaForSequenceClassification(config).save_pretrained(folder)
    return folder


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first of the suite's processes to need it has made, and that nobody changes."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # of all processes
    folder, made = base / name, base / f"{name}.made"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def speech_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "speech", lambda folder: write_ser_checkpoint(folder, SMALL_BACKBONE))


@pytest.fixture(scope="session")
def text_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "text", write_text_checkpoint)


@pytest.fixture
def noise() -> Callable[[float], np.ndarray]:
    """Seeded noise of a length in seconds, at 16 kHz."""

    def make(seconds: float, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng([seed, round(seconds * 16_000)])
        return (0.1 * rng.standard_normal(round(seconds * 16_000))).astype(np.float32)

    return make


@pytest.fixture
def write_audio(noise: Callable[..., np.ndarray]) -> Callable[..., Path]:
    """Write seeded noise as an audio file of any rate and format."""

    def write(
        path: Path, seconds: float = 1.0, *, rate: int = 16_000, channels: int = 1, seed: int = 0
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = noise(seconds * rate / 16_000, seed)
        soundfile.write(path, np.stack([samples] * channels, axis=1), rate)
        return path

    return write
