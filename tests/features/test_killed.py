"""Stage one, killed with SIGKILL at random moments a hundred times: nothing is lost, damaged or done twice."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipeline.corpora.inspection import inspect
from pipeline.encoders import SpeechEncoder, TextEncoder
from pipeline.features.shards.keys import sentence_key
from pipeline.features.store import FeatureStore
from pipeline.manifest import Utterance
from pipeline.support.files import leftovers
from tests.features.warm import SENTENCES

CLIPS, SHARD_ROWS, KILLS = 24, 8, 100
KILLS_IN_A_TEAM = 40
IN_FLIGHT = 2 * SHARD_ROWS
"""Rows: those that wait for a full shard, fewer than one takes, and a batch of at most eight that fills it."""

ROOT = Path(__file__).parents[2]


@dataclass
class Stage:
    """The warm process, and what an uninterrupted run of it gives."""

    process: subprocess.Popen[str]
    recipes: dict
    keys: dict[str, list[str]]
    folder: Path
    whole: dict[str, np.ndarray]
    seconds: float

    def run(
        self,
        store: Path,
        log: Path,
        team: Path | None = None,
        after: float | None = None,
        *,
        writing: bool = False,
    ):
        """Seconds that a run took, and whether it was killed: `after` so many, and within a write if asked."""
        shared = str(team) if team else None
        asked = {"store": str(store), "team": shared, "log": str(log), "after": after, "writing": writing}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the warm process ended"
        return json.loads(answer)

    def stores(self, root: Path) -> dict[str, FeatureStore]:
        return {name: FeatureStore(root / name, recipe) for name, recipe in self.recipes.items()}

    def stored(self, root: Path) -> dict[str, set[str]]:
        """The keys of a store that has nothing damaged in it."""
        found = {}
        for name, store in self.stores(root).items():
            found[name] = store.keys()
            assert store.folder.findings == []
            assert store.folder.damaged() == []
            assert found[name] <= set(self.keys[name])
        return found

    def is_whole(self, root: Path) -> bool:
        """Whether a store has exactly the wanted rows, bit for bit those of the uninterrupted run."""
        for name, store in self.stores(root).items():
            assert store.keys() == set(self.keys[name])
            assert store.verify() == []
            rows = sum(map(len, store.folder.refresh()))
            assert rows == len(self.keys[name]), f"{rows} rows in the shards"
            assert store.gather(self.keys[name]).tobytes() == self.whole[name].tobytes()
        return True


def computed(log: Path) -> Counter[str]:
    """Rows that were computed, of each modality, since the log was last read."""
    rows: Counter[str] = Counter()
    if log.exists():
        for line in log.read_text().splitlines():
            name, count = line.split()
            rows[name] += int(count)
        log.unlink()
    return rows


@pytest.fixture(scope="module")
def stage(tmp_path_factory, speech_checkpoint, text_checkpoint):
    import soundfile

    folder = tmp_path_factory.mktemp("killed")
    corpus = folder / "corpus"
    corpus.mkdir()
    rng = np.random.default_rng(0)
    names = [f"{i:02}.wav" for i in range(CLIPS)]
    for name in names:
        samples = 0.1 * rng.standard_normal(int(rng.integers(2_000, 4_000)))
        soundfile.write(corpus / name, samples.astype(np.float32), 16_000)
    manifest, _, _ = inspect([Utterance(n, n, "train", 4.0, 4.0) for n in names], corpus, heard_seconds=10.0)
    manifest.write(corpus / "manifest.parquet")
    recipes = {
        "speech": SpeechEncoder.from_pretrained(str(speech_checkpoint), batch_seconds=1.0).recipe,
        "text": TextEncoder.from_pretrained(str(text_checkpoint), max_tokens=64).recipe,
    }
    keys = {"speech": manifest.strings("sha256"), "text": [sentence_key(text) for text in SENTENCES]}
    arguments = [str(speech_checkpoint), str(text_checkpoint), str(corpus), str(SHARD_ROWS)]
    with (
        (folder / "stderr.txt").open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "tests.features.warm", *arguments],
            cwd=ROOT,
            env=os.environ
            | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HDF5_USE_FILE_LOCKING": "FALSE"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdout.readline() == "ready\n", (folder / "stderr.txt").read_text()
        stage = Stage(process, recipes, keys, folder, {}, 0.0)
        stage.seconds, _ = stage.run(folder / "whole", folder / "log")
        assert computed(folder / "log") == {"speech": CLIPS, "text": len(SENTENCES)}
        stores = stage.stores(folder / "whole")
        stage.whole = {name: store.gather(keys[name]) for name, store in stores.items()}
        yield stage
        process.stdin.close()
    assert process.returncode == 0, (folder / "stderr.txt").read_text()


def test_a_hundred_killed_runs_lose_no_shard_and_compute_only_what_was_in_flight_again(stage, tmp_path):
    rng = random.Random(0)
    log = tmp_path / "log"
    kills = cut_off = finished = 0
    while kills < KILLS or not finished:
        # A store is filled by as many runs as it takes, each killed at some moment, until one is not in time.
        store, killed = tmp_path / f"store-{finished}", True
        before = stage.stored(store)
        total: Counter[str] = Counter()
        lost: Counter[str] = Counter()
        while killed:
            half_written = {file for name in before for file in leftovers(store / name, 0)}
            after = rng.uniform(0, 0.6) * stage.seconds if kills < KILLS else None
            # Chance hits a write now and then; every fourth run is killed as it begins one.
            _, killed = stage.run(store, log, after=after, writing=kills % 4 == 0)
            kills += killed
            cut_off += any(file not in half_written for name in before for file in leftovers(store / name, 0))
            after, rows = stage.stored(store), computed(log)
            for name in after:
                assert before[name] <= after[name]
                lost[name] += (gone := rows[name] - len(after[name] - before[name]))
                assert 0 <= gone <= (IN_FLIGHT if killed else 0)
            total += rows
            before = after
        finished += 1
        assert stage.is_whole(store)
        # Nothing that a shard had was ever computed again.
        assert {name: total[name] - lost[name] for name in before} == {
            "speech": CLIPS,
            "text": len(SENTENCES),
        }
    assert kills == KILLS
    assert cut_off >= KILLS / 10, f"{cut_off} runs were killed while they wrote"


def test_killed_runs_of_two_people_leave_a_teams_store_whole(stage, tmp_path):
    rng = random.Random(1)
    log = tmp_path / "log"
    kills = turn = finished = 0
    while kills < KILLS_IN_A_TEAM:
        folder = tmp_path / str(finished)
        team = folder / "team"
        team.mkdir(parents=True)
        people = [folder / "ana", folder / "ben"]
        ended: set[Path] = set()
        total: Counter[str] = Counter()
        runs = 0
        while len(ended) < len(people):
            person = people[turn % 2]
            turn += 1
            before = stage.stored(person)
            after = rng.uniform(0, 0.6) * stage.seconds if kills < KILLS_IN_A_TEAM else None
            _, killed = stage.run(person, log, team, after)
            kills += killed
            runs += killed
            total += computed(log)
            assert all(before[name] <= keys for name, keys in stage.stored(person).items())
            if not killed:
                ended.add(person)
        finished += 1
        for person in people:
            assert stage.is_whole(person)
        for name, recipe in stage.recipes.items():
            shared = FeatureStore(team / recipe.digest, recipe)
            assert shared.keys() == set(stage.keys[name])
            assert shared.verify() == []
            assert shared.gather(stage.keys[name]).tobytes() == stage.whole[name].tobytes()
            # A shard in flight may also be one that is here and did not yet get to the other.
            assert total[name] <= len(stage.keys[name]) + 2 * IN_FLIGHT * runs
    assert kills == KILLS_IN_A_TEAM
