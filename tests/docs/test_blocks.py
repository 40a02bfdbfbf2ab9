"""Every block of README and docs/: commands are run, settings loaded, code executed.

A section's blocks run in order, in a project of their own: with a small corpus of noise in place of the licensed
one, and the sample's encoders in place of the paper's. A block that is not run says why in a comment above it.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import soundfile

from pipeline.config import Params
from tests import quick_yaml
from tests.captions.llm.conftest import KEY
from tests.captions.llm.server import ModelServer
from tests.docs.pages import PAGES, Block, blocks, text_of
from tests.imports import ROOT
from tests.stages.test_commands import erclap

CLIPS = {"Train": 16, "Development": 16, "Test1": 14}
RUN_ELSEWHERE = {Path("docs/team.md"): "tests/stages/test_sharing.py"}
STAGE_ONE = ("prepare", "caption", "extract")
"""What `dvc repro` stands for here; tests/stages/test_dvc.py runs the real one."""

SMALL: dict[str, Any] = {
    "caption": {"prompt_lists": 1},
    "extract": quick_yaml.load((ROOT / "params.yaml").read_text())["extract"],
    "train": {"methods": ["emotionrankclap"], "epochs": 1, "batch_size": 16, "embedding_size": 16},
    "evaluate": {"trials": 2, "pairs": 10, "resamples": 20},
}


def merged(settings: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Settings with others over them, section by section."""
    result = dict(settings)
    for key, value in over.items():
        inner = result.get(key)
        result[key] = merged(inner, value) if isinstance(value, dict) and isinstance(inner, dict) else value
    return result


class Places:
    """The folders that the pages name, made when they are first needed."""

    def __init__(self, root: Path, model: Path) -> None:
        self.root, self.model = root, model
        self.made: dict[str, Callable[[Path], None]] = {
            "/data/my-corpus": _table,
            "/data/MSP-PODCAST-Publish-1.12": _msp_podcast,
            "/data/IEMOCAP_full_release": _iemocap,
            "/shared/erclap": Path.mkdir,
            "/shared/answers": Path.mkdir,
        }

    def put_into(self, text: str) -> str:
        for name, make in self.made.items():
            if name in text:
                folder = self.root / Path(name).name
                if not folder.exists():
                    make(folder)
                text = text.replace(name, str(folder))
        return text


def _record(file: Path, seed: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, 0.1 * np.random.default_rng(seed).standard_normal(3200 + 40 * seed), 16_000)


def _table(root: Path) -> None:
    rng = np.random.default_rng(0)
    root.mkdir()
    with (root / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "set", "val", "act", "class", "who"])
        for seed, (split, i) in enumerate(_numbered()):
            name = f"{split}/{i}.wav"
            _record(root / name, seed)
            said = {"Development": "Dev", "Test1": "Test"}.get(split, split)
            writer.writerow([name, said, *np.round(rng.uniform(1, 5, 2), 1), "AHNS"[i % 4], i])
        writer.writerow(["Train/unclear.wav", "Train", 3, 3, "X", 0])


def _numbered() -> list[tuple[str, int]]:
    return [(split, i) for split, count in CLIPS.items() for i in range(count)]


def _msp_podcast(root: Path) -> None:
    lines = ["FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set"]
    for seed, (split, _) in enumerate(_numbered()):
        clip = f"MSP-PODCAST_{seed:04}_0001.wav"
        _record(root / "Audios" / clip, seed)
        lines.append(f"{clip},{'NHSA'[seed % 4]},{1 + seed % 6}.2,{1 + seed % 5}.6,4.0,{seed},Male,{split}")
    (root / "Labels").mkdir()
    (root / "Labels/labels_consensus.csv").write_text("\n".join(lines) + "\n")


def _iemocap(root: Path) -> None:
    for session in range(1, 6):
        dialog = f"Ses0{session}M_script01_1"
        labels = root / f"Session{session}/dialog/EmoEvaluation/{dialog}.txt"
        labels.parent.mkdir(parents=True)
        labels.write_text(
            "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
            f"[6.29 - 8.23]\t{dialog}_F000\tang\t[2.5000, 3.0000, 2.5000]\nC-E2:\tAnger;\t()\n\n"
        )
        _record(root / f"Session{session}/sentences/wav/{dialog}/{dialog}_F000.wav", session)


class Reader:
    """Someone who follows a page in a project."""

    def __init__(self, project: Path, places: Places, endpoint: str) -> None:
        self.project, self.places = project, places
        self.environment = {"OPENAI_BASE_URL": endpoint}

    def sets(self, settings: dict[str, Any]) -> None:
        file = self.project / "params.yaml"
        file.write_text(quick_yaml.dump(merged(quick_yaml.load(file.read_text()), settings)))

    def follows(self, block: Block) -> None:
        if block.language == "yaml":
            self.sets(quick_yaml.load(self.places.put_into(block.text)))
            self.sets(SMALL)
        elif not block.mark:
            for line in block.text.splitlines():
                self.types(self.places.put_into(line))

    def types(self, line: str) -> None:
        command, *words = shlex.split(line, comments=True)
        if command == "export":
            name, _, value = words[0].partition("=")
            self.environment[name] = KEY if value == "..." else value
        elif command == "erclap":
            if words[0] in ("index", "search", "describe"):
                self.uses()
            if "theirs/answers.parquet" in words:
                shutil.copytree(self.project / "cache/answers", self.project / "theirs")
            self.runs(*words)
            if words[0] == "init":
                self.sets(SMALL)
        elif line.startswith("dvc repro"):
            for stage in STAGE_ONE:
                self.runs(stage)
        else:
            assert line.startswith("source .venv/bin/activate"), f"how is this run? {line}"

    def uses(self) -> None:
        """Have a model and recordings to use it on."""
        if not (self.project / "results/model").exists():
            shutil.copytree(self.places.model, self.project / "results/model")
            for seed, name in enumerate("ab"):
                _record(self.project / f"recordings/{name}.wav", seed)

    def runs(self, *words: str) -> None:
        answer = erclap(self.project, *words, **self.environment)
        # A check of a small corpus with the sample's encoders has doubts, and is right.
        well = (0, 1) if words[0] == "check" else (0,)
        assert answer.returncode in well, f"{words}: {answer.stdout}{answer.stderr}"


@pytest.fixture(scope="module")
def places(tmp_path_factory, model_folder) -> Places:
    return Places(tmp_path_factory.mktemp("places"), model_folder)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, places) -> Path:
    """A project with the table corpus of the page on corpora, its manifest and captions written."""
    project = tmp_path_factory.mktemp("prepared")
    shutil.copy(ROOT / "params.yaml", project)
    reader = Reader(project, places, "")
    (table,) = (
        block for block in blocks("yaml") if "corpus: table" in block.text and block.page.name == "corpora.md"
    )
    reader.follows(table)
    reader.runs("prepare")
    reader.runs("caption")
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@example.com")
    for command in (("init", "-q"), ("add", "params.yaml"), (*identity, "commit", "-qm", "as it is")):
        subprocess.run(["git", *command], cwd=project, check=True)
    return project


@pytest.fixture
def reader(prepared, places, tmp_path, monkeypatch) -> Iterator[Reader]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ERCLAP_ANSWERS", "ERCLAP_STORE"):
        monkeypatch.delenv(name, raising=False)
    with ModelServer() as server:
        yield Reader(shutil.copytree(prepared, tmp_path / "project"), places, server.url)


def sections() -> dict[str, list[Block]]:
    """Page and heading → the blocks of commands and settings in its section, in their order."""
    found: dict[str, list[Block]] = {}
    for page in (page for page in PAGES if page not in RUN_ELSEWHERE):
        ours = {
            block.text: block
            for language in ("sh", "yaml")
            for block in blocks(language)
            if block.page == page
        }
        for section in re.split(r"^## ", text_of(page), flags=re.M)[1:]:
            inside = [ours[text] for text in re.findall(r"```(?:sh|yaml)\n(.*?)```", section, re.S)]
            if any(block.language == "sh" and not block.mark for block in inside):
                found[f"{page}: {section.splitlines()[0]}"] = inside
    return found


SECTIONS = sections()


@pytest.mark.parametrize("section", SECTIONS)
def test_commands_run_as_they_stand(section, reader):
    for block in SECTIONS[section]:
        reader.follows(block)


def test_every_block_of_commands_is_run_or_says_why_not():
    run = {block for inside in SECTIONS.values() for block in inside if not block.mark}
    for block in blocks("sh"):
        if block in run:
            continue
        if elsewhere := RUN_ELSEWHERE.get(block.page):
            assert str(block.page) in (ROOT / elsewhere).read_text(), block
        elif block.mark.startswith("run by "):
            words = re.findall(r'"([^"\n]*)"', (ROOT / block.mark.removeprefix("run by ")).read_text())
            tested = "\n".join(words)
            for line in block.text.splitlines():
                assert "\n".join(shlex.split(line, comments=True)) in tested, line
        else:
            assert re.match(r"not run: \w+", block.mark), block


def test_no_block_is_in_a_language_that_is_not_looked_at():
    for page in PAGES:
        assert set(re.findall(r"^```(\w+)$", text_of(page), re.M)) <= {"sh", "yaml", "python"}


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_settings_load(block):
    params = quick_yaml.load((ROOT / "params.yaml").read_text())
    Params.model_validate(merged(params, quick_yaml.load(block.text)))


@pytest.mark.filterwarnings(
    "ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning"
)  # the hub's client
@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_code_runs(block, tmp_path, monkeypatch, model_folder, write_audio, request):
    from pipeline.config import load_params

    monkeypatch.chdir(tmp_path)  # where code writes its files
    text = block.text
    if "results/model" in text:
        shutil.copytree(model_folder, tmp_path / "results/model")
    for name, seconds in (("a", 0.4), ("b", 0.3), ("long", 12)):
        if f"recordings/{name}.wav" in text:
            write_audio(tmp_path / f"recordings/{name}.wav", seconds)
    if "push_to_hub" in text:
        request.getfixturevalue("writable_hub")
    paper, sample = (
        load_params(ROOT / name).extract for name in ("stages/profiles/paper.yaml", "params.yaml")
    )
    for encoder in ("speech", "text"):
        text = text.replace(getattr(paper, encoder).model, getattr(sample, encoder).model)
    exec(compile(text, str(block.page), "exec"), {})  # noqa: S102 (our own pages)


def example(*words: str) -> str:
    """What a script of examples/ prints, run as `python` runs it, in this process."""
    script, printed = str(ROOT / "examples" / words[0]), io.StringIO()
    with mock.patch.object(sys, "argv", [script, *words[1:]]), contextlib.redirect_stdout(printed):
        runpy.run_path(script, run_name="__main__")
    return printed.getvalue()


def test_the_example_embeds_a_folder_of_recordings(tmp_path, write_audio):
    for name in ("a.wav", "b/c.flac"):
        write_audio(tmp_path / "recordings" / name, 0.3)
    printed = example("embed_recordings.py", str(tmp_path / "recordings"), str(tmp_path / "features.npz"))
    assert "2 rows of 96" in printed
    with np.load(tmp_path / "features.npz") as written:
        assert written["path"].tolist() == ["a.wav", "b/c.flac"]
        assert written["features"].shape == (2, 96)


def test_the_example_learns_an_order():
    before, after = map(float, re.findall(r"-?\d\.\d+", example("rank_your_own.py")))
    assert after > max(before, 0.4)


def test_examples_are_short_and_use_public_names_alone():
    for file in (ROOT / "examples").glob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert len(text.splitlines()) < 40, file
        taken = set(re.findall(r"^(?:from|import) (\w+)", text, re.M)) - set(sys.stdlib_module_names)
        assert taken <= {"emotionrankclap", "numpy", "soundfile", "torch"}, file
