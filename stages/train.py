"""`erclap train`: stage two, projection heads on cached features."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, fields
from statistics import fmean
from typing import TYPE_CHECKING

import click

from pipeline.config import Params, load_params
from pipeline.methods import METHODS, learns_from_plane, method, settings_of, training_settings

if TYPE_CHECKING:
    from pipeline.training import Epoch


@click.command("train")
@click.option(
    "--method",
    "names",
    multiple=True,
    metavar="METHOD",
    shell_complete=lambda ctx, param, typed: [name for name in METHODS if name.startswith(typed)],
    help=f"One of {', '.join(METHODS)}; may be repeated. Without it: those of train.methods.",
)
def command(names: tuple[str, ...]) -> None:
    """Train the two projection heads of a method on the cached features, from each of the seeds.

    Writes results/models/METHOD/seed-N/: heads.safetensors, config.json and history.csv.
    """
    params = load_params()
    for name in names:
        method(name)
    for name in names or params.train.methods:
        _train_one(name, params)


def _train_one(name: str, params: Params) -> None:
    from pipeline.features import gather_plane, open_pairs, open_stores
    from pipeline.manifest import DEVELOPMENT, TRAIN, Manifest
    from pipeline.sentences import read_captions, read_learnt, read_plane
    from pipeline.support import choose_device, replacing_folder, write_csv
    from pipeline.training import HISTORY_FILE, MODELS_FOLDER, Epoch, save_heads, seed_folder, train

    chosen = method(name)
    device = choose_device(params.runtime.device)
    manifest = Manifest.read()
    labels = manifest.labels_digest()
    captions = read_captions(chosen.captions, labels=labels)
    speech, text = open_stores(params.extract)
    training, development = (
        open_pairs(
            manifest.split(split),
            captions,
            speech,
            text,
            memory=params.train.memory_gb * 1e9 / 2,
            batch_size=params.train.batch_size,
        )
        for split in (TRAIN, DEVELOPMENT)
    )
    MODELS_FOLDER.mkdir(parents=True, exist_ok=True)  # before the work, not after it
    started = time.monotonic()
    trained = train(
        chosen.loss,
        training,
        development,
        settings_of(params.train, name),
        plane=gather_plane(read_plane(), text) if learns_from_plane(params.train, name) else None,
        device=device,
        report=_reporter(name, params.train.epochs),
        cuda_graphs=params.runtime.cuda_graphs,
    )
    about = {
        "method": name,
        "labels": labels,
        "learnt": read_learnt(name),
        "settings": training_settings(params.train, name),
        "speech_recipe": speech.recipe.to_dict(),
        "text_recipe": text.recipe.to_dict(),
    }
    columns = [field.name for field in fields(Epoch)]
    with replacing_folder(MODELS_FOLDER / name) as folder:
        for one in trained:
            to = folder / seed_folder(name, one.seed).name
            best = asdict(one.best) if one.best else None
            save_heads(one.heads, to, about | {"seed": one.seed, "best_epoch": best})
            write_csv([asdict(epoch) for epoch in one.history], to / HISTORY_FILE, columns)
    for one in trained:
        kept = "heads as they are before training"
        if one.best is not None:
            kept = f"kept epoch {one.best.epoch}, validation loss {one.best.validation_loss:.4f}"
        click.echo(f"{name}, seed {one.seed}: {kept}")
    click.echo(f"{name}: {time.monotonic() - started:.1f} s")


def _reporter(name: str, epochs: int) -> Callable[[list[Epoch]], None]:
    """Tells of the first epoch and of every fifth part of all; losses are means over the seeds."""
    from pipeline.support import progress_wanted

    started = time.monotonic()

    def report(seeds: list[Epoch]) -> None:
        number = seeds[0].epoch
        if progress_wanted() and (number == 1 or number % max(epochs // 5, 1) == 0):
            left = (time.monotonic() - started) / number * (epochs - number)
            # The first epoch also pays for what is done once.
            remaining = f", {left:.0f} s left" if number > 1 else ""
            click.echo(
                f"{name}: epoch {number}/{epochs}, training loss {fmean(e.train_loss for e in seeds):.4f}, "
                f"validation loss {fmean(e.validation_loss for e in seeds):.4f}, "
                f"temperature {fmean(e.temperature for e in seeds):.3f}{remaining}"
            )

    return report
