"""`extract --part`: parts at once on one store come to what a plain run does, and none is in another's way."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import load_params
from pipeline.encoders import SpeechEncoder, TextEncoder, planned_recipes
from pipeline.features import FeatureStore, extraction, packed_column
from pipeline.features.shards import folder as shard_folder, rows
from pipeline.manifest import Manifest
from pipeline.scale import parts, plan_part
from pipeline.sentences import sentence_column
from pipeline.support import Part
from tests.imports import ROOT
from tests.scale.conftest import CLIPS
from tests.stages.conftest import warm
from tests.stages.test_commands import erclap
from tests.stages.warm import Running

__all__ = ["warm"]  # a fixture

DIES_AFTER = """
import os, signal, sys
from pathlib import Path
from pipeline.features import extraction
from pipeline.features.store import FeatureStore
extraction.SHARD_ROWS = 2
extraction.SENTENCES_AT_ONCE = 2
left, append = int(sys.argv[1]), FeatureStore.append
def counting(store, keys, features):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return append(store, keys, features)
FeatureStore.append = counting
from stages.cli import main
main(sys.argv[2:])
"""
"""A command that is killed when it is about to write its so manieth shard."""


def start(project: Path, dies_at: int, *words: str) -> Running:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return Running(project, DIES_AFTER, str(dies_at), *words, env=environment, program="-c")


def stored(team: Path) -> Counter[bytes]:
    """How often each key is in the shards of a store."""
    found: Counter[bytes] = Counter()
    for recipe in (path for path in team.iterdir() if path.is_dir()):
        for shard in shard_folder.ShardFolder(recipe, shared=True).refresh():
            found.update(bytes(key) for key in shard.keys.view("V32").tolist())
    return found


def well(project: Path, *words: str) -> str:
    answer = erclap(project, *words)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.fixture
def compute_nothing(monkeypatch) -> Callable[[], None]:
    """From when it is called on, computing a feature fails the test."""

    def forbid() -> None:
        monkeypatch.setattr(SpeechEncoder, "_start", lambda *_: pytest.fail("a feature was computed"))
        monkeypatch.setattr(TextEncoder, "encode", lambda *_: pytest.fail("a feature was computed"))

    return forbid


def test_parts_at_once_one_of_them_killed_and_a_last_extract_come_to_a_plain_run(
    project, plain, team, compute_nothing, warm
):
    processes = [start(project, dies_at, "extract", "--part", f"{i}/2") for i, dies_at in ((1, 4), (2, 1000))]
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [-signal.SIGKILL, 0], said
    kept = stored(team)
    assert set(kept.values()) == {1}
    ours = Part(1, 2).holds(np.array(list(kept), "S32"))
    assert ours.sum() == 6, "three shards of two rows are there, and the one in flight is not"
    told = json.loads(well(project, "cache", "plan", "--json", "--part", "1/2"))
    left = {kind: told[kind]["to_compute"] for kind in ("speech", "text")}
    assert sum(told[kind]["in_team_store"] for kind in left) == 6
    said_again = well(project, "extract", "--part", "1/2")
    assert f"lacks {left['speech']} and {left['text']}" in said_again
    assert set(stored(team).values()) == {1}, "a row was computed again"
    assert not (project / "cache/features").exists()
    shutil.rmtree(project / "audio")
    compute_nothing()
    assert f"cache/features/speech: {CLIPS} rows taken from the team's store {team}" in well(
        project, "extract"
    )
    assert plain.is_that_of(project)
    assert {path.name for path in team.rglob("*.h5")} >= {p.name for p in (project / "cache").rglob("*.h5")}


def test_any_number_of_parts_in_any_order_come_to_a_plain_run(project, plain, team, compute_nothing):
    for number in (3, 1, 5, 2, 4):
        well(project, "extract", "--part", f"{number}/5")
    compute_nothing()
    well(project, "extract", "--part", "2/3")  # of another number of parts
    well(project, "extract")
    assert plain.is_that_of(project)


def test_a_last_extract_computes_what_no_part_has(project, plain, team):
    well(project, "extract", "--part", "1/2")
    some = sum(stored(team).values())
    well(project, "extract")
    assert plain.is_that_of(project)
    assert sum(stored(team).values()) > some
    assert set(stored(team).values()) == {1}


def test_a_part_with_nothing_to_do_loads_no_encoder(project, team, monkeypatch):
    well(project, "extract", "--part", "1/1")
    for name in ("load_speech_encoder", "load_text_encoder"):
        monkeypatch.setattr(parts, name, lambda params: pytest.fail("an encoder was loaded"))
    assert "lacks 0 and 0" in well(project, "extract", "--part", "1/1")


def test_a_part_without_a_sentence_to_do_loads_no_text_encoder(project, team, monkeypatch):
    well(project, "extract", "--part", "1/1")
    (speech,) = (load_recipes(project)[0],)
    shutil.rmtree(team / speech.digest)
    monkeypatch.setattr(parts, "load_text_encoder", lambda params: pytest.fail("an encoder was loaded"))
    assert f"lacks {CLIPS} and 0" in well(project, "extract", "--part", "1/1")


def load_recipes(project: Path):
    here = Path.cwd()
    os.chdir(project)
    try:
        return planned_recipes(load_params().extract)
    finally:
        os.chdir(here)


def test_a_poisoned_clip_is_one_row_in_its_parts_file(project, team):
    (project / "audio/3.wav").write_bytes(b"no longer audio")
    failed = []
    for number in (1, 2, 3):
        answer = erclap(project, "extract", "--part", f"{number}/3")
        listing = project / f"cache/failures/{number}-of-3.csv"
        assert answer.returncode == int(listing.exists())
        if listing.exists():
            assert f"see cache/failures/{number}-of-3.csv (the first: 3.wav" in answer.stderr
            with listing.open(newline="") as file:
                failed += list(csv.DictReader(file))
    assert failed == [{"id": "3.wav", "path": "3.wav", "reason": "changed since `erclap prepare`"}]
    assert erclap(project, "extract").returncode == 1
    assert (project / "cache/failures.csv").exists()
    assert list((project / "cache/failures").iterdir()) == [], "the last extract has tried it again"


def test_ray_is_not_started_where_the_store_that_is_named_is_not_there(project, monkeypatch, tmp_path):
    monkeypatch.setenv("ERCLAP_STORE", str(tmp_path / "gone"))
    monkeypatch.setattr("pipeline.scale.on_ray_cluster", lambda *_: pytest.fail("a cluster was joined"))
    answer = erclap(project, "extract", "--engine", "ray")
    assert answer.returncode == 2
    assert (
        f"--engine ray needs the team's store, found no folder {tmp_path}/gone: set ERCLAP_STORE"
        in answer.stderr
    )


def test_a_part_needs_a_store_of_the_teams(project, monkeypatch, tmp_path):
    for root, found in ((None, "none named"), (str(tmp_path / "gone"), f"no folder {tmp_path}/gone")):
        if root is None:
            monkeypatch.delenv("ERCLAP_STORE", raising=False)
        else:
            monkeypatch.setenv("ERCLAP_STORE", root)
        for words in (["extract"], ["cache", "plan"]):
            answer = erclap(project, *words, "--part", "1/2")
            assert answer.returncode == 2
            assert answer.stderr == (
                f"error: --part needs the team's store, found {found}: set ERCLAP_STORE, or runtime.store in "
                "params.yaml, to a folder that is there\n"
            )


def test_a_part_fails_where_its_work_cannot_be_stored(project, team, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "there")

    monkeypatch.setattr(shard_folder, "write_shard", full)
    answer = erclap(project, "extract", "--part", "1/2")
    assert answer.returncode == 1
    assert "error: there cannot be read or written: No space left on device" in answer.stderr


def test_a_store_that_is_unmounted_while_a_part_runs_is_an_error_and_no_folder_in_its_place(
    project, team, monkeypatch
):
    append = FeatureStore.append

    def unmounted(store, keys, features):
        shutil.rmtree(team, ignore_errors=True)
        return append(store, keys, features)

    monkeypatch.setattr(FeatureStore, "append", unmounted)
    answer = erclap(project, "extract", "--part", "1/2")
    assert answer.returncode == 1
    assert "No such file or directory" in answer.stderr
    assert not team.exists()


@pytest.fixture
def listings(monkeypatch) -> Counter[str]:
    """How often each folder was listed, by whatever means."""
    found: Counter[str] = Counter()

    def counted(real):
        def counting(path="."):
            found[os.fspath(path)] += 1
            return real(path)

        return counting

    for name in ("scandir", "listdir"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    return found


def test_a_part_lists_each_recipes_folder_once_however_many_shards_it_writes(
    project, team, listings, monkeypatch
):
    well(project, "extract", "--part", "2/2")
    for module in (extraction, rows):
        monkeypatch.setattr(module, "SHARD_ROWS", 1)
    monkeypatch.setattr(extraction, "SENTENCES_AT_ONCE", 1)
    before = len(list(team.rglob("*.h5")))
    listings.clear()
    well(project, "extract", "--part", "1/2")
    ours = {folder: count for folder, count in listings.items() if folder.startswith(str(team))}
    assert ours == {str(team / recipe.digest): 1 for recipe in load_recipes(project)}
    assert len(list(team.rglob("*.h5"))) > before + 8


def test_a_thousand_parts_planned_are_a_listing_each_of_each_folder_and_share_the_work(
    project, team, listings, monkeypatch
):
    well(project, "extract", "--part", "1/4")
    recipes = load_recipes(project)
    monkeypatch.setattr(parts, "_recipes", lambda params: recipes)
    monkeypatch.chdir(project)
    params, manifest, sentences = load_params(), Manifest.read_clips(), sentence_column()
    listings.clear()
    planned = [plan_part(params, Part(number, 1000), manifest, sentences) for number in range(1, 1001)]
    ours = {folder: count for folder, count in listings.items() if folder.startswith(str(team))}
    assert ours == {str(team / recipe.digest): 1000 for recipe in recipes}
    clips = [key for part in planned for key in part.clips.column("sha256").to_pylist()]
    done = int(Part(1, 4).holds(packed_column(manifest.table.column("sha256"))).sum())
    assert len(clips) == len(set(clips)) == CLIPS - done
    texts = [text for part in planned for text in part.sentences.to_pylist()]
    assert len(texts) == len(set(texts))
    assert sum(part.shares[1] for part in planned) == len(sentences)


def test_slurm_names_the_part(project, team, monkeypatch):
    for name, value in (("ID", "11"), ("COUNT", "2"), ("MIN", "10"), ("MAX", "11")):
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    assert well(project, "extract", "--part", "slurm").startswith("part 2/2: ")
    monkeypatch.delenv("SLURM_ARRAY_TASK_COUNT")
    for words in (["extract"], ["prepare"], ["cache", "plan"]):
        answer = erclap(project, *words, "--part", "slurm")
        assert answer.returncode == 2
        assert len(answer.stderr.splitlines()) == 1
        assert "found no SLURM_ARRAY_TASK_COUNT" in answer.stderr


def test_prepare_in_parts_writes_the_manifest_of_a_plain_one(project, monkeypatch):
    before = (project / "data/manifest.parquet").read_bytes()
    shutil.rmtree(project / "cache", ignore_errors=True)
    (project / "data/manifest.parquet").unlink()
    for clip in (project / "audio").iterdir():
        os.utime(clip, (1e9, 1e9))
    said = [well(project, "prepare", "--part", f"{number}/3") for number in (1, 2, 3)]
    assert sum(int(line.split()[2]) for line in said) == CLIPS
    assert not (project / "data/manifest.parquet").exists()
    monkeypatch.setattr(
        "pipeline.corpora.looking.inspect_clip", lambda *_: pytest.fail("a clip was looked at again")
    )
    well(project, "prepare")
    assert (project / "data/manifest.parquet").read_bytes() == before


def test_a_part_of_prepare_whose_corpus_is_not_mounted_fails(project):
    (project / "audio").rename(project / "away")
    (project / "audio").mkdir()
    answer = erclap(project, "prepare", "--part", "1/2")
    assert answer.returncode == 2
    assert "error: part 1/2: at most" in answer.stderr


def test_a_plan_tells_what_is_left_as_json_and_by_part(project, team):
    told = json.loads(well(project, "cache", "plan", "--json"))
    assert told["part"] is None
    assert told["speech"]["wanted"] == told["speech"]["to_compute"] == CLIPS
    assert sum(told["speech"]["reasons"].values()) == CLIPS
    shares = [json.loads(well(project, "cache", "plan", "--json", "--part", f"{i}/3")) for i in (1, 2, 3)]
    for kind in ("speech", "text"):
        assert sum(share[kind]["to_compute"] for share in shares) == told[kind]["to_compute"]
    well(project, "extract", "--part", "2/3")
    answer = erclap(project, "cache", "plan", "--json", "--csv", "left.csv", "--part", "2/3")
    assert json.loads(answer.stdout)["speech"]["to_compute"] == 0
    assert (project / "left.csv").read_text() == "modality,name,reason\n"
    well(project, "cache", "plan", "--json", "--csv", "left.csv")
    with (project / "left.csv").open(newline="") as file:
        left = Counter(row["modality"] for row in csv.DictReader(file))
    assert left == {kind: told[kind]["wanted"] - shares[1][kind]["wanted"] for kind in ("speech", "text")}
