"""`erclap index`, `search` and `describe` with a model of random weights, on real audio files."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from pipeline.encoders import SpeechEncoder, TextEncoder
from pipeline.training import ProjectionHeads
from pipeline.use import CaptionBank, EmotionRankCLAP, Encoder, Index, Model
from stages import playing
from stages.cli import main
from tests.conftest import made_once
from tests.use.index.fake import speak

SENTENCES = ["The person is speaking calmly.", "The person sounds excited.", "A bitter voice, low and slow."]
LENGTHS = {"ana/one.wav": 0.6, "ana/two.flac": 2.3, "ben/three.wav": 1.0, "a\x1b[2J\nb.wav": 0.5}


@pytest.fixture(scope="module")
def made(tmp_path_factory, speech_checkpoint, text_checkpoint) -> Path:
    """A model, recordings and an index of them. Nobody changes these."""

    def make(folder: Path) -> None:
        torch.manual_seed(0)
        speech = SpeechEncoder.from_pretrained(speech_checkpoint, "attentive-mean", crop_seconds=1.0)
        text = TextEncoder.from_pretrained(text_checkpoint, max_tokens=64)
        heads = ProjectionHeads(speech.recipe.feature_size, text.recipe.feature_size, 16).eval()
        bank = CaptionBank(
            SENTENCES,
            np.array([[4.0, 2.0], [5.0, 6.0], [2.0, 3.0]]),
            heads.text_embeddings(text.encode(SENTENCES)),
        )
        parts = [
            Encoder(str(path), None, encoder.recipe)
            for path, encoder in ((speech_checkpoint, speech), (text_checkpoint, text))
        ]
        EmotionRankCLAP(Model(heads, *parts, bank)).save_pretrained(folder / "model")
        for seed, (name, seconds) in enumerate(LENGTHS.items()):
            speak(folder / "recordings" / name, seconds, seed)
        (folder / "recordings" / "broken.mp3").write_bytes(b"")

    return made_once(tmp_path_factory, "searched", make)


@pytest.fixture(scope="module")
def _environment(made, speech_checkpoint, text_checkpoint):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ERCLAP_MODEL", str(made / "model"))
        patch.setenv("ERCLAP_INDEX", str(made / "index"))
        patch.setenv("ERCLAP_SPEECH_ENCODER", str(speech_checkpoint))
        patch.setenv("ERCLAP_TEXT_ENCODER", str(text_checkpoint))
        yield


@pytest.fixture(scope="module")
def said(made, _environment) -> tuple[str, str]:
    """What `erclap index` prints and tells."""
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as told:
        assert run("index", made / "recordings") == 0
    return out.getvalue(), told.getvalue()


@pytest.fixture
def index(said, made) -> Index:
    return Index.open(made / "index")


def run(*args: object) -> int:
    """Run `erclap` here; the exit code."""
    with pytest.raises(SystemExit) as left:
        main([str(arg) for arg in args])
    return int(left.value.code or 0)


@pytest.fixture
def erclap(said, capsys):
    """What a command that succeeds prints."""

    def answer(*args: object) -> str:
        assert run(*args) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return answer


@pytest.fixture
def refused(said, capsys):
    """The exit code and the one line of a command that fails."""

    def answer(*args: object) -> tuple[int, str]:
        code = run(*args)
        (line,) = capsys.readouterr().err.splitlines()
        return code, line

    return answer


def test_indexing_says_what_it_did_and_how_far_it_is(said, made, erclap):
    out, told = said
    assert out.splitlines() == [
        f"{made}/index: 4 recordings of {made}/recordings in 6 windows; 4 added, 0 changed, 0 removed; "
        f"6 windows encoded",
        f"1 file cannot be searched: see {made}/index/unreadable.csv (the first: broken.mp3: empty (0 bytes))",
    ]
    assert "recordings: 5/5 files (100%)" in told
    assert "speech: 6/6 windows (100%)" in told
    again = erclap("index", made / "recordings")
    assert "0 added, 0 changed, 0 removed; 0 windows encoded" in again


def test_the_index_holds_what_the_model_makes_of_each_file(index, made):
    model = EmotionRankCLAP.from_pretrained(
        made / "model", speech_encoder=_folder("SPEECH"), text_encoder=_folder("TEXT")
    )
    for row, path in enumerate(index.files.column("path").to_pylist()):
        windows = model.encode_speech(made / "recordings" / path, windows=True)
        rows = index.rows_of(row)
        assert np.array_equal(index.embeddings[rows.start : rows.stop], windows.embeddings)
        told = index.windows.slice(rows.start, len(rows)).to_pydict()
        assert told["start"] == windows.start.tolist()
        assert told["end"] == windows.end.tolist()
    first = index.windows.slice(0, 1).to_pylist()[0]
    read = model.predict(made / "recordings" / index.files.column("path")[0].as_py())
    assert [first[name] for name in ("valence", "arousal", "dominance")] == read.tolist()


def _folder(kind: str) -> str:
    import os

    return os.environ[f"ERCLAP_{kind}_ENCODER"]


def test_a_search_by_a_sentence_prints_a_table_of_eighty_columns(erclap, index, made):
    out = erclap("search", SENTENCES[0], "-k", 3)
    lines = out.splitlines()
    assert lines[0].split() == ["file", "time", "score", "valence", "arousal"]
    assert len(lines) == 4
    assert all(len(line) <= 80 for line in lines)
    found = json.loads(erclap("search", SENTENCES[0], "-k", 3, "--json"))
    assert found["root"] == str(made / "recordings")
    model = EmotionRankCLAP.from_pretrained(made / "model", text_encoder=_folder("TEXT"))
    (hits,) = index.by_embedding(model.encode_text(SENTENCES[0]), 3)
    assert [result["path"] for result in found["results"]] == [hit.path for hit in hits]
    assert [result["score"] for result in found["results"]] == [hit.score for hit in hits]
    for line, hit in zip(lines[1:], hits, strict=True):
        assert line.split()[-3:] == [f"{hit.score:.3f}", f"{hit.valence:.1f}", f"{hit.arousal:.1f}"]


def test_names_are_shown_on_one_line_that_no_terminal_obeys(erclap):
    out = erclap("search", "--valence", 4, "--arousal", 4)
    assert "\x1b" not in out
    assert r"a\x1b[2J\nb.wav" in out
    assert len(out.splitlines()) == 5
    paths = [
        hit["path"]
        for hit in json.loads(erclap("search", "--valence", 4, "--arousal", 4, "--json"))["results"]
    ]
    assert sorted(paths) == sorted(LENGTHS)


def test_a_search_by_mood_takes_no_model_and_any_number_of_windows_on_demand(erclap, index, monkeypatch):
    monkeypatch.setenv("ERCLAP_MODEL", "/nowhere")
    found = json.loads(erclap("search", "--valence", 2, "--arousal", 6, "--json"))["results"]
    assert [hit["window"] for hit in found] == [hit.window for hit in index.by_point(2, 6)]
    everything = json.loads(erclap("search", "--valence", 2, "--arousal", 6, "--json", "--all-windows"))[
        "results"
    ]
    assert len(everything) == len(index) > len(found)


def test_what_sounds_like_a_file_leaves_it_out_and_a_foreign_copy_of_it_is_nearest_to_it(
    erclap, made, tmp_path
):
    own = made / "recordings" / "ben/three.wav"
    found = json.loads(erclap("search", "--like", own, "--json"))["results"]
    assert {hit["path"] for hit in found} == {*LENGTHS} - {"ben/three.wav"}
    copy = tmp_path / "copy.wav"
    copy.write_bytes(own.read_bytes())
    found = json.loads(erclap("search", "--like", copy, "--json"))["results"]
    assert found[0]["path"] == "ben/three.wav"
    assert found[0]["score"] == pytest.approx(1, abs=1e-6)


def test_describing_says_of_each_window_where_it_lies_and_what_suits_it(erclap, made):
    file = made / "recordings" / "ana/two.flac"
    told = json.loads(erclap("describe", file, "-k", 2, "--json"))
    assert [(window["start"], window["end"]) for window in told["windows"]] == [(0, 1), (1, 2), (1.3, 2.3)]
    model = EmotionRankCLAP.from_pretrained(made / "model", speech_encoder=_folder("SPEECH"))
    first = told["windows"][0]
    samples, rate = soundfile.read(file, dtype="float32", stop=16_000)
    assert first["sentences"] == model.describe(samples, 2, sampling_rate=rate)
    lines = erclap("describe", file, "-k", 2).splitlines()
    assert len(lines) == 9
    assert lines[0].startswith(f"0:00.0–0:01.0  valence {first['valence']:.1f}, arousal ")
    assert lines[1] == f"  {first['sentences'][0]['score']:6.3f}  {first['sentences'][0]['text']}"


def test_results_are_played_one_after_another_by_the_first_player_there_is(erclap, tmp_path, monkeypatch):
    log = tmp_path / "log"
    player = tmp_path / "bin" / "paplay"
    player.parent.mkdir()
    player.write_text(f'#!/bin/sh\ncat "$1" >> {log}\necho "$#" >> {log}.counts\n')
    player.chmod(player.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{player.parent}:/bin:/usr/bin")
    monkeypatch.setattr(playing, "PLAYERS", (("no-such-player", "-x"), ("paplay",)))
    erclap("search", "--valence", 4, "--arousal", 4, "--play")
    assert Path(f"{log}.counts").read_text() == "1\n" * len(LENGTHS)
    assert log.read_bytes().count(b"RIFF") == len(LENGTHS)


def test_a_part_of_a_long_recording_is_what_is_played(tmp_path, monkeypatch):
    speak(tmp_path / "-long.wav", 3, rate=8_000)
    heard = []

    class Done:
        returncode = 0

    def run_player(command, **_):
        heard.append((command[:-1], *soundfile.read(command[-1])))
        return Done()

    monkeypatch.setattr(playing.subprocess, "run", run_player)
    playing.play_part(("player", "-q"), tmp_path / "-long.wav", 1.0, 1.5)
    (options, samples, rate) = heard[0]
    assert (options, rate) == (["player", "-q"], 8_000)
    assert np.array_equal(samples, soundfile.read(tmp_path / "-long.wav", start=8_000, stop=12_000)[0])
    Done.returncode = 3
    with pytest.raises(
        RuntimeError, match=r"player must play .*-long\.wav, found that it fails \(exit code 3\)"
    ):
        playing.play_part(("player", "-q"), tmp_path / "-long.wav", 1.0, 1.5)


def test_what_cannot_be_done_is_one_line(refused, made, tmp_path, monkeypatch):
    sentence = SENTENCES[0]
    for args in ((), (sentence, "--like", "x"), (sentence, "--valence", 3), ("--like", "x", "--arousal", 3)):
        assert refused("search", *args) == (
            2,
            "error: erclap search takes one of: a SENTENCE in quotes, --valence and --arousal, --like FILE",
        )
    assert refused("search", "--valence", 3) == (
        2,
        "error: a mood takes both --valence and --arousal, found one of them",
    )
    assert refused("search", "--valence", 3, "--arousal", 8) == (
        2,
        "error: arousal must be from 1 to 7, found 8.0",
    )
    code, line = refused("search", sentence, "--index", tmp_path)
    assert (code, line.endswith("index.json is not there: run `erclap index DIR` first")) == (1, True)
    code, line = refused("search", "--like", tmp_path / "no.wav")
    assert (code, line) == (2, f"error: {tmp_path}/no.wav: no such file")
    code, line = refused("describe", made / "recordings" / "broken.mp3")
    assert (code, line) == (2, f"error: {made}/recordings/broken.mp3: empty (0 bytes)")
    code, line = refused("index", tmp_path, "--index", tmp_path / "i")
    assert code == 2
    assert "there must be recordings below" in line
    monkeypatch.setattr(playing, "PLAYERS", (("no-such-player",),))
    code, line = refused("search", sentence, "--play")
    assert (code, line) == (
        2,
        "error: --play takes a player, found none of no-such-player: install one of them",
    )


def test_an_index_of_another_model_is_refused_in_one_line(refused, made, tmp_path, speech_checkpoint):
    other = EmotionRankCLAP.from_pretrained(made / "model")
    with torch.no_grad():
        other.model.heads.speech[0].bias += 1
    other.save_pretrained(tmp_path / "other")
    for args in ((SENTENCES[0],), ("--like", made / "model" / "x.wav")):
        code, line = refused("search", *args, "--model", tmp_path / "other")
        assert code == 1
        assert "must be by the model that searches it" in line
        assert f"run `erclap index {made}/recordings` with this model" in line
