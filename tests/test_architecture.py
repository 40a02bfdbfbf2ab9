"""Who may import whom, and what each DVC stage depends on."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from pipeline.checkpoints import BUILTIN
from tests.imports import ROOT, all_modules, closure, imports_of

PLUMBING = frozenset(
    Path(name)
    for name in (
        # What they say reaches a stage through its params, or changes no result.
        "pipeline/__init__.py",
        "pipeline/config.py",
        "pipeline/devices.py",
        "pipeline/files.py",
        "pipeline/parallel.py",
        "pipeline/progress.py",
        "pipeline/wording.py",
        "stages/__init__.py",
    )
)

MAY_IMPORT: dict[str, set[str]] = {
    "losses": set(),
    "alignment": {"transport"},
    "transport": set(),
    "geometry": {"alignment", "transport"},
    "probe": set(),
    "neighbourhood": set(),
    "ordinality": set(),
    "significance": set(),
    "recipe": set(),
    "pairs": set(),
    "methods": set(),
    "heads": {"recipe"},
    "label_density": set(),
    "objectives": {"label_density", "losses", "methods"},
    "stacked": {"heads"},
    "stepping": {"objectives", "stacked"},
    "training": {"heads", "label_density", "methods", "objectives", "pairs", "stacked", "stepping"},
    "feature_store": {
        "recipe",
        *(f"store/{name}" for name in ("folder", "index", "keys", "provenance", "rows", "shard")),
    },
    "store/keys": set(),
    "store/provenance": set(),
    "store/patience": set(),
    "store/rows": {"store/keys", "store/provenance"},
    "store/shard": {"recipe", "store/keys", "store/provenance", "store/rows"},
}

STAGES = {
    "prepare": "stages/prepare.py",
    "caption": "stages/caption.py",
    "extract": "stages/extract.py",
    "train": "stages/train.py",
    "evaluate": "stages/evaluate.py",
    "report": "stages/report.py",
}


def dvc_stages() -> dict:
    return yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def test_the_library_never_imports_the_commands():
    for file in all_modules():
        if file.parts[0] == "pipeline":
            assert not [f for f in imports_of(file) if f.parts[0] == "stages"], file


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_modules_import_those_siblings_alone_that_the_design_allows(name):
    allowed = {Path(f"pipeline/{sibling}.py") for sibling in MAY_IMPORT[name]}
    assert imports_of(Path(f"pipeline/{name}.py")) - PLUMBING <= allowed


def test_only_the_shards_of_the_feature_store_import_h5py():
    users = [f for f in all_modules() if "import h5py" in (ROOT / f).read_text()]
    assert users == [Path("pipeline/store/shard.py")]


def test_stage_two_loads_no_encoder_and_opens_no_audio():
    for stage in ("train", "evaluate", "report"):
        reached = {str(f) for f in closure(Path(STAGES[stage]))}
        assert not {f for f in reached if f.startswith("pipeline/encoders/") or f == "pipeline/audio.py"}


def test_imports_go_round_in_no_circle():
    def reached_from(file: Path) -> set[Path]:
        seen: set[Path] = set()
        waiting = list(imports_of(file))
        while waiting:
            current = waiting.pop()
            if current not in seen:
                seen.add(current)
                waiting += imports_of(current)
        return seen

    assert [file for file in all_modules() if file in reached_from(file)] == []


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_depends_on_the_modules_that_it_imports(stage):
    listed = {dep for dep in dvc_stages()[stage]["deps"] if dep.endswith(".py")}
    wanted = {str(f) for f in closure(Path(STAGES[stage]), without=PLUMBING)}
    assert listed == wanted


def test_extraction_depends_on_the_checkpoints_that_come_with_the_package():
    assert {f"pipeline/sample/{kind}" for kind in BUILTIN.values()} <= set(dvc_stages()["extract"]["deps"])


def test_editing_a_loss_concerns_training_alone():
    concerned = [name for name, stage in dvc_stages().items() if "pipeline/losses.py" in stage["deps"]]
    assert concerned == ["train"]


def test_no_stage_depends_on_how_it_is_run():
    for name, stage in dvc_stages().items():
        assert not [param for param in stage.get("params", []) if param.startswith("runtime")], name


def test_help_is_quick_and_imports_nothing_heavy():
    code = "import sys; from stages.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += (
        "print(sorted({'torch', 'transformers', 'numpy', 'h5py', 'pyarrow', 'pydantic'} & set(sys.modules)))"
    )
    started = time.monotonic()
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"
    assert time.monotonic() - started < 5  # a bound against an import by mistake, not a measurement
