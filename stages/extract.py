"""`erclap extract`: stage one, clips and sentences to frozen features in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.captions.tables import CAPTIONS_FILE, PROMPTS_FILE, all_sentences
from pipeline.config import Params, load_params
from pipeline.feature_store import SPEECH_FEATURES, TEXT_FEATURES, FeatureStore, sentence_key
from pipeline.files import write_csv
from pipeline.gathering import asked_for
from pipeline.manifest import Manifest

if TYPE_CHECKING:
    from pipeline.encoders import SpeechEncoder, TextEncoder
    from pipeline.extraction import Failure

FAILURES_FILE = Path("cache/failures.csv")


@click.command("extract")
def command() -> None:
    """Run both frozen encoders over every clip and sentence that has no feature yet.

    An interrupted run resumes where it was. Clips that fail are listed in cache/failures.csv, and the command
    then ends with exit code 1; the others are stored all the same.
    """
    params = load_params()
    manifest = Manifest.read_clips()
    sentences = all_sentences(CAPTIONS_FILE, PROMPTS_FILE)

    from pipeline.extraction import extract, extract_speech, extract_text

    speech, text = load_encoders(params)
    asked_speech, asked_text = asked_for(params.extract)
    speech_store = FeatureStore(SPEECH_FEATURES, speech.recipe, asked=asked_speech)
    text_store = FeatureStore(TEXT_FEATURES, text.recipe, asked=asked_text)
    for store in (speech_store, text_store):
        store.root.mkdir(parents=True, exist_ok=True)
        store.verify()  # what is damaged is set aside and computed again
    failures = extract(
        extract_speech(manifest, params.prepare.folder, speech, speech_store, workers=params.runtime.threads),
        extract_text(sentences, text, text_store),
    )
    _report_failures(failures, len(manifest))
    for store, wanted in (
        (speech_store, set(manifest.table.column("sha256").unique().to_pylist())),
        (text_store, {sentence_key(sentence) for sentence in sentences}),
    ):
        pruned = store.prune(wanted)
        store.publish()
        click.echo(
            f"{store.root}: {len(wanted)} rows of {store.recipe.feature_size}"
            + (f", {pruned} rows that nothing asks for removed" if pruned else "")
        )


def load_encoders(params: Params) -> tuple[SpeechEncoder, TextEncoder]:
    """Both frozen encoders as the params ask for them."""
    from pipeline.devices import choose_device, torch_dtype
    from pipeline.encoders import SpeechEncoder, TextEncoder

    settings, runtime = params.extract, params.runtime
    device, dtype = choose_device(runtime.device), torch_dtype(settings.compute_dtype)
    speech = SpeechEncoder.from_pretrained(
        settings.speech.model,
        settings.speech.pooling,
        revision=settings.speech.revision,
        padding=settings.speech.padding,
        crop_seconds=settings.speech.crop_seconds,
        device=device,
        dtype=dtype,
        batch_seconds=runtime.batch_seconds,
        compiled=runtime.compile,
    )
    text = TextEncoder.from_pretrained(
        settings.text.model,
        revision=settings.text.revision,
        max_tokens=settings.text.max_tokens,
        device=device,
        dtype=dtype,
        batch_tokens=runtime.batch_tokens,
    )
    return speech, text


def _report_failures(failures: Sequence[Failure], clips: int) -> None:
    """List the clips that could not be encoded, and raise RuntimeError where there are any."""
    FAILURES_FILE.unlink(missing_ok=True)
    if failures:
        write_csv([asdict(failure) for failure in failures], FAILURES_FILE)
        raise RuntimeError(
            f"every clip of the manifest must be encoded, {len(failures)} of {clips} could not: see "
            f"{FAILURES_FILE} (the first: {failures[0].path}: {failures[0].reason}); the others are stored; "
            f"mend them or run `erclap prepare` again"
        )
