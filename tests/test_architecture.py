"""Who may import whom, and what each DVC stage depends on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.encoders.local import BUILTIN
from tests import quick_yaml
from tests.imports import ROOT, all_modules, closure, exports_of, imports_of, module_file, names_taken
from tests.stages.test_commands import erclap

FLOORS = (  # from the ground up: what stands on a line imports from lines above it alone
    "pipeline/support pipeline/config",
    "pipeline/manifest.py pipeline/sentences.py pipeline/recipe.py pipeline/methods.py",
    "pipeline/audio",
    "pipeline/captions pipeline/encoders",
    "pipeline/sample",
    "pipeline/corpora",
    "pipeline/features",
    "pipeline/training pipeline/measures",
    "pipeline/others",
    "pipeline/report/results",
    "pipeline/report/page pipeline/use pipeline/scale",
    "emotionrankclap stages",
    "benchmarks",
)
FLOOR = {Path(room): floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}

NO_RESULT = {Path("pipeline/support"), Path("pipeline/config")}
"""Rooms that change no result, or whose part in it a stage's params say."""

HEARD_ONCE = {"caption": {Path("pipeline/audio")}}
"""Whose work is kept by its own version: an edit would run the stage, and change nothing."""

ELSEWHERE = {stage: {Path("pipeline/scale"), Path("stages/engine.py")} for stage in ("train", "evaluate")}
ELSEWHERE["extract"] = {Path("stages/engine.py")}
"""Which says where a stage's work is done, and leaves its result as it is."""


def room_of(file: Path) -> Path:
    """The room that a file lies in."""
    return next(place for place in (file, *file.parents) if place in FLOOR)


ROOMLESS = {Path("pipeline/__init__.py"), Path("pipeline/report/__init__.py")}
FILES = [file for file in all_modules() if file not in ROOMLESS]
LIBRARY = [file for file in FILES if file.parts[0] != "benchmarks"]


def dvc_stages() -> dict:
    return quick_yaml.load((ROOT / "dvc.yaml").read_text())["stages"]


STAGES = tuple(dvc_stages())


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_arrow_goes_down(file):
    for imported in imports_of(file):
        if room_of(imported) != room_of(file):
            assert FLOOR[room_of(imported)] < FLOOR[room_of(file)], f"{file} imports {imported}"


def test_rooms_import_from_rooms_and_not_from_their_files():
    for file in LIBRARY:
        for module, _ in names_taken(file):
            source = module_file(module)
            if source and room_of(source) != room_of(file):
                assert source in FLOOR or source.name == "__init__.py", f"{file} imports from {module}"


def test_a_room_exports_what_others_use_and_no_more():
    used = {taken for file in LIBRARY for taken in names_taken(file)}
    for room in (room for room in FLOOR if room.parts[0] == "pipeline"):
        unused = [
            name for name in exports_of(room / "__init__.py") if (".".join(room.parts), name) not in used
        ]
        assert unused == [], room


def test_what_a_room_exports_is_called_as_none_of_its_files():
    for room in (room for room in FLOOR if (ROOT / room).is_dir()):
        files = {path.stem for path in (ROOT / room).glob("*")}
        assert files.isdisjoint(exports_of(room / "__init__.py")), room


def test_imports_go_round_in_no_circle():
    def reached_from(file: Path) -> set[Path]:
        return closure(*imports_of(file))

    assert [file for file in all_modules() if file in reached_from(file)] == []


def test_what_is_pure_imports_nothing_of_ours():
    for place in ("pipeline/config", "pipeline/support", "pipeline/training/losses"):
        for file in all_modules(place):
            assert all(imported.is_relative_to(place) for imported in imports_of(file)), file
    for file in all_modules("pipeline/measures"):
        if file.name not in ("entries.py", "evaluation.py", "prompted.py", "__init__.py"):
            assert all(imported.is_relative_to("pipeline/measures") for imported in imports_of(file)), file


@pytest.mark.parametrize(
    ("module", "rooms"),
    [
        ("h5py", {"pipeline/features"}),
        ("transformers", {"pipeline/encoders", "pipeline/sample"}),
        ("ray", {"pipeline/scale"}),
    ],
)
def test_only_their_own_rooms_import_a_library(module, rooms):
    users = [file for file in LIBRARY for source, _ in names_taken(file) if source.split(".")[0] == module]
    assert {str(room_of(file)) for file in users} == rooms


def test_no_file_of_the_library_is_longer_than_a_sitting():
    assert [file for file in LIBRARY if len((ROOT / file).read_text().split("\n")) > 301] == []


def test_stage_two_loads_no_encoder_and_opens_no_audio():
    for stage in ("train", "evaluate", "report"):
        loaded = {room_of(file) for file in closure(Path(f"stages/{stage}.py"))}
        assert not loaded & {Path("pipeline/encoders"), Path("pipeline/audio"), Path("pipeline/captions")}


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_depends_on_the_rooms_that_it_loads(stage):
    loaded = {room_of(file) for file in closure(Path(f"stages/{stage}.py")) if file.parts[0] == "pipeline"}
    loaded |= {file for file in closure(Path(f"stages/{stage}.py")) if file.parts[0] == "stages"}
    loaded -= NO_RESULT | HEARD_ONCE.get(stage, set()) | ELSEWHERE.get(stage, set())
    if stage == "report":  # which both lie in one folder
        loaded = {room.parent if room.parent.name == "report" else room for room in loaded}
    if stage == "extract":
        loaded |= {Path("pipeline/sample") / kind for kind in BUILTIN.values()}
    listed = {Path(dep) for dep in dvc_stages()[stage]["deps"] if dep.startswith(("pipeline", "stages"))}
    assert listed == loaded


@pytest.mark.parametrize(
    ("edited", "concerned"),
    [
        ("pipeline/measures", {"evaluate", "report"}),
        ("pipeline/training", {"train", "evaluate"}),
        ("pipeline/report/page", {"report"}),
        ("pipeline/audio", {"prepare", "extract"}),
        ("pipeline/encoders", {"extract"}),
        ("pipeline/captions", {"caption"}),
    ],
)
def test_an_edit_of_a_room_concerns_these_stages_alone(edited, concerned):
    def depends(stage: dict) -> bool:
        return any(Path(edited).is_relative_to(dep) for dep in stage.get("deps", []))

    assert {name for name, stage in dvc_stages().items() if depends(stage)} == concerned


def test_no_stage_depends_on_how_it_is_run():
    for name, stage in dvc_stages().items():
        assert not [param for param in stage.get("params", []) if param.startswith("runtime")], name


@pytest.mark.parametrize(("command", "first"), [("--help", "Usage: "), ("inspect", "")])
def test_what_each_repro_and_each_newcomer_waits_for_imports_nothing_heavy(command, first, tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    assert erclap(tmp_path, "inspect").returncode == 0  # each next one finds that nothing has changed
    code = f"import sys; from stages.cli import main\ntry: main(['{command}'])\n"
    code += "except SystemExit as ended: print('ended with', ended.code or 0)\n"
    code += (
        "print(sorted({'torch', 'transformers', 'numpy', 'h5py', 'pyarrow', 'pydantic'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    started = time.monotonic()
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.startswith(first)
    assert answer.stdout.splitlines()[-2:] == ["ended with 0", "[]"]
    assert time.monotonic() - started < 5  # a bound against an import by mistake, not a measurement
