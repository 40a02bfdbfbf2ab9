"""Pickled weights as safetensors, converted once and kept by the hash of what they were converted from."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.encoders.unpickling import seconds_for
from pipeline.support import replacing

IN_PROJECT = Path("cache/converted")
PASSED_ON = (
    "PATH",
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "SYSTEMROOT",
    "TMPDIR",
    "LANG",
    "LC_ALL",
)
"""Of the environment, to what unpickles: no token, and nothing that loosens torch's loader."""


def converted(sources: Sequence[Path], model: str) -> Path:
    """The safetensors file with the tensors of pickled files, which is written where there is none yet.

    Raises RuntimeError where the files hold anything but tensors by name.
    """
    target = _root() / _hash(sources) / "model.safetensors"
    if target.exists():
        return target
    names = ", ".join(source.name for source in sources)
    with replacing(target) as temporary:
        if reason := _unpickle(sources, temporary):
            raise RuntimeError(
                f"pickled weights must hold tensors alone, as those of {model} do not: {reason}; "
                f"a safetensors file in their place is taken as it is"
            )
    print(
        f"{model}: the tensors of {names}, and nothing else of it, were converted once to {target}",
        file=sys.stderr,
    )
    return target


def _unpickle(sources: Sequence[Path], target: Path) -> str:
    """Why it was refused; nothing where `target` is written."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    package = str(Path(__file__).parents[2])  # what holds `pipeline`
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package, environment.get("PYTHONPATH")]))
    seconds = seconds_for(sum(source.stat().st_size for source in sources))
    command = [sys.executable, "-P", "-m", "pipeline.encoders.unpickling", *map(str, [target, *sources])]
    try:
        answer = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"converting them took more than {seconds} s"
    if answer.returncode == 0:
        return ""
    if answer.returncode < 0:
        return f"converting them was ended by signal {-answer.returncode}, at a limit of memory or time"
    lines = answer.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"converting them ended with {answer.returncode}"


def _root() -> Path:
    """The project's cache, or the user's where this is no project."""
    if Path("params.yaml").is_file():
        return IN_PROJECT
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "emotionrankclap/converted"


def _hash(sources: Sequence[Path]) -> str:
    hashes = []
    for source in sources:
        with source.open("rb") as opened:
            hashes.append(hashlib.file_digest(opened, "sha256").hexdigest())
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()
