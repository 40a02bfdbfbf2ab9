"""`erclap train`: stage two, projection heads on cached features."""

from __future__ import annotations

import time
from dataclasses import asdict, fields

import click

from pipeline.config import Params, load_params, training_settings
from pipeline.methods import METHODS, method


@click.command("train")
@click.option(
    "--method",
    "names",
    multiple=True,
    metavar="METHOD",
    help=f"One of {', '.join(METHODS)}; may be repeated. Without it: those of train.methods.",
)
def command(names: tuple[str, ...]) -> None:
    """Train the two projection heads of a method on the cached features.

    Writes results/models/METHOD/seed-N/: heads.safetensors, config.json and history.csv.
    """
    params = load_params()
    for name in names:
        method(name)
    for name in names or params.train.methods:
        _train_one(name, params)


def _train_one(name: str, params: Params) -> None:
    from pipeline.captions.tables import read_captions
    from pipeline.devices import choose_device
    from pipeline.files import replacing_folder, write_csv
    from pipeline.gathering import gather_pairs, open_stores
    from pipeline.heads import HISTORY_FILE, MODELS_FOLDER, save_heads, seed_folder
    from pipeline.manifest import DEVELOPMENT, TRAIN, Manifest
    from pipeline.training import Epoch, train

    chosen = method(name)
    device = choose_device(params.runtime.device)
    manifest = Manifest.read()
    captions = read_captions(chosen.captions)
    speech, text = open_stores(params.extract)
    training, development = (
        gather_pairs(manifest.split(split), captions, speech, text) for split in (TRAIN, DEVELOPMENT)
    )
    MODELS_FOLDER.mkdir(parents=True, exist_ok=True)  # before the work, not after it
    started = time.monotonic()

    def report(epoch: Epoch) -> None:
        if epoch.epoch == 1 or epoch.epoch % max(params.train.epochs // 5, 1) == 0:
            left = (time.monotonic() - started) / epoch.epoch * (params.train.epochs - epoch.epoch)
            # The first epoch also pays for what is done once.
            remaining = f", {left:.0f} s left" if epoch.epoch > 1 else ""
            click.echo(
                f"{name}: epoch {epoch.epoch}/{params.train.epochs}, training loss {epoch.train_loss:.4f}, "
                f"validation loss {epoch.validation_loss:.4f}, temperature {epoch.temperature:.3f}"
                f"{remaining}"
            )

    about = {
        "method": name,
        "settings": training_settings(params),
        "speech_recipe": asdict(speech.recipe),
        "text_recipe": asdict(text.recipe),
    }
    columns = [field.name for field in fields(Epoch)]
    with replacing_folder(MODELS_FOLDER / name) as folder:
        for seed in params.train.seed_range:
            settings = params.train.model_copy(update={"seed": seed})
            trained = train(chosen.loss, training, development, settings, device=device, report=report)
            best = asdict(trained.best) if trained.best else None
            to = folder / seed_folder(name, seed).name
            save_heads(trained.heads, to, about | {"seed": seed, "best_epoch": best})
            write_csv([asdict(epoch) for epoch in trained.history], to / HISTORY_FILE, columns)
            kept = "heads as they are before training"
            if trained.best is not None:
                kept = f"kept epoch {trained.best.epoch}, validation loss {trained.best.validation_loss:.4f}"
            click.echo(f"{name}, seed {seed}: {kept}; {time.monotonic() - started:.1f} s")
