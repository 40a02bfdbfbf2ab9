"""What README, docs/, CITATION.cff and examples/ name is there: files, commands, options, settings."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest

from pipeline.config import Params
from pipeline.config.section import Section
from stages.cli import cli
from tests import quick_yaml
from tests.docs.pages import PAGES, code_spans, commands, text_of
from tests.imports import ROOT

MADE_BY_A_RUN = ("results", "data", "cache", ".venv")
"""Folders whose files a run makes."""

NOT_OURS = {"labels_consensus.csv", "Partitions.txt", "Partition.txt", "config.json", "captions.json"} | {
    "index.json",
    "files.parquet",
    "windows.parquet",
    "unreadable.csv",
}
"""Files of a corpus, of a checkpoint, of a model or of an index."""

FILE = r"[\w.-]+\.(?:py|pyi|md|yaml|txt|csv|parquet|html|json|cff|png|toml)"
OUR_FOLDERS = [path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in MADE_BY_A_RUN]
PATH_OF_OURS = re.compile(rf"{FILE}|(?:{'|'.join(map(re.escape, OUR_FOLDERS))})/[\w./-]*")


def anchor(heading: str) -> str:
    """The name that a heading has in links."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        link = urlsplit(target)
        if link.scheme:
            continue
        file = (ROOT / page.parent / link.path).resolve() if link.path else ROOT / page
        assert file.exists(), target
        if link.fragment:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)
            assert link.fragment in map(anchor, headings), target


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_file_that_is_named_is_there(page):
    for word in " ".join(code_spans(page)).split():
        if PATH_OF_OURS.fullmatch(word) and word not in NOT_OURS:
            there = (ROOT / word).exists() or ("/" not in word and any(names_in_rooms(word)))
            assert there, word


def names_in_rooms(name: str) -> list[Path]:
    """Files of a bare name, anywhere in the code."""
    return [file for folder in ("pipeline", "stages") for file in (ROOT / folder).rglob(name)]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_that_is_named_has_the_options_named(page):
    for line in commands(page):
        words = iter(shlex.split(line)[1:])
        command: click.Command = cli
        context = click.Context(cli)
        for word in words:
            if isinstance(command, click.Group) and not word.startswith("-"):
                if word == "COMMAND":
                    break
                found = command.get_command(context, word)
                assert found, line
                command = found
            elif word.startswith("--"):
                known = {option for param in command.get_params(context) for option in param.opts}
                assert word in known, line


def test_every_command_is_named():
    named = {" ".join(line.split()[:3]) for page in PAGES for line in commands(page)}
    for name, command in ((name, cli.get_command(click.Context(cli), name)) for name in cli.commands_by_name):
        of_it = (
            [name]
            if not isinstance(command, click.Group)
            else [f"{name} {x}" for x in command.commands_by_name]
        )
        for one in of_it:
            assert any(line.startswith(f"erclap {one}") for line in named), one


def is_setting(path: str) -> bool:
    """Whether params.yaml may have the key, such as `extract.speech.pooling`."""
    section: object = Params
    for name in path.split("."):
        sections = [x for x in _types(section) if isinstance(x, type) and issubclass(x, Section)]
        fields = {key: field for one in sections for key, field in one.model_fields.items()}
        if name not in fields:
            return False
        section = fields[name].annotation
    return True


def _types(annotation: object) -> list[object]:
    return [annotation, *(x for part in getattr(annotation, "__args__", ()) for x in _types(part))]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_setting_that_is_named_exists(page):
    roots = "|".join(Params.model_fields)
    for span in code_spans(page):
        for key in re.findall(rf"(?<![\w./])(?:{roots})(?:\.[a-z_]+)+", span):
            if not re.search(r"\.(py|parquet|yaml)$", key):
                assert is_setting(key), key
    assert is_setting("caption.llm.step")
    assert not is_setting("caption.llm.steps")


def test_the_two_commands_are_targets():
    makefile = (ROOT / "Makefile").read_text()
    named = {
        name for page in PAGES for name in re.findall(r"\bmake (?:PYTHON=\S+ )?([a-z-]+)\b", _code(page))
    }
    assert {"run", "test"} <= named
    for name in named:
        assert re.search(rf"^{name}:", makefile, re.M), name


def _code(page: Path) -> str:
    return "\n".join([*re.findall(r"```sh\n(.*?)```", text_of(page), re.S), *code_spans(page)])


def test_extras_are_installed_from_the_clone_and_are_there():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    code = [file for folder in ("pipeline", "stages") for file in (ROOT / folder).rglob("*.py")]
    texts = [*map(text_of, PAGES), *(file.read_text(encoding="utf-8") for file in code)]
    named = {name for text in texts for name in re.findall(r"pip install -e '\.\[(\w+)\]'", text)}
    assert named == extras.keys() - {"dev", "simulated"}
    assert not any("emotionrankclap[" in text for text in texts), "the package is on no index"


def test_every_recipe_for_ray_asks_for_the_clusters_token():
    starts = re.findall(r"```\w*\n(.*?)```", text_of(Path("docs/scale.md")), re.S)
    by_hand = [text for text in starts if "ray start" in text]
    assert len(by_hand) == 2
    assert all("export RAY_AUTH_MODE=token" in text for text in by_hand)
    (on_kubernetes,) = (quick_yaml.load(text) for text in starts if "kind: RayJob" in text)
    assert on_kubernetes["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}


def test_the_readme_stays_short():
    assert len(text_of(PAGES[0]).splitlines()) <= 110


def test_the_citation_is_of_this_version_and_licence():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = quick_yaml.load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert str(citation["version"]) == project["version"]
    assert citation["license"] == project["license"]
    assert citation["authors"] == project["authors"]
    paper = citation["preferred-citation"]
    assert paper["year"] == 2025
    assert paper["url"] in text_of(PAGES[0])
    assert paper["authors"][0]["family-names"] == "Suresh Chandra"
