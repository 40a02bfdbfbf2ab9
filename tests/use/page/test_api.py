"""The API: what each address answers, and what it refuses, in one line."""

from __future__ import annotations

import asyncio
import io
import itertools
import shutil
from contextlib import closing

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from pipeline.use.page import limits, uploads
from pipeline.use.page.app import build_app
from pipeline.use.page.desk import Desk
from pipeline.use.page.guard import Names
from pipeline.use.page.library import Library
from pipeline.use.page.sentences import Sentences
from pipeline.use.page.uploads import Ear
from tests.use.page.made import (
    CAPTIONS,
    HOSTILE,
    PLACES,
    RECORDINGS,
    open_library,
    write_index,
    write_recordings,
)


def asked(client: TestClient, **question: object) -> dict:
    answer = client.post("/api/search", json=question)
    assert answer.status_code == 200, answer.text
    return answer.json()


def wav(seconds: float, rate: int = 16_000, seed: int = 0) -> bytes:
    file = io.BytesIO()
    noise = 0.1 * np.random.default_rng(seed).standard_normal(round(rate * seconds))
    soundfile.write(file, noise, rate, format="WAV")
    return file.getvalue()


def test_about_says_what_is_searched(client):
    about = client.get("/api/about").json()
    assert (about["files"], about["windows"]) == (len(RECORDINGS), len(RECORDINGS) + 2)
    assert (about["model"], about["title"]) == ("a model", "A model")
    assert about["hours"] == pytest.approx(sum(RECORDINGS.values()) / 3600)
    assert about["synthetic"] is about["has_attributes"] is about["has_captions"] is True
    assert about["limits"]["upload_bytes"] == limits.MAX_UPLOAD_BYTES


def test_a_sentence_finds_the_nearest_window_of_each_file(client):
    found = asked(client, text="window 3", k=4)
    assert found["results"][0]["path"] == "b/dread.mp3"
    assert found["results"][0]["score"] == pytest.approx(1, abs=1e-6)
    assert len({one["file"] for one in found["results"]}) == 4
    scores = [one["score"] for one in found["results"]]
    assert scores == sorted(scores, reverse=True)


def test_a_sentence_lies_where_its_nearest_captions_do(client):
    query = asked(client, text="The person is calm.")["query"]
    assert query["captions"][0]["text"] == CAPTIONS[0]
    assert [query["valence"], query["arousal"]] == pytest.approx(np.mean(PLACES, axis=0))


def test_a_mood_finds_the_nearest_places(client):
    found = asked(client, valence=1.5, arousal=1.5, k=2)
    assert [one["path"] for one in found["results"]] == list(RECORDINGS)[:2]
    assert found["results"][0]["score"] == pytest.approx(1)
    assert found["query"] == {"valence": 1.5, "arousal": 1.5, "captions": []}


def test_a_window_finds_others_and_not_itself(client):
    first = asked(client, text="window 6", k=1)["results"][0]
    found = asked(client, like=first["id"], k=20)
    assert first["id"] not in {one["id"] for one in found["results"]}
    assert (found["query"]["valence"], found["query"]["arousal"]) == (first["valence"], first["arousal"])


def test_an_answer_has_ten_results_unless_asked_otherwise(client):
    assert len(asked(client, text="anything", k=1)["results"]) == 1
    assert len(asked(client, text="anything")["results"]) == len(RECORDINGS)


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ({}, 'a search must have "text", or'),
        ([], "must be an object"),
        ({"text": "a", "like": "b"}, "a search must have"),
        ({"text": "a", "more": 1}, "a search must have"),
        ({"valence": 3}, "a search must have"),
        ({"text": " "}, "text must be a sentence"),
        ({"text": 7}, "text must be a sentence"),
        ({"text": "x" * 1001}, "at most 1000 characters, found 1001"),
        ({"text": "a", "k": 0}, "k must be a whole number from 1 to 100"),
        ({"text": "a", "k": 101}, "k must be"),
        ({"text": "a", "k": True}, "k must be"),
        ({"text": "a", "k": "3"}, "k must be"),
        ({"valence": 0.9, "arousal": 3}, "valence must be a number from 1 to 7, found 0.9"),
        ({"valence": 3, "arousal": "4"}, "arousal must be a number from 1 to 7, found something else"),
        ({"valence": 3, "arousal": True}, "arousal must be"),
        ({"like": 3}, "like must be the id of a window"),
    ],
)
def test_a_poor_search_is_refused_in_one_line(client, question, line):
    answer = client.post("/api/search", json=question)
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert line in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"text": "\xff"}',
        b"[" * 9000,
        b'{"valence": NaN, "arousal": 3}',
        b'{"k": ' + b"9" * 5000 + b', "text": "a"}',
        b'{"text": "a \\ud800"}',
        b'{"valence": 1e999, "arousal": 3}',
    ],
)
def test_what_is_no_json_is_refused(client, body):
    answer = client.post("/api/search", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text


def test_a_search_of_another_type_is_refused(client):
    answer = client.post("/api/search", content=b'{"text": "a"}', headers={"content-type": "text/plain"})
    assert (answer.status_code, "found text/plain" in answer.text) == (415, True)


def test_a_search_too_large_is_refused(client):
    answer = client.post("/api/search", json={"text": "x" * 20_000})
    assert (answer.status_code, "at most 16 KiB" in answer.text) == (413, True)


@pytest.mark.parametrize(
    "like", ["", "a", "0123456789abcdef-0", "0123456789abcdef", "../../etc-0", "é-1", "-"]
)
def test_a_window_that_is_none_is_not_found(client, like):
    answer = client.post("/api/search", json={"like": like})
    assert (answer.status_code, answer.json()) == (404, {"error": answer.json()["error"]})


def test_a_file_s_window_must_begin_where_it_says(client):
    file = asked(client, text="window 0", k=1)["results"][0]["file"]
    assert client.get(f"/api/waveform/{file}-0").status_code == 200
    assert client.get(f"/api/waveform/{file}-1").status_code == 404


def test_an_unknown_address_and_a_wrong_method_are_said(client):
    assert client.get("/api/none").status_code == 404
    assert client.get("/../pyproject.toml").status_code == 404
    answer = client.get("/api/search")
    assert (answer.status_code, "GET is not for this address" in answer.text) == (405, True)


def test_ids_stay_when_the_index_is_made_again_and_the_rows_move(recordings, tmp_path):
    write_index(recordings, tmp_path)
    library = open_library(tmp_path, clock=itertools.count().__next__)
    window = library.edition.window_id(1, 0.0)
    write_index(recordings, tmp_path, paths=list(RECORDINGS)[1:])
    assert library.edition.window(window).file == 0


def test_an_index_made_again_is_picked_up_and_a_poor_one_is_not(recordings, tmp_path, capsys):
    write_index(recordings, tmp_path, paths=list(RECORDINGS)[:3])
    now = 0.0
    library = open_library(tmp_path, clock=lambda: now)
    before = library.edition
    write_index(recordings, tmp_path)
    assert library.edition is before  # looked for once a second
    now = 1.0
    assert len(library.edition.index.files) == len(RECORDINGS)
    assert len(before.index.by_like(0, 5)) == 2  # who has the old one goes on with it
    write_index(recordings, tmp_path, model="ffffffffffff")
    now = 2.0
    assert len(library.edition.index.files) == len(RECORDINGS)
    assert "the one before stays: the index of" in capsys.readouterr().err


def test_an_index_of_another_model_is_refused_at_the_start(recordings, tmp_path):
    write_index(recordings, tmp_path, model="ffffffffffff")
    with pytest.raises(RuntimeError, match="must be by the model that searches it"):
        open_library(tmp_path)


def test_without_captions_and_attributes_places_are_unknown(recordings, tmp_path):
    write_index(recordings, tmp_path, attributes=False)
    library = open_library(tmp_path, captions=False, attributes=False)
    with (
        closing(Ear(library)) as ear,
        TestClient(build_app(library, ear, Names("127.0.0.1")), "http://localhost") as bare,
    ):
        about = bare.get("/api/about").json()
        assert about["has_attributes"] is about["has_captions"] is False
        assert bare.get("/api/plane").json() == {"places": []}
        found = asked(bare, text="window 2", k=1)
        assert found["query"] == {"valence": None, "arousal": None, "captions": []}
        assert found["results"][0]["valence"] is None
        answer = bare.post("/api/search", json={"valence": 3, "arousal": 3})
        assert (answer.status_code, "no valence and arousal to search by" in answer.text) == (400, True)


def test_the_plane_shows_windows_evenly_chosen(client, monkeypatch, index):
    assert len(client.get("/api/plane").json()["places"]) == len(RECORDINGS) + 2
    monkeypatch.setattr("pipeline.use.page.library.PLANE_PLACES", 3)
    assert open_library(index).edition.places == [[1.5, 1.5], [3.722, 3.722], [6.5, 6.5]]


def test_a_recording_is_heard_window_by_window(client, ear):
    answer = client.post("/api/hear", content=wav(5.0))
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["heard"], told["duration"]) == (5.0, 5.0)
    assert [(one["start"], one["end"]) for one in told["windows"]] == [(0, 2), (2, 4), (3, 5)]
    first = told["windows"][0]
    assert (first["valence"], first["arousal"], first["dominance"]) == (3, 5, 4)
    assert len(first["sentences"]) == len(CAPTIONS)
    assert len(first["results"]) == len(RECORDINGS)
    assert list(ear.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b"", "empty (0 bytes)"),
        (b"RIFF", "not readable as audio"),
        (b"<html>nothing</html>", "not audio"),
        (wav(0.01), "cannot be heard"),
        (wav(2)[:20_000], "cannot be heard"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "cannot be heard"),
    ],
)
def test_what_cannot_be_heard_is_refused_and_nothing_stays(client, ear, body, line):
    answer = client.post("/api/hear", content=body)
    assert answer.status_code == 422, answer.text
    assert line in answer.json()["error"]
    assert list(ear.folder.iterdir()) == []


def test_a_recording_too_long_is_refused(library, tmp_path):
    file = tmp_path / "long.wav"
    file.write_bytes(wav(9.0))
    with pytest.raises(uploads.AudioError, match="longer than 0.1 minutes"):
        uploads.decode(uploads.Asked(file, 2.0, 6.0))


def test_a_recording_too_large_is_refused_and_nothing_stays(client, ear, monkeypatch):
    monkeypatch.setattr("pipeline.use.page.app.MAX_UPLOAD_BYTES", 1 << 20)
    pieces = (bytes(1 << 18) for _ in range(5))
    answer = client.post("/api/hear", content=pieces)  # which does not say how long it is
    assert (answer.status_code, "at most 1 MiB" in answer.text) == (413, True)
    assert client.post("/api/hear", content=bytes(2 << 20)).status_code == 413
    assert list(ear.folder.iterdir()) == []


def test_where_time_runs_out_it_is_said_how_far_it_was_heard(library, tmp_path):
    file = tmp_path / "clip.wav"
    file.write_bytes(wav(5.0))
    with closing(Ear(library, clock=itertools.count(step=15).__next__)) as ear:
        told = ear.hear(file)
    assert (told["heard"], told["duration"], len(told["windows"])) == (4.0, 5.0, 2)


def test_too_many_at_once_are_told_to_come_again(client, monkeypatch):
    monkeypatch.setattr(Desk, "is_full", property(lambda desk: True))
    answer = client.post("/api/search", json={"text": "a"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


def test_sentences_that_wait_are_embedded_together_and_each_has_its_own():
    asked: list[list[str]] = []

    def embed(sentences: list[str]) -> np.ndarray:
        asked.append(sentences)
        if "bad" in sentences:
            raise RuntimeError("a fault")
        return np.array([[float(sentence)] for sentence in sentences], np.float32)

    async def ask() -> list[object]:
        sentences = Sentences(embed, room=50)
        numbers = [sentences.embedding(str(number)) for number in range(50)]
        with closing(sentences):
            first = await asyncio.gather(*numbers, sentences.embedding("late"), return_exceptions=True)
            bad = await asyncio.gather(sentences.embedding("bad"), return_exceptions=True)
            return [*first, *bad, *await sentences.embedding("7")]

    *found, late, bad, after = asyncio.run(ask())
    assert [float(one[0]) for one in found] == list(range(50))
    assert (late.status_code, str(bad), after) == (429, "a fault", 7)
    assert [len(one) for one in asked] == [32, 18, 1, 1]


def test_a_fault_of_ours_is_not_told_to_the_client(client, library, ear, monkeypatch):
    def broken(self: Library, *asked: object) -> dict:
        raise OSError("secret/place is gone")

    monkeypatch.setattr(Library, "search", broken)
    app = build_app(library, ear, Names("127.0.0.1"))
    with TestClient(app, "http://127.0.0.1", raise_server_exceptions=False) as faulty:
        answer = faulty.post("/api/search", json={"text": "a"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_name_of_a_file_is_given_as_it_is(client):
    found = asked(client, text="window 5", k=1)["results"][0]
    assert found["path"] == f"c/{HOSTILE}"


def test_a_recording_that_changed_or_went_is_gone(tmp_path):
    root, index = tmp_path / "recordings", tmp_path / "index"
    write_recordings(root)
    write_index(root, index)
    library = open_library(index)
    with (
        closing(Ear(library)) as ear,
        TestClient(build_app(library, ear, Names("127.0.0.1")), "http://localhost") as bare,
    ):
        found = asked(bare, text="window 0")["results"]
        first, second = found[0], next(one for one in found if one["path"] == "a/bliss.flac")
        (root / first["path"]).write_bytes(b"other")
        (root / second["path"]).unlink()
        for one in (first, second):
            for address in (f"audio/{one['file']}", f"waveform/{one['id']}"):
                answer = bare.get(f"/api/{address}")
                assert (answer.status_code, "run `erclap index` again" in answer.text) == (410, True)
        shutil.rmtree(root)
        assert bare.get(f"/api/audio/{found[4]['file']}").status_code == 410
