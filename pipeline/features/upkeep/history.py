"""What dvc.lock says in each branch, tag and experiment, and the files that it names, from DVC's cache.

So a plan knows the manifest that features were last extracted for, and what nothing asks for can be told from what
some branch still does. git and dvc are called, never imported; nothing is fetched or checked out.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from pipeline.features.shards.keys import Keys, packed, sentence_key
from pipeline.manifest import MANIFEST_FILE
from pipeline.sentences import SENTENCE_FILES
from pipeline.support import read_column, shown

LOCK_FILE = Path("dvc.lock")
MD5 = re.compile(r"([0-9a-f]{32}(\.dir)?)?")
FEATURES_FOLDER = "cache/features"


@dataclass(frozen=True)
class Lock:
    """A dvc.lock: the hash of each file that a stage read (`stage`, `path`) or wrote (path)."""

    read: dict[tuple[str, str], str]
    written: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> Lock:
        """Read a dvc.lock. Raises ValueError where it is none, as in a merge that is not finished."""
        read, written = {}, {}
        try:
            for stage, said in (yaml.safe_load(text) or {}).get("stages", {}).items():
                for dep in said.get("deps", []):
                    read[stage, dep["path"]] = _md5(dep)
                for out in said.get("outs", []):
                    written[out["path"]] = _md5(out)
        except (yaml.YAMLError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"not a dvc.lock: {shown(' '.join(str(error).split()))}") from error
        return cls(read, written)


def _md5(said: Mapping[str, Any]) -> str:
    """The hash of a file that a dvc.lock says, or nothing where it says none. Raises ValueError for no hash."""
    md5 = said.get("md5", "")
    if not isinstance(said["path"], str) or not isinstance(md5, str) or not MD5.fullmatch(md5):
        raise ValueError(f"{said['path']} must have an md5 of 32 digits from 0 to f, found {md5!r}")
    return md5


@dataclass
class Asked:
    """What the branches, tags and experiments of a repository ask for."""

    keys: dict[str | None, set[str]] = field(default_factory=dict)
    """Recipe's digest → keys; under None those that are kept in every recipe."""
    refs: int = 0
    unknown: list[str] = field(default_factory=list)
    """What they ask for and is not in DVC's cache on this machine, as a line each."""

    def add(self, digests: Iterable[str] | None, keys: set[str]) -> None:
        """Ask for keys in some recipes, or where it is not known which, in every one."""
        for digest in (None,) if digests is None else digests:
            self.keys.setdefault(digest, set()).update(keys)

    def of(self, digest: str) -> Keys:
        """What is asked for in a recipe, (N,)."""
        return packed(self.keys.get(None, set()) | self.keys.get(digest, set()))


def dvc_cache() -> Path | None:
    """DVC's cache folder, or None outside a DVC repository."""
    found = _run("dvc", "cache", "dir")
    return Path(found.strip()) if found and found.strip() else None


def cached(cache: Path, md5: str) -> Path:
    """Where DVC's cache has the file of that hash."""
    return cache / "files" / "md5" / md5[:2] / md5[2:]


def last_extracted(files: Sequence[Path]) -> tuple[list[Path], str]:
    """Data files as they were when features were last extracted, in DVC's cache, and how that is known.

    They are what stage extract read, by their hashes in dvc.lock, as it is in the working tree or in the last
    commit. Where that is not known there are none, and the reason.
    """
    texts = (
        {str(LOCK_FILE): LOCK_FILE.read_text(encoding="utf-8", errors="replace")}
        if LOCK_FILE.is_file()
        else {}
    )
    if committed := _run("git", "show", f"HEAD:./{LOCK_FILE}"):
        texts["the last commit's dvc.lock"] = committed
    if not texts:
        return [], f"there is no {LOCK_FILE}, which says what features were last extracted for"
    cache = dvc_cache()
    for name, text in texts.items():
        try:
            read = Lock.parse(text).read
        except ValueError:
            continue
        found = [cached(cache or Path(), read.get(("extract", str(file)), "none")) for file in files]
        if all(file.is_file() for file in found):
            return found, f"as {name} has it"
    return [], "what features were last extracted for is not in DVC's cache on this machine"


def asked_by_refs() -> Asked:
    """What every branch, tag, remote branch and experiment, the stash and the working tree ask for.

    Raises RuntimeError outside a git repository: then nobody knows.
    """
    listed = _run("git", "for-each-ref", "--format=%(refname)")
    if listed is None:
        raise RuntimeError("what branches ask for can be told in a git repository alone, found none here")
    # Of the stash, refs/stash is the last entry alone.
    names = [*listed.split(), *(_run("git", "stash", "list", "--format=%H") or "").split(), "HEAD"]
    asked = Asked(refs=len(names))
    locks: dict[str, str] = {}
    for name in names:
        text = _run("git", "show", f"{name}:./{LOCK_FILE}")
        if text:
            locks.setdefault(text, name)
        elif text is None and _run("git", "ls-tree", "--name-only", name, str(LOCK_FILE)):
            # There is one, whose contents are not on this machine, as in a partial clone.
            asked.unknown.append(f"{name}: its {LOCK_FILE} cannot be read")
    if LOCK_FILE.is_file():
        locks.setdefault(LOCK_FILE.read_text(encoding="utf-8", errors="replace"), "the working tree")
    cache = dvc_cache()
    for text, name in locks.items():
        _add_lock(asked, name, text, cache)
    return asked


def _add_lock(asked: Asked, name: str, text: str, cache: Path | None) -> None:
    try:
        lock = Lock.parse(text)
    except ValueError:
        asked.unknown.append(f"{name}: its {LOCK_FILE} cannot be read")
        return
    keys = set[str]()
    # What a stage read, too: it may be another than what the stage before it wrote last.
    md5s = {(path, md5) for path, md5 in lock.written.items()} | {
        (path, md5) for (_, path), md5 in lock.read.items()
    }
    for path, md5 in sorted(md5s):
        if path not in map(str, (MANIFEST_FILE, *SENTENCE_FILES)):
            continue
        file = cached(cache, md5) if cache else None
        if file is None or not file.is_file():
            asked.unknown.append(f"{name}: {path} ({md5}) is not in DVC's cache on this machine")
        else:
            keys |= keys_of(file)
    digests = {md5 for path, md5 in md5s if path == FEATURES_FOLDER}
    asked.add(_recipes(cache, digests), keys)


def keys_of(file: Path) -> set[str]:
    """The keys that a manifest (column sha256) or a table of sentences (column text) asks for.

    Raises ValueError for a file with neither.
    """
    try:
        names = pq.read_schema(file).names
        column = next((name for name in ("sha256", "text") if name in names), None)
        if column is None:
            raise ValueError(f"{file} must have a column sha256 or text, found {', '.join(names)}")
        values = read_column(file, column).unique().to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} must be a manifest or a table of captions or prompts: {error}") from error
    return set(values) if column == "sha256" else {sentence_key(text) for text in values}


def _recipes(cache: Path | None, listings: set[str]) -> set[str] | None:
    """The digests of the recipes whose shards DVC's listings of the features name; None where one is not there."""
    digests = set[str]()
    for md5 in listings:
        try:
            listing: list[dict[str, Any]] = json.loads(
                cached(cache or Path(), md5).read_text(encoding="utf-8")
            )
            names = [Path(entry["relpath"]).name for entry in listing]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        digests |= {name.split("-")[0] for name in names if name.endswith(".h5")}
    return digests if listings else None


def _run(*command: str) -> str | None:
    """What a command prints, or None where it fails."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError:
        return None
    return answer.stdout if answer.returncode == 0 else None
