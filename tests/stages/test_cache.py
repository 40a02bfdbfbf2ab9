"""The commands of the cache, on a project whose features are made up: no encoder is loaded."""

from __future__ import annotations

import csv
import functools
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import load_params
from pipeline.encoders.planned import planned_recipes
from pipeline.features.gathering import asked_for
from pipeline.features.shards.keys import sentence_key
from pipeline.features.store import SPEECH_FEATURES, TEXT_FEATURES, FeatureStore
from pipeline.manifest import SCHEMA, Manifest
from pipeline.sentences import (
    CAPTIONS_FILE,
    CAPTIONS_SCHEMA,
    PLANE_FILE,
    PLANE_SCHEMA,
    PROMPTS_FILE,
    PROMPTS_SCHEMA,
    SENTENCE_FILES,
    all_sentences,
)
from tests import quick_yaml
from tests.features.samples import damage
from tests.stages.test_commands import erclap

pytestmark = pytest.mark.usefixtures("quick_dvc")

PARAMS = quick_yaml.load((Path(__file__).parents[2] / "params.yaml").read_text())


def clip(i: int, content: str = "") -> dict:
    return {
        "id": f"clip-{i}",
        "path": f"{i}.wav",
        "sha256": sentence_key(f"audio {i} {content}"),
        "duration": 1.0,
        "sampling_rate": 16000,
        "channels": 1,
        "split": ["train", "development", "test1"][i % 3],
        "valence": 1 + i % 7,
        "arousal": 4.0,
        "dominance": None if i % 2 else 3.0,
        "emotion": None if i % 2 else "N",
    }


def write_data(clips: list[dict]) -> None:
    Path("data").mkdir(exist_ok=True)
    Manifest(pa.Table.from_pylist(clips, SCHEMA)).write()
    captions = [
        {"utterance_id": row["id"], "variant": "va", "text": f"Speech {row['valence']}."} for row in clips
    ]
    pq.write_table(pa.Table.from_pylist(captions, CAPTIONS_SCHEMA), CAPTIONS_FILE)
    prompt = {"test": "voc", "list": 0, "position": 0, "valence": 1.0, "arousal": 1.0, "text": "A prompt."}
    pq.write_table(pa.Table.from_pylist([prompt], PROMPTS_SCHEMA), PROMPTS_FILE)
    pq.write_table(PLANE_SCHEMA.empty_table(), PLANE_FILE)


def features_of(keys: list[str], size: int) -> np.ndarray:
    """Features that follow from the key, as an encoder's do from the clip."""
    rows = [np.random.default_rng(int(key[:12], 16)).standard_normal(size) for key in keys]
    return np.array(rows, np.float32).reshape(len(keys), size)


def stores() -> tuple[FeatureStore, FeatureStore]:
    settings = load_params().extract
    return tuple(
        FeatureStore(root, recipe, asked=asked, device="cpu")
        for root, recipe, asked in zip(
            (SPEECH_FEATURES, TEXT_FEATURES), planned_recipes(settings), asked_for(settings), strict=True
        )
    )


def extract() -> None:
    """What `erclap extract` does to the cache, but for the encoders."""
    speech, text = stores()
    for store, wanted in (
        (speech, Manifest.read().strings("sha256")),
        (text, [sentence_key(sentence) for sentence in all_sentences()]),
    ):
        missing = store.missing(wanted)
        if missing:
            store.append(missing, features_of(missing, store.recipe.feature_size))
        store.prune(wanted)
        store.publish()


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("ERCLAP_STORE", raising=False)
    Path("params.yaml").write_text(quick_yaml.dump(PARAMS))
    write_data([clip(i) for i in range(9)])
    extract()
    return folder


@pytest.fixture
def team(tmp_path, monkeypatch):
    folder = tmp_path / "team"
    folder.mkdir()
    monkeypatch.setenv("ERCLAP_STORE", str(folder))
    return folder


def share() -> None:
    for root in (SPEECH_FEATURES, TEXT_FEATURES):
        assert erclap(Path(), "cache", "merge", str(root), "--team").returncode == 0


def test_status_says_what_there_is_and_who_computed_it(project, team):
    share()
    answer = erclap(project, "cache", "status")
    assert answer.returncode == 0, answer.stderr
    speech, text = (store.recipe for store in stores())
    for root in ("cache/features/speech", str(team / speech.digest)):
        assert f"{root}: 9 rows of 96 float32," in answer.stdout
    assert f"recipe {text.digest}: text, builtin:sample-text at " in answer.stdout
    assert ", cpu, emotionrankclap " in answer.stdout
    assert f"the team's store {team}: 2 recipes" in answer.stdout


def test_status_names_a_store_that_is_not_there(project, monkeypatch):
    assert "no team's store: set ERCLAP_STORE" in erclap(project, "cache", "status").stdout
    answer = erclap(project, "cache", "status", ERCLAP_STORE="/not/mounted")
    assert answer.returncode == 0
    assert answer.stderr.count("warning: the team's store /not/mounted is left out, it cannot be read") == 1


def test_plan_says_what_is_there_and_why_the_rest_is_not(project, team):
    share()
    SPEECH_FEATURES.rename("moved")
    write_data([clip(i) for i in range(12)])
    answer = erclap(project, "cache", "plan", "--csv", "plan.csv")
    assert answer.returncode == 0, answer.stderr
    assert "12 clips: 0 in the cache, 9 to take from the team's store, 3 to compute" in answer.stdout
    assert "3 not in the cache (clip-9, clip-10, clip-11)" in answer.stdout
    assert "there is no dvc.lock" in answer.stdout
    with Path("plan.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["clip-9", "clip-10", "clip-11"]


def test_plan_counts_what_both_have_in_both(project, team):
    share()
    told = json.loads(erclap(project, "cache", "plan", "--json").stdout)
    counts = {name: told["speech"][name] for name in ("in_cache", "in_team_store", "to_take", "to_compute")}
    assert counts == {"in_cache": 9, "in_team_store": 9, "to_take": 0, "to_compute": 0}


def test_plan_names_sentences_that_begin_alike_once(project):
    alike = "The person is speaking in a voice that goes up and down and ends on"
    texts = [f"{alike} {i}." for i in range(5)]
    captions = [{"utterance_id": f"clip-{i}", "variant": "va", "text": text} for i, text in enumerate(texts)]
    pq.write_table(pa.Table.from_pylist(captions, CAPTIONS_SCHEMA), CAPTIONS_FILE)
    said = erclap(project, "cache", "plan").stdout
    assert "5 not in the cache (The person is speaking in a voice that goes up and down …, …)" in said


def test_plan_names_the_field_of_the_recipe_that_changed(project):
    params = quick_yaml.load(Path("params.yaml").read_text())
    params["extract"]["speech"]["pooling"] = "attentive-stats"
    Path("params.yaml").write_text(quick_yaml.dump(params))
    answer = erclap(project, "cache", "plan")
    assert "9 changed recipe: pooling attentive-mean → attentive-stats (clip-0, " in answer.stdout
    assert "8 sentences: 8 in the cache" in answer.stdout


def git(*command: str) -> None:
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@example.com")
    subprocess.run(["git", *identity, *command], check=True, capture_output=True)


@functools.cache
def of_dvc() -> dict[str, bytes]:
    """What `dvc init` writes, which takes half a second each time."""
    with tempfile.TemporaryDirectory() as folder:
        for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
        written = (".dvc/config", ".dvc/.gitignore", ".dvcignore")
        return {name: Path(folder, name).read_bytes() for name in written}


def repository() -> None:
    git("init", "-q")
    for name, content in of_dvc().items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)
    git("add", *of_dvc())


def commit_lock() -> list[Path]:
    """What `dvc repro` writes down of stage extract and what went into it; returns the files in DVC's cache."""
    kept = []

    def keep(content: bytes, suffix: str = "") -> str:
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest() + suffix
        path = Path(".dvc/cache/files/md5") / md5[:2] / md5[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        kept.append(path)
        return md5

    files = ("data/manifest.parquet", *map(str, SENTENCE_FILES))
    deps = [{"path": file, "md5": keep(Path(file).read_bytes())} for file in files]
    shards = [{"relpath": str(p.relative_to("cache/features"))} for p in Path("cache").rglob("*.h5")]
    outs = [{"path": "cache/features", "md5": keep(json.dumps(shards).encode(), ".dir")}]
    Path("dvc.lock").write_text(quick_yaml.dump({"stages": {"extract": {"deps": deps, "outs": outs}}}))
    git("add", "dvc.lock", ".dvc")
    git("commit", "-qm", "lock")
    return kept


def test_plan_tells_new_changed_and_lost_files_apart(project):
    repository()
    commit_lock()
    write_data([clip(i) for i in range(8)] + [clip(8, "recorded again"), clip(9)])
    extract()
    speech, _ = stores()
    speech.prune([clip(i)["sha256"] for i in range(7)])
    answer = erclap(project, "cache", "plan")
    assert "10 clips: 7 in the cache, 0 to take from the team's store, 3 to compute" in answer.stdout
    assert "1 not in the cache any more (`dvc pull` may bring it) (clip-7)" in answer.stdout
    assert "1 changed file (clip-8)" in answer.stdout
    assert "1 new (clip-9)" in answer.stdout
    assert answer.stdout.count("what was there before") == 1
    assert "what was there before, of speech: as dvc.lock has it" in answer.stdout


def test_verify_names_what_is_damaged_and_what_is_not_the_stores(project, team):
    share()
    assert erclap(project, "cache", "verify").returncode == 0
    (shard,) = SPEECH_FEATURES.glob("*.h5")
    damage(shard, "flipped")
    (SPEECH_FEATURES / "notes.txt").write_text("mine")
    answer = erclap(project, "cache", "verify")
    assert answer.returncode == 1
    assert f"damaged: {shard.name} fails its checksum in rows 0 to 8, set aside" in answer.stdout
    assert "not the store's, left alone: notes.txt" in answer.stdout
    assert "error: every shard must be whole, found 1 that are not" in answer.stderr
    again = erclap(project, "cache", "verify")
    assert again.returncode == 0
    assert "cache/features/speech: 0 rows in 0 whole shards" in again.stdout


def test_merge_takes_what_a_teammate_has(project, tmp_path):
    SPEECH_FEATURES.parent.rename(tmp_path / "theirs")
    write_data([clip(i) for i in range(5, 12)])
    extract()
    answer = erclap(project, "cache", "merge", str(tmp_path / "theirs"))
    assert answer.returncode == 0, answer.stderr
    assert "5 rows taken, 12 were there" in answer.stdout
    write_data([clip(i) for i in range(12)])
    speech, _ = stores()
    assert speech.missing(Manifest.read().strings("sha256")) == []


def test_merge_refuses_what_is_no_store(project, tmp_path):
    for folder, message in ((tmp_path / "nowhere", "found no folder"), (Path("data"), "found no .h5 file")):
        answer = erclap(project, "cache", "merge", str(folder))
        assert answer.returncode == 2
        assert message in answer.stderr
    answer = erclap(project, "cache", "merge", "cache", "--team")
    assert answer.returncode == 2
    assert "error: --team needs the team's store, found none named" in answer.stderr


def test_export_is_read_without_this_code(project):
    assert erclap(project, "cache", "export", "--format", "parquet", "speech.parquet").returncode == 0
    table = pq.read_table("speech.parquet")
    keys = [clip(i)["sha256"] for i in range(9)]
    assert table.column("utterance_id").to_pylist() == [f"clip-{i}" for i in range(9)]
    assert table.column("key").to_pylist() == keys
    assert table.column("emotion").to_pylist()[:2] == ["N", None]
    assert np.array_equal(np.stack(table.column("features").to_numpy()), features_of(keys, 96))
    answer = erclap(project, "cache", "export", "--format", "npz", "text.npz", "--modality", "text")
    assert answer.returncode == 0, answer.stderr
    with np.load("text.npz", allow_pickle=False) as arrays:
        assert arrays["text"].tolist() == all_sentences()
        assert np.array_equal(arrays["features"], features_of(arrays["key"].tolist(), 96))
    answer = erclap(project, "cache", "export", "--format", "npz", "speech.npz")
    with np.load("speech.npz", allow_pickle=False) as arrays:
        assert np.isnan(arrays["dominance"][1])
        assert arrays["dominance"][0] == 3.0
        assert arrays["emotion"].tolist()[:2] == ["N", ""]


def test_export_of_what_is_missing_is_one_line_and_no_file(project):
    write_data([clip(i) for i in range(12)])
    for kind in ("parquet", "npz"):
        answer = erclap(project, "cache", "export", "--format", kind, f"speech.{kind}")
        assert answer.returncode == 1
        assert "found none for 3 of 12 speech keys" in answer.stderr
        assert "run `erclap extract`" in answer.stderr
    assert not list(Path().glob("*speech.*"))


def test_compact_joins_shards_of_the_cache_and_of_the_team(project, team):
    for count in (9, 12, 15):
        write_data([clip(i) for i in range(count)])
        extract()
        share()
    before = stores()[0].gather(Manifest.read().strings("sha256"))
    for arguments, root in ((("compact",), "cache/features/speech"), (("compact", "--team"), str(team))):
        answer = erclap(project, "cache", *arguments)
        assert answer.returncode == 0, answer.stderr
        assert f"{root}" in answer.stdout
        assert ": 3 shards before, 1 now, 15 rows written" in answer.stdout
    assert np.array_equal(stores()[0].gather(Manifest.read().strings("sha256")), before)


def test_gc_lists_damaged_files_and_removes_them_when_told(project):
    (shard,) = TEXT_FEATURES.glob("*.h5")
    damage(shard, "empty")
    erclap(project, "cache", "verify")
    aside = TEXT_FEATURES / f"{shard.name}.damaged"
    answer = erclap(project, "cache", "gc")
    assert f"{aside} (set aside, 0 bytes)" in answer.stdout
    assert "nothing was removed: --yes removes it" in answer.stdout
    assert aside.exists()
    assert erclap(project, "cache", "gc", "--yes").returncode == 0
    assert not aside.exists()
    assert "nothing to remove" in erclap(project, "cache", "gc").stdout


def shared_then_grown(clips: range) -> None:
    """The team has clips 0 to 8, a branch that is committed, and those of the working tree."""
    repository()
    write_data([clip(i) for i in range(6)])
    extract()
    share()
    commit_lock()
    write_data([clip(i) for i in clips])
    extract()
    share()


def test_gc_keeps_what_a_branch_or_the_working_tree_asks_for(project, team):
    share()  # clips 0 to 8
    shared_then_grown(range(4, 7))
    answer = erclap(project, "cache", "gc", "--team", "--older-than", "0")
    assert answer.returncode == 0, answer.stderr
    speech, _ = stores()
    assert f"{team / speech.recipe.digest}: 2 of 9 rows that nothing asks for" in answer.stdout
    assert len(FeatureStore(team / speech.recipe.digest, speech.recipe).keys()) == 9
    assert erclap(project, "cache", "gc", "--team", "--older-than", "0", "--yes").returncode == 0
    kept = FeatureStore(team / speech.recipe.digest, speech.recipe)
    wanted = [clip(i)["sha256"] for i in range(7)]
    assert kept.keys() == set(wanted)
    assert np.array_equal(kept.gather(wanted), features_of(wanted, 96))


def test_gc_keeps_young_rows_and_those_of_files_it_is_given(project, team):
    manifest = Path("data/manifest.parquet").read_bytes()
    share()
    shared_then_grown(range(4, 7))
    Path("theirs.parquet").write_bytes(manifest)
    for arguments in ((), ("--older-than", "0", "--keep", "theirs.parquet")):
        answer = erclap(project, "cache", "gc", "--team", *arguments)
        assert answer.returncode == 0, answer.stderr
        assert f"{team / stores()[0].recipe.digest}: " not in answer.stdout


def test_gc_removes_nothing_where_it_cannot_tell_what_is_asked_for(project, team):
    share()
    shared_then_grown(range(4, 7))
    for path in commit_lock():
        path.unlink()
    answer = erclap(project, "cache", "gc", "--team", "--older-than", "0", "--yes")
    assert answer.returncode == 0, answer.stderr
    assert "what they ask for cannot be told, so no row is removed" in answer.stdout
    assert len(FeatureStore(team / stores()[0].recipe.digest, stores()[0].recipe).keys()) == 9


def test_gc_keeps_what_a_branch_a_tag_an_experiment_or_a_stash_entry_asks_for(project, team):
    repository()
    git("commit", "-qm", "nothing yet", "--allow-empty")
    git("branch", "-M", "main")
    share()  # clips 0 to 8; each ref asks for one of them, and for 8 nothing does
    names = ["heads/other", "tags/v1", "remotes/origin/theirs", "exps/ab/cd/main/trial"]
    for i, name in enumerate(names):
        git("checkout", "-q", "--detach", "main")
        write_data([clip(i)])
        extract()
        commit_lock()
        git("update-ref", f"refs/{name}", "HEAD")
    for i in (4, 5):
        write_data([clip(i)])
        extract()
        commit_lock()
        git("reset", "-q", "--soft", "HEAD~")
        git("stash")
    git("checkout", "-q", "main")
    write_data([clip(6)])
    extract()
    commit_lock()
    write_data([clip(7)])
    answer = erclap(project, "cache", "gc", "--team", "--older-than", "0", "--yes")
    assert answer.returncode == 0, answer.stderr
    speech, _ = stores()
    kept = FeatureStore(team / speech.recipe.digest, speech.recipe)
    assert kept.keys() == {clip(i)["sha256"] for i in range(8)}


def test_gc_removes_nothing_where_git_cannot_read_what_a_branch_asks_for(project, team):
    share()
    shared_then_grown(range(4, 7))
    blob = subprocess.run(
        ["git", "rev-parse", "HEAD:dvc.lock"], check=True, capture_output=True, text=True
    ).stdout.strip()
    Path(".git/objects", blob[:2], blob[2:]).unlink()  # as in a partial clone
    answer = erclap(project, "cache", "gc", "--team", "--older-than", "0", "--yes")
    assert answer.returncode == 0, answer.stderr
    assert ": its dvc.lock cannot be read" in answer.stdout
    assert "what they ask for cannot be told, so no row is removed" in answer.stdout


def test_gc_removes_what_a_killed_writer_left_in_the_teams_store(project, team):
    repository()
    commit_lock()
    speech, _ = stores()
    unnamed = team / f".{speech.recipe.digest}.0123abcd.tmp"
    unnamed.mkdir()
    (unnamed / "recipe.json").write_text("{}")
    os.utime(unnamed, (0, 0))
    assert f"{unnamed} (left by a killed writer" in erclap(project, "cache", "gc", "--team").stdout
    assert erclap(project, "cache", "gc", "--team", "--yes").returncode == 0
    assert not unnamed.exists()


def test_verify_names_shards_of_another_recipe(project, team):
    share()
    _, text = stores()
    (shard,) = SPEECH_FEATURES.glob("*.h5")  # with more rows than the folder has of its own
    for folder in (TEXT_FEATURES, team / text.recipe.digest):
        (folder / shard.name).write_bytes(shard.read_bytes())
        (folder / shard.name).rename(folder / "copied.h5")
    answer = erclap(project, "cache", "verify")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("of another recipe, serves nothing here: copied.h5") == 2
    assert FeatureStore(TEXT_FEATURES, text.recipe).missing(Manifest.read().strings("sha256")) != []


def test_help_of_the_cache_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys; from stages.cli import main\ntry: main(['cache', '--help'])\nexcept SystemExit: pass\n"
    )
    code += "print(sorted({'torch', 'transformers', 'numpy', 'h5py', 'pyarrow'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"
    for name in ("status", "plan", "verify", "merge", "export", "compact", "gc"):
        assert f"\n  {name} " in answer.stdout
