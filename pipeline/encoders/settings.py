"""What a checkpoint's config.json must say, told by the field: a library says it by a traceback, or much later."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.encoders.roberta import ACTIVATIONS
from pipeline.support import shown

LARGEST = 1 << 24
"""No layer is so wide and no vocabulary so large."""

MOST_LAYERS = 1024


@dataclass(frozen=True)
class Rule:
    """What a field must be, in words and as a test."""

    words: str
    holds: Callable[[Any], bool]


def _whole(low: int, high: int) -> Rule:
    return Rule(f"a whole number from {low} to {high}", lambda v: type(v) is int and low <= v <= high)


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(float(str(value)))


SIZE = _whole(1, LARGEST)
LAYERS = _whole(1, MOST_LAYERS)
NUMBER = Rule("a finite number", _is_number)
POSITIVE = Rule("a number above 0", lambda v: _is_number(v) and v > 0)
SHARE = Rule("a number from 0 to 1", lambda v: _is_number(v) and 0 <= v <= 1)
SWITCH = Rule("true or false", lambda v: type(v) is bool)
ACTIVATION = Rule(f"one of {', '.join(ACTIVATIONS)}", lambda v: type(v) is str and v in ACTIVATIONS)
SIZES = Rule(
    "a list of as many whole numbers from 1 on as there are convolutions",
    lambda v: type(v) in (list, tuple) and 0 < len(v) <= MOST_LAYERS and all(map(SIZE.holds, v)),
)

Rules = Mapping[str, Rule]

TEXT: Rules = {
    **dict.fromkeys(("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size"), SIZE),
    **dict.fromkeys(("max_position_embeddings", "type_vocab_size"), SIZE),
    "num_hidden_layers": LAYERS,
    "layer_norm_eps": POSITIVE,
    "hidden_act": ACTIVATION,
    "pad_token_id": _whole(0, LARGEST),
    "is_decoder": Rule("false", lambda v: v is False),
    "add_cross_attention": Rule("false", lambda v: v is False),
    "chunk_size_feed_forward": Rule("0", lambda v: v == 0),
    **dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), SHARE),
}

SPEECH: Rules = {
    **dict.fromkeys(("hidden_size", "num_classes"), SIZE),
    "classifier_hidden_layers": LAYERS,
    "classifier_dropout_prob": SHARE,
    "mean": NUMBER,
    "std": POSITIVE,
    "ssl_type": Rule("a name", lambda v: type(v) is str),
    "ssl_config": Rule("an object", lambda v: v is None or type(v) is dict),
}

BACKBONE: Rules = {
    **dict.fromkeys(("hidden_size", "num_attention_heads", "intermediate_size", "num_buckets"), SIZE),
    **dict.fromkeys(
        ("max_bucket_distance", "num_conv_pos_embeddings", "num_conv_pos_embedding_groups"), SIZE
    ),
    **dict.fromkeys(("conv_dim", "conv_kernel", "conv_stride"), SIZES),
    **dict.fromkeys(("conv_bias", "do_stable_layer_norm", "add_adapter"), SWITCH),
    **dict.fromkeys(("hidden_act", "feat_extract_activation"), ACTIVATION),
    "num_hidden_layers": LAYERS,
    "layer_norm_eps": POSITIVE,
}


def check_type(written: Mapping[str, Any], kind: str, modality: str, folder: Path) -> None:
    """Raise RuntimeError unless a config.json says that its model is of this kind."""
    if written.get("model_type") != kind:
        raise RuntimeError(
            f"a {modality} encoder's config.json must say model_type {kind!r}, "
            f"found {shown(repr(written.get('model_type')))} in {folder}"
        )


def check_settings(written: Mapping[str, Any], rules: Rules, file: Path, within: str = "") -> None:
    """Raise RuntimeError, with file, field and value, for the first field that is not as it must be.

    A field that is not written has its default.
    """
    for name, rule in rules.items():
        if name in written and not rule.holds(written[name]):
            raise RuntimeError(
                f"{file}: {within}{name} must be {rule.words}, found {shown(repr(written[name]))}"
            )


def check_heads(hidden_size: int, heads: int, file: Path, within: str = "") -> None:
    """Raise RuntimeError unless the heads of attention share the hidden size evenly."""
    if hidden_size % heads:
        raise RuntimeError(
            f"{file}: {within}num_attention_heads must divide hidden_size {hidden_size}, found {heads}"
        )


@contextmanager
def described_by(file: Path, kind: str) -> Iterator[None]:
    """Have whatever goes wrong while a model is built from a config.json name that file, in a line."""
    try:
        yield
    except RuntimeError as error:
        if str(file) in str(error):
            raise
        raise _undescribed(file, kind, error) from error
    except Exception as error:  # libraries raise of all kinds
        raise _undescribed(file, kind, error) from error


def _undescribed(file: Path, kind: str, error: Exception) -> RuntimeError:
    return RuntimeError(
        f"{file} does not describe a {kind}: {shown(' '.join(str(error).split()) or repr(error))}"
    )
