"""Several people on one project, with real git and real DVC: the commands of docs/team.md, run as they are."""

from __future__ import annotations

import csv
import grp
import hashlib
import json
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests import quick_yaml
from tests.checkout import copy_checkout
from tests.stages.test_dvc import INSPECT, ROOT, edit, run, stages_run

CLIPS = {"train": 16, "development": 16, "test1": 14}
TRAINING = ["train@emotionrankclap", "evaluate", "report"]
ALL = ["prepare", "caption", "extract", *TRAINING]


def page(heading: str) -> list[str]:
    """The blocks of commands under a heading of the page."""
    text = (ROOT / "docs/team.md").read_text()
    (section,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    return re.findall(r"```sh\n(.*?)```", section, re.S)


REMOTE, CLONE, ADDED = page("A DVC remote")
CACHE_FOLDER, CACHE = page("One DVC cache")
STORE_FOLDER, STORE_OFFER, STORE_USE = page("The team's store")
PULL, SOLVE = page("When two have added clips")


class Team:
    """The places that a team has in common, under the names that the page gives them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.origin, self.audio = root / "project.git", root / "audio"
        self.remote, self.cache, self.store = (root / x for x in ("dvc-remote", "dvc-cache", "erclap"))

    def does(self, folder: Path, commands: str, project: str = ".") -> str:
        """What the page's commands print, in a folder; each must succeed."""
        for ours in (self.remote, self.cache, self.store):
            commands = commands.replace(f"/shared/{ours.name}", str(ours))
        commands = commands.replace("git@example.com:team/project.git", str(self.origin))
        commands = commands.replace("TEAM", grp.getgrgid(os.getgid()).gr_name)
        who = "".join(
            f"export GIT_{role}_NAME=tests GIT_{role}_EMAIL=tests@example.com\n"
            for role in ("AUTHOR", "COMMITTER")
        )
        # Each checkout runs its own copy of the code.
        return run(
            folder,
            "bash",
            "-euc",
            f"{who}unset ERCLAP_STORE\nexport PYTHONPATH={folder / project}\n{commands}",
        )

    def clone(self, name: str, commands: str = CLONE) -> tuple[Path, str]:
        """A teammate's clone, and what making it printed."""
        (self.root / name).mkdir()
        output = self.does(self.root / name, commands, "project")
        return self.root / name / "project", output

    def adds_a_clip(self, project: Path, before: str, seed: int) -> None:
        """A clip of its own, in the training split; in the labels it comes before another."""
        name = f"{project.parent.name}.wav"
        self.record(name, seed)
        edit(project / "labels.csv", f"\n{before},", f"\n{name},train,{seed / 100},5.5\n{before},")

    def record(self, name: str, seed: int) -> None:
        noise = 0.1 * np.random.default_rng(seed).standard_normal(4000 + 80 * seed)
        soundfile.write(self.audio / name, noise, 16_000)


def shards(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project / "cache/features").rglob("*.h5")}


def hashed(folder: Path) -> set[str]:
    """The md5s of a DVC cache's or remote's files, by their names."""
    return {"".join(p.parts[-2:]) for p in (folder / "files/md5").rglob("*") if p.is_file()}


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def outs(project: Path) -> dict[str, str]:
    """The md5 of each output in dvc.lock."""
    lock = quick_yaml.load((project / "dvc.lock").read_text())
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


def contents_of_other_stages(project: Path) -> set[str]:
    """The md5s of what all stages but extract wrote, of each folder those of its files and of its listing."""
    found = {md5 for path, md5 in outs(project).items() if path != "cache/features"}
    for listing in [md5 for md5 in found if md5.endswith(".dir")]:
        listed = project / ".dvc/cache/files/md5" / listing[:2] / listing[2:]
        found |= {entry["md5"] for entry in json.loads(listed.read_text())}
    return found


def computed(output: str) -> list[str]:
    """What extract's progress says that the encoders were given."""
    return sorted(set(re.findall(r"(?:speech|text): (\d+/\d+ \w+)", output)))


@pytest.fixture(scope="module")
def team(tmp_path_factory, warm) -> Team:
    """A project of a table corpus, run once, and pushed as the page says."""
    team = Team(tmp_path_factory.mktemp("team"))
    team.audio.mkdir()
    project = copy_checkout(team.root / "first")
    rng = np.random.default_rng(0)
    with (project / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "split", "valence", "arousal"])
        for number, name in enumerate(f"{split}-{i}.wav" for split in CLIPS for i in range(CLIPS[split])):
            team.record(name, number)
            writer.writerow([name, name.split("-")[0], *np.round(rng.uniform(1, 7, 2), 1)])
    params = quick_yaml.load((ROOT / "params.yaml").read_text())
    columns = {name: name for name in ("split", "valence", "arousal")} | {"path": "file"}
    table = {"file": "labels.csv", "columns": columns}
    params["prepare"] = {"corpus": "table", "root": str(team.audio), "table": table}
    params["caption"]["prompt_lists"] = 1
    params["train"] |= {"methods": ["emotionrankclap"], "epochs": 1, "batch_size": 16}
    params["evaluate"] |= {"trials": 2, "pairs": 10}
    (project / "params.yaml").write_text(quick_yaml.dump(params, sort_keys=False))
    run(team.root, "git", "init", "-q", "--bare", "-b", "main", str(team.origin))
    run(project, "git", "init", "-q", "-b", "main")
    run(project, "git", "remote", "add", "origin", str(team.origin))
    run(project, "git", "config", "push.autoSetupRemote", "true")
    team.does(project, "dvc repro")
    team.does(project, REMOTE)
    return team


@pytest.fixture(scope="module")
def ana_and_ben(team) -> tuple[Path, Path]:
    """Two clones that have added a clip each. Ana, who offers to the team's store too, has pushed hers."""
    team.does(team.root, STORE_FOLDER)
    with ThreadPoolExecutor(2) as pool:
        ana, ben = pool.map(lambda name: team.clone(name)[0], ("ana", "ben"))
        team.adds_a_clip(ana, "train-3.wav", 201)
        team.adds_a_clip(ben, "train-12.wav", 202)
        before = hashed(team.remote)
        commands = (STORE_OFFER + ADDED, ADDED.partition("dvc push")[0])
        outputs = list(pool.map(team.does, (ana, ben), commands))
    for output in outputs:
        assert stages_run(output) == ALL
        assert computed(output) == ["1/1 clips", "1/1 sentences"]
    (team.root / "sent.json").write_text(json.dumps(sorted(hashed(team.remote) - before)))
    return ana, ben


def test_a_clone_without_audio_runs_nothing_and_then_only_what_changed(team, ana_and_ben):
    audio = team.audio.rename(team.root / "unplugged")
    try:
        project, output = team.clone("without-audio")
        assert stages_run(output) == []
        assert output.count("didn't change, skipping") == len(ALL)
        edit(project / "params.yaml", "learning_rate: 0.003", "learning_rate: 0.001")
        assert stages_run(team.does(project, "dvc repro")) == TRAINING
    finally:
        audio.rename(team.audio)


def test_pushing_after_an_added_clip_sends_its_shards_and_the_listing_only(team, ana_and_ben):
    ana, _ = ana_and_ben
    sent = set(json.loads((team.root / "sent.json").read_text()))
    first, now = shards(team.root / "first"), shards(ana)
    assert first.items() < now.items()
    assert len(now) - len(first) == 2  # the clip, and the sentence that describes it
    features = {outs(ana)["cache/features"]}
    features |= {md5(content) for name, content in now.items() if name not in first}
    # All else that was sent is what other stages have written.
    assert sent - contents_of_other_stages(ana) == features


def test_a_second_clone_computes_nothing_that_the_first_offered(team, ana_and_ben):
    ana, _ = ana_and_ben
    project, _ = team.clone("clara", CLONE.partition("dvc pull")[0])
    assert not (project / "cache/features").exists()
    output = team.does(project, STORE_USE.replace("plan\ndvc repro", "plan\ndvc repro extract"))
    assert stages_run(output) == ["prepare", "caption", "extract"]
    clips = sum(CLIPS.values()) + 1
    assert f"{clips} clips: 0 in the cache, {clips} to take from the team's store, 0 to compute" in output
    assert f"{clips} rows taken from the team's store {team.store}" in output
    assert computed(output) == []
    assert shards(project) == shards(ana)
    assert run(project, "git", "status", "--porcelain") == ""


def test_files_linked_to_a_shared_cache_stay_whole(team, ana_and_ben):
    ana, _ = ana_and_ben
    project = shutil.copytree(team.root / "first", team.root / "linked/project")
    team.does(project, CACHE_FOLDER + CACHE)
    assert run(project, "git", "status", "--porcelain") == ""
    linked = [path for path in (project / "cache/features").rglob("*") if path.is_file()]
    assert all(path.stat().st_nlink > 1 for path in linked)
    cached = hashed(team.cache)
    assert {md5(path.read_bytes()) for path in linked} < cached

    def intact() -> bool:
        now = {
            "".join(p.parts[-2:]): p.read_bytes() for p in (team.cache / "files").rglob("*") if p.is_file()
        }
        return cached <= now.keys() and all(md5(now[name]) == name.removesuffix(".dir") for name in now)

    assert "rows taken" in team.does(project, f"erclap cache merge {ana}/cache/features")
    assert intact()
    assert "2 shards before, 1 now" in team.does(project, "erclap cache compact")
    assert intact()
    team.adds_a_clip(project, "train-5.wav", 203)
    commands = ADDED.partition("git commit")[0].replace("dvc repro\n", "dvc repro extract\n")
    assert stages_run(team.does(project, commands)) == ["prepare", "caption", "extract"]
    assert intact()


def test_clones_that_both_added_clips_are_merged_and_nothing_is_computed_again(team, ana_and_ben):
    ana, ben = ana_and_ben
    before = shards(ana) | shards(ben)
    with pytest.raises(AssertionError, match="CONFLICT .* in dvc.lock"):
        team.does(ben, PULL)
    output = team.does(ben, SOLVE)
    assert stages_run(output) == ALL
    assert computed(output) == []
    assert shards(ben) == before
    assert run(ben, "git", "status", "--porcelain") == ""
    assert re.findall(r"^(\S+):$", run(ben, "dvc", "status"), re.M) == [INSPECT]
    output = team.does(ana, f"{PULL}\ndvc pull\ndvc repro")
    assert stages_run(output) == []
    assert shards(ana) == before
    assert outs(ana) == outs(ben)
