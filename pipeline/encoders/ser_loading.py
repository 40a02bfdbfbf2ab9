"""A SERModel built by what its checkpoint says of it, and loaded so that every tensor is used."""

from __future__ import annotations

from dataclasses import fields

from pipeline.encoders.checkpoint import Checkpoint, load_exactly, unfilled
from pipeline.encoders.contents import CONFIG
from pipeline.encoders.published import WavLM
from pipeline.encoders.ser import SERConfig, SERModel
from pipeline.encoders.settings import (
    BACKBONE,
    SPEECH,
    check_heads,
    check_settings,
    check_type,
    described_by,
)
from pipeline.encoders.wavlm import check_covered


def load_ser_model(checkpoint: Checkpoint) -> SERModel:
    """Build and load a SERModel. Raises RuntimeError where config.json or the tensors do not fit."""
    written = checkpoint.config
    check_type(written, "ser", "speech", checkpoint.folder)
    known = {field.name for field in fields(SERConfig)}
    file = checkpoint.folder / CONFIG
    check_settings(written, SPEECH, file)
    check_settings(written.get("ssl_config") or {}, BACKBONE, file, "ssl_config.")
    with described_by(file, "SERModel"):
        config = SERConfig(**{name: value for name, value in written.items() if name in known})
        backbone = config.backbone()
        check_heads(backbone.hidden_size, backbone.num_attention_heads, file, "ssl_config.")
        check_covered(backbone)
    tensors = {_today(name): tensor for name, tensor in checkpoint.tensors().items()}
    # The weights come from the file, so none are drawn.
    with described_by(file, "SERModel"), unfilled():
        model = SERModel(config, WavLM(backbone, masked="ssl_model.masked_spec_embed" in tensors))
    load_exactly(model, tensors, str(checkpoint.folder))
    return model


def _today(name: str) -> str:
    """Older torch named the two parts of a weight norm weight_g and weight_v."""
    return name.replace("conv.weight_g", "conv.parametrizations.weight.original0").replace(
        "conv.weight_v", "conv.parametrizations.weight.original1"
    )
