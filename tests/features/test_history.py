"""What branches ask for, told from dvc.lock and DVC's cache in a real git and DVC repository."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.features.shards.keys import sentence_key
from pipeline.features.upkeep.history import Lock, asked_by_refs, keys_of, last_extracted
from pipeline.manifest import MANIFEST_FILE
from pipeline.sentences import CAPTIONS_FILE
from tests import quick_yaml
from tests.features.samples import keys_of as keys
from tests.stages.conftest import quick_dvc, warm

__all__ = ["quick_dvc", "warm"]  # fixtures


def run(*command: str) -> None:
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@example.com")
    command = ("git", *identity, *command[1:]) if command[0] == "git" else command
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def template(tmp_path_factory, quick_dvc) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    with contextlib.chdir(folder):
        run("git", "init", "-q", "-b", "main")
        run("dvc", "init", "-q")
        run("git", "add", "-A")
        run("git", "commit", "-qm", "empty")
    return folder


@pytest.fixture
def repository(template, tmp_path, monkeypatch):
    shutil.copytree(template, tmp_path / "repository")
    monkeypatch.chdir(tmp_path / "repository")


def into_cache(content: bytes, suffix: str = "") -> str:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest() + suffix
    path = Path(".dvc/cache/files/md5") / md5[:2] / md5[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return md5


def parquet(**columns) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def commit_lock(hashes: list[str], recipe: str, text: str = "hello") -> str:
    """A dvc.lock that names a manifest of these clips; returns the manifest's hash."""
    manifest = into_cache(parquet(id=[f"clip {h[:8]}" for h in hashes], sha256=hashes))
    captions = into_cache(parquet(text=[text]))
    listing = into_cache(json.dumps([{"relpath": f"speech/{recipe}-00.h5", "md5": "0"}]).encode(), ".dir")
    stages = {
        "prepare": {"outs": [{"path": str(MANIFEST_FILE), "md5": manifest}]},
        "caption": {"outs": [{"path": str(CAPTIONS_FILE), "md5": captions}]},
        "extract": {
            "deps": [{"path": str(MANIFEST_FILE), "md5": manifest}],
            "outs": [{"path": "cache/features", "md5": listing}],
        },
    }
    Path("dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}))
    run("git", "add", "dvc.lock")
    run("git", "commit", "-qm", "lock")
    return manifest


def test_every_branch_tag_and_experiment_is_asked(repository):
    commit_lock(keys(0, 2), "aaaaaaaaaaaa")
    run("git", "checkout", "-qb", "side")
    commit_lock(keys(2, 2), "bbbbbbbbbbbb")
    run("git", "tag", "-m", "annotated", "paper")
    commit_lock(keys(4, 1), "bbbbbbbbbbbb")
    run("git", "update-ref", "refs/exps/ab/trial", "HEAD")
    run("git", "reset", "-q", "--hard", "main")
    asked = asked_by_refs()
    assert asked.unknown == []
    said = sentence_key("hello")
    assert asked.keys == {
        "aaaaaaaaaaaa": {*keys(0, 2), said},
        "bbbbbbbbbbbb": {*keys(2, 3), said},
    }
    assert len(asked.of("bbbbbbbbbbbb")) == 4


def test_what_a_branch_asks_for_and_is_not_here_is_said(repository):
    manifest = commit_lock(keys(0, 2), "aaaaaaaaaaaa")
    (Path(".dvc/cache/files/md5") / manifest[:2] / manifest[2:]).unlink()
    asked = asked_by_refs()
    (line,) = asked.unknown
    assert f"{MANIFEST_FILE} ({manifest}) is not in DVC's cache" in line


def test_features_whose_listing_is_not_here_are_kept_in_every_recipe(repository):
    commit_lock(keys(0, 2), "aaaaaaaaaaaa")
    for listing in Path(".dvc/cache").rglob("*.dir"):
        listing.unlink()
    asked = asked_by_refs()
    assert asked.unknown == []
    assert asked.keys.keys() == {None}
    assert len(asked.of("any recipe")) == 3


def test_a_lock_in_the_middle_of_a_merge_is_said(repository):
    commit_lock(keys(0, 2), "aaaaaaaaaaaa")
    lock = Path("dvc.lock").read_text()
    Path("dvc.lock").write_text(f"<<<<<<< HEAD\n{lock}\n=======\n{lock}\n>>>>>>> side\n")
    assert asked_by_refs().unknown == ["the working tree: its dvc.lock cannot be read"]
    with pytest.raises(ValueError, match="not a dvc.lock"):
        Lock.parse(Path("dvc.lock").read_text())


@pytest.mark.parametrize(
    "md5", ["null", "7", "../../../../etc/passwd", "[]", "'" + "x" * 999 + "'", "2024-99-99"]
)
def test_a_hash_in_a_lock_that_is_none_is_no_lock(md5):
    text = f"schema: '2.0'\nstages:\n  extract:\n    deps:\n    - path: data/manifest.parquet\n      md5: {md5}\n"
    with pytest.raises(ValueError, match="^not a dvc.lock: .{1,200}$"):
        Lock.parse(text)


def test_a_lock_at_random_is_read_or_is_no_lock():
    dice = random.Random(0)
    lock = {"schema": "2.0", "stages": {"extract": {"cmd": "x"}}}
    entry = {"hash": "md5", "md5": "0" * 32, "path": "data/manifest.parquet", "size": 3}
    lock["stages"]["extract"] |= {"deps": [entry], "outs": [dict(entry, md5="1" * 32 + ".dir")]}
    assert Lock.parse(quick_yaml.dump(lock)).written
    for _ in range(200):
        text = bytearray(quick_yaml.dump(lock).encode())
        for _ in range(dice.choice([1, 3])):
            at = dice.randrange(len(text))
            text[at : at + dice.randrange(4)] = dice.choice(
                [b"", b"null", b"[", b"{", b"7", b"*", b"\0", b"- "]
            )
        with contextlib.suppress(ValueError):
            Lock.parse(bytes(text).decode(errors="replace"))


def test_outside_a_repository_nobody_knows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(RuntimeError, match="in a git repository alone"):
        asked_by_refs()


def test_the_manifest_of_the_last_extraction_is_found_in_the_lock(repository):
    assert last_extracted([MANIFEST_FILE])[0] == []
    manifest = commit_lock(keys(0, 2), "aaaaaaaaaaaa")
    (found,), how = last_extracted([MANIFEST_FILE])
    assert keys_of(found) == set(keys(0, 2))
    assert how == "as dvc.lock has it"
    Path("dvc.lock").write_text("<<<<<<<")
    assert last_extracted([MANIFEST_FILE])[1] == "as the last commit's dvc.lock has it"
    (Path(".dvc/cache/files/md5") / manifest[:2] / manifest[2:]).unlink()
    assert "not in DVC's cache" in last_extracted([MANIFEST_FILE])[1]


def test_a_file_that_asks_for_nothing_is_refused(tmp_path):
    (tmp_path / "x.parquet").write_bytes(parquet(other=[1]))
    with pytest.raises(ValueError, match="must have a column sha256 or text, found other"):
        keys_of(tmp_path / "x.parquet")
    (tmp_path / "y.parquet").write_text("no parquet")
    with pytest.raises(ValueError, match="must be a manifest or a table"):
        keys_of(tmp_path / "y.parquet")


def test_a_manifest_whose_names_are_no_text_is_named(tmp_path):
    file = tmp_path / "manifest.parquet"
    pq.write_table(pa.table({"sha256": ["a"], "emotion": ["A"]}), file, store_schema=False)
    assert keys_of(file) == {"a"}
    file.write_bytes(file.read_bytes().replace(b"emotion", b"\xffmotion"))
    with pytest.raises(ValueError, match="manifest.parquet must be a manifest or a table") as error:
        keys_of(file)
    assert "\n" not in str(error.value)
