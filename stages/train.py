"""`erclap train`: stage two, projection heads on cached features."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, fields
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from pipeline.config import Params, load_params
from pipeline.methods import METHODS, learns_from_plane, method, settings_of, training_settings
from stages.engine import Engine, on_engine

if TYPE_CHECKING:
    import torch

    from pipeline.features import FeatureStore
    from pipeline.manifest import Manifest
    from pipeline.sentences import PlaneCaptions
    from pipeline.training import Epoch, Ranks, Trained


@click.command("train")
@click.option(
    "--method",
    "names",
    multiple=True,
    metavar="METHOD",
    shell_complete=lambda ctx, param, typed: [name for name in METHODS if name.startswith(typed)],
    help=f"One of {', '.join(METHODS)}; may be repeated. Without it: those of train.methods.",
)
@on_engine
def command(names: tuple[str, ...], engine: Engine) -> None:
    """Train the two projection heads of a method on the cached features, from each of the seeds.

    Writes results/models/METHOD/seed-N/: heads.safetensors, config.json and history.csv.

    As `torchrun --nproc-per-node N -m stages.cli train` its N processes compute every batch together, each on a
    GPU of its own where there are any.

    --engine ray trains every seed of every method at once, as far as a Ray cluster has room: that at the address,
    or one of this machine's own. The project must lie under the same path on all nodes.
    """
    from pipeline.training import launched_ranks

    with launched_ranks() as ranks:
        params = load_params()
        for name in names:
            method(name)
        chosen = names or params.train.methods
        if engine.ray and ranks is not None:
            raise ValueError("--engine ray must be asked for by one process, found several ranks of torchrun")
        if engine.ray:
            _train_on_ray(chosen, params, engine.address)
            return
        for name in chosen:
            _train_one(name, params, ranks)


def _train_on_ray(names: Sequence[str], params: Params, address: str | None) -> None:
    from pipeline.scale import train_on_ray
    from pipeline.training import MODELS_FOLDER

    started = time.monotonic()
    opened = {name: _open(name, params) for name in names}
    MODELS_FOLDER.mkdir(parents=True, exist_ok=True)
    for name, trained in train_on_ray(_train_quietly, names, params, address):
        _write(opened[name], trained)
        click.echo(f"{name}: {time.monotonic() - started:.1f} s")


def _train_quietly(name: str, params: Params) -> list[Trained]:
    return _train_seeds(_open(name, params), params, None)


def _train_one(name: str, params: Params, ranks: Ranks | None) -> None:
    from pipeline.training import MODELS_FOLDER

    started = time.monotonic()
    opened = _open(name, params)
    if ranks is not None:
        ranks.check_alike("clips, features, labels, captions and settings", *opened.described())
    if ranks is None or ranks.first:
        MODELS_FOLDER.mkdir(parents=True, exist_ok=True)  # before the work, not after it
    trained = _train_seeds(opened, params, ranks)
    if ranks is None or ranks.first:
        _write(opened, trained)
        click.echo(f"{name}: {time.monotonic() - started:.1f} s")


class _Opened(NamedTuple):
    """What a method is trained on."""

    name: str
    manifest: Manifest
    captions: dict[str, str]
    plane: PlaneCaptions | None
    """None for a method that does not learn from it."""
    stores: tuple[FeatureStore, FeatureStore]
    about: dict[str, Any]
    """What config.json tells of it."""

    def described(self) -> Iterator[object]:
        """All that decides what heads come out, in values of JSON."""
        yield self.about
        yield from (self.manifest.strings("id"), self.manifest.strings("sha256"), self.captions)
        if self.plane is not None:
            yield from (self.plane.texts, self.plane.labels.tolist())


def _open(name: str, params: Params) -> _Opened:
    from pipeline.features import open_stores
    from pipeline.manifest import Manifest
    from pipeline.sentences import read_captions, read_learnt, read_plane

    manifest = Manifest.read()
    labels = manifest.labels_digest()
    captions = read_captions(method(name).captions, labels=labels)
    plane = read_plane() if learns_from_plane(params.train, name) else None
    speech, text = open_stores(params.extract)
    about = {
        "method": name,
        "labels": labels,
        "learnt": read_learnt(name),
        "settings": training_settings(params.train, name),
        "speech_recipe": speech.recipe.to_dict(),
        "text_recipe": text.recipe.to_dict(),
    }
    return _Opened(name, manifest, captions, plane, (speech, text), about)


def _train_seeds(opened: _Opened, params: Params, ranks: Ranks | None) -> list[Trained]:
    """The heads of each seed of the params."""
    from pipeline.features import gather_plane, open_pairs
    from pipeline.manifest import DEVELOPMENT, TRAIN
    from pipeline.support import WHOLE
    from pipeline.training import train

    name = opened.name
    training, development = (
        open_pairs(
            opened.manifest.split(split),
            opened.captions,
            *opened.stores,
            memory=params.train.memory_gb * 1e9 / 2,
            batch_size=params.train.batch_size,
            share=WHOLE if ranks is None else ranks.share,
        )
        for split in (TRAIN, DEVELOPMENT)
    )
    plane = None if opened.plane is None else gather_plane(opened.plane, opened.stores[1])
    tells = ranks is None or ranks.first
    return train(
        method(name).loss,
        training,
        development,
        settings_of(params.train, name),
        plane=plane,
        device=_device(params, ranks),
        report=_reporter(name, params.train.epochs) if tells else lambda epochs: None,
        cuda_graphs=params.runtime.cuda_graphs,
        ranks=ranks,
    )


def _device(params: Params, ranks: Ranks | None) -> torch.device:
    """A rank's own GPU, or what one process computes on."""
    from pipeline.support import choose_device
    from pipeline.training import local_rank

    chosen = choose_device(params.runtime.device)
    if ranks is None or chosen.type == "cpu":
        return chosen
    if chosen.index is not None:
        raise ValueError(
            f"runtime.device must be auto, cuda or cpu where several ranks train, each on a GPU of its own, "
            f"found {params.runtime.device!r}"
        )
    return choose_device(f"cuda:{local_rank()}")


def _write(opened: _Opened, trained: list[Trained]) -> None:
    """Replace the method's heads by these, all of them or none, and tell of each."""
    from pipeline.support import replacing_folder, write_csv
    from pipeline.training import HISTORY_FILE, MODELS_FOLDER, Epoch, save_heads, seed_folder

    name = opened.name
    columns = [field.name for field in fields(Epoch)]
    with replacing_folder(MODELS_FOLDER / name) as folder:
        for one in trained:
            to = folder / seed_folder(name, one.seed).name
            best = asdict(one.best) if one.best else None
            save_heads(one.heads, to, opened.about | {"seed": one.seed, "best_epoch": best})
            write_csv([asdict(epoch) for epoch in one.history], to / HISTORY_FILE, columns)
    for one in trained:
        kept = "heads as they are before training"
        if one.best is not None:
            kept = f"kept epoch {one.best.epoch}, validation loss {one.best.validation_loss:.4f}"
        click.echo(f"{name}, seed {one.seed}: {kept}")


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
