"""`erclap train` on a Ray cluster: each seed of each method is a task, which reads the features by itself."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import chdir
from pathlib import Path

from pipeline.config import PARAMS_FILE, Params
from pipeline.features import RECIPE_FILE, SPEECH_FEATURES, TEXT_FEATURES
from pipeline.manifest import MANIFEST_FILE
from pipeline.scale.ray_calls import ONE_THREAD, Call, called, gpus_a_call
from pipeline.scale.ray_cluster import ask_every_node, joined
from pipeline.sentences import CAPTIONS_FILE, LEARNT_FOLDER, PLANE_FILE
from pipeline.training import Trained

READ = (
    PARAMS_FILE,
    MANIFEST_FILE,
    CAPTIONS_FILE,
    PLANE_FILE,
    SPEECH_FEATURES / RECIPE_FILE,
    TEXT_FEATURES / RECIPE_FILE,
)
"""What tells a project's features, labels and captions, with the files of LEARNT_FOLDER."""


def train_on_ray(
    train_seeds: Callable[[str, Params], list[Trained]],
    methods: Sequence[str],
    params: Params,
    address: str | None,
) -> Generator[tuple[str, list[Trained]]]:
    """Each method with the heads of all its seeds, as soon as all of them are trained.

    `train_seeds` is a module's function that trains a method's seeds of the params; a task has one of them, and
    works in this project's folder. The cluster is that of `joined`. Raises as `joined` and `called` do, and
    RuntimeError where a node does not have the project.
    """
    project = Path.cwd()
    jobs = [(name, seed) for name in methods for seed in params.train.seed_range]
    with joined(address) as cluster:
        gpus = gpus_a_call(cluster, params.runtime)
        ask_every_node(cluster, has_project, project, contents(project))
        runtime = params.runtime.model_copy(update={"device": "cuda" if gpus else "cpu"})
        calls = []
        for name, seed in jobs:
            train = params.train.model_copy(update={"seed": seed, "seeds": 1})
            alone = params.model_copy(update={"train": train, "runtime": runtime})
            calls.append(Call(f"{name}, seed {seed}", in_project, (project, train_seeds, name, alone)))
        trained: dict[str, dict[int, Trained]] = {name: {} for name in methods}
        for number, (one,) in called(calls, cluster, ONE_THREAD, gpus=gpus):
            name, seed = jobs[number]
            trained[name][seed] = one
            if len(trained[name]) == len(params.train.seed_range):
                yield name, [trained[name][seed] for seed in params.train.seed_range]


def in_project(
    project: Path, train_seeds: Callable[[str, Params], list[Trained]], name: str, params: Params
) -> list[Trained]:
    """As `train_seeds`, in the project's folder."""
    os.environ["ERCLAP_QUIET"] = "1"
    with chdir(project):
        return train_seeds(name, params)


def contents(project: Path) -> dict[str, str]:
    """The files of a project that are read and are there, with a digest of each."""
    digests = {}
    for path in (*(project / file for file in READ), *sorted((project / LEARNT_FOLDER).glob("*.json"))):
        if path.is_file():
            with path.open("rb") as file:
                digests[str(path.relative_to(project))] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def has_project(project: Path, expected: Mapping[str, str]) -> str:
    """What is wrong with the project's folder on this node, or nothing."""
    if not project.is_dir():
        return f"must have the project's folder {project}, has no such folder: mount it there"
    found = contents(project)
    others = [name for name in sorted({*expected, *found}) if found.get(name) != expected.get(name)]
    if others:
        return (
            f"must have in {project} what is there on the machine that asks, has other files: "
            f"{', '.join(others)}"
        )
    return ""
