"""Recordings as they are sent: by their id, in ranges, as a browser plays them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from starlette.exceptions import HTTPException

from pipeline.use.page.sounds import AsWav, open_sound, parse_range, peaks


@pytest.fixture(scope="module")
def ids(client) -> dict[str, str]:
    """Path → id."""
    found = client.post("/api/search", json={"text": "any", "k": 100}).json()["results"]
    return {one["path"]: one["file"] for one in found}


@pytest.mark.parametrize(
    ("path", "kind"),
    [("a/anger.wav", "wav"), ("a/bliss.flac", "flac"), ("b/calm.ogg", "ogg"), ("b/dread.mp3", "mpeg")],
)
def test_what_a_browser_plays_is_sent_as_it_is(client, ids, recordings, path, kind):
    answer = client.get(f"/api/audio/{ids[path]}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, f"audio/{kind}")
    assert answer.content == (recordings / path).read_bytes()
    assert answer.headers["accept-ranges"] == "bytes"


def test_what_it_does_not_play_is_sent_as_wav(client, ids, recordings):
    answer = client.get(f"/api/audio/{ids['b/elation.aiff']}")
    assert answer.headers["content-type"] == "audio/wav"
    sent, rate = soundfile.read(io.BytesIO(answer.content), dtype="int16")
    there, _ = soundfile.read(recordings / "b/elation.aiff", dtype="int16")
    assert rate == 16_000
    np.testing.assert_array_equal(sent, there)


@pytest.mark.parametrize("path", ["a/anger.wav", "b/elation.aiff"])
@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-", slice(0, None)),
        ("bytes=0-9", slice(0, 10)),
        ("bytes=40-51", slice(40, 52)),
        ("bytes=1001-1004", slice(1001, 1005)),
        ("bytes=63000-99999999", slice(63000, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=-99999999", slice(0, None)),
    ],
)
def test_a_range_is_that_part(client, ids, path, asked, part):
    whole = client.get(f"/api/audio/{ids[path]}").content
    answer = client.get(f"/api/audio/{ids[path]}", headers={"range": asked})
    assert answer.status_code == 206
    assert answer.content == whole[part]
    start, stop, _ = part.indices(len(whole))
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(whole)}"
    assert answer.headers["content-length"] == str(stop - start)


@pytest.mark.parametrize(
    "asked",
    ["bytes=", "bytes=-", "bytes=-0", "bytes=9-3", "bytes=99999999-", "bytes=0-1,3-4", "bytes=0-," * 900,
     "lines=0-3", "bytes=1_0-", "bytes=٣-", "bytes=0x1-", "bytes=" + "9" * 400 + "-"],
)  # fmt: skip
def test_what_is_no_range_of_it_is_refused(client, ids, asked):
    answer = client.get(f"/api/audio/{ids['a/anger.wav']}", headers={"range": asked.encode()})
    assert answer.status_code == 416
    assert answer.headers["content-range"].startswith("bytes */")


def test_a_range_of_another_recording_is_answered_by_the_whole(client, ids):
    asked = {"range": "bytes=0-9", "if-range": '"other"'}
    assert client.get(f"/api/audio/{ids['a/anger.wav']}", headers=asked).status_code == 200
    asked["if-range"] = client.get(f"/api/audio/{ids['a/anger.wav']}").headers["etag"]
    assert client.get(f"/api/audio/{ids['a/anger.wav']}", headers=asked).status_code == 206


def test_a_head_has_the_length_and_no_body(client, ids):
    answer = client.head(f"/api/audio/{ids['a/anger.wav']}")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "64044")


@pytest.mark.parametrize(
    "name",
    ["0" * 16, "a/anger.wav", "..%2f..%2fetc%2fpasswd", "0", "%00", "a" * 3000, "0123456789ABCDEF", "-1"],
)
def test_only_an_id_of_the_index_leads_to_a_file(client, name):
    assert client.get(f"/api/audio/{name}").status_code == 404


@pytest.mark.parametrize(
    ("rate", "channels", "subtype"), [(8000, 2, "ULAW"), (44_100, 1, "PCM_24"), (22_050, 3, "FLOAT")]
)
def test_a_decoded_sound_is_the_same_however_it_is_read(tmp_path, rate, channels, subtype):
    noise = 0.3 * np.random.default_rng(0).standard_normal((5000, channels))
    file = tmp_path / "sound.au"
    soundfile.write(file, noise, rate, subtype=subtype)
    status = file.stat()
    sound = open_sound(file, status.st_size, status.st_mtime_ns)
    assert isinstance(sound, AsWav)
    whole = sound.read(0, sound.size)
    assert len(whole) == sound.size
    for start, count in ((0, 10), (40, 9), (45, 1), (4001, 4000), (sound.size - 3, 100), (7, 1)):
        assert sound.read(start, count) == whole[start : start + count]
    sound.close()
    decoded, _ = soundfile.read(file, dtype="int16", always_2d=True)
    np.testing.assert_array_equal(
        soundfile.read(io.BytesIO(whole), dtype="int16", always_2d=True)[0], decoded
    )


def test_a_sound_that_changed_or_is_none_is_not_opened(tmp_path):
    file = tmp_path / "sound.wav"
    file.write_bytes(b"no audio")
    status = file.stat()
    with pytest.raises(RuntimeError, match="changed since it was indexed"):
        open_sound(file, status.st_size + 1, status.st_mtime_ns)
    with pytest.raises(RuntimeError, match="not readable as audio"):
        open_sound(file, status.st_size, status.st_mtime_ns)


def test_ranges_follow_their_definition():
    assert parse_range("bytes=0-0", 5) == (0, 1)
    assert parse_range(" bytes=4- ", 5) == (4, 5)
    with pytest.raises(HTTPException):
        parse_range("bytes=5-", 5)


@pytest.mark.parametrize("count", [1, 7, 200])
def test_peaks_are_the_largest_of_each_part(tmp_path, count):
    rng = np.random.default_rng(count)
    samples = rng.uniform(-0.9, 0.9, (16_000, 2)).astype(np.float32)
    soundfile.write(tmp_path / "sound.wav", samples, 16_000, subtype="FLOAT")
    stretch = np.abs(samples[4000:12_000]).max(axis=1)
    slow = [max(stretch[i] for i in range(8000) if i * count // 8000 == part) for part in range(count)]
    found = peaks(tmp_path / "sound.wav", 0.25, 0.75, count)
    assert found == pytest.approx(slow, abs=6e-4)


def test_a_waveform_has_two_hundred_peaks_of_its_window(client, ids):
    found = client.get(f"/api/waveform/{ids['c/long.wav']}-2000").json()["peaks"]
    assert len(found) == 200
    assert all(0 <= peak <= 1 for peak in found)
    assert 0 < max(client.get(f"/api/waveform/{ids['c/long.wav']}-0").json()["peaks"]) < max(found)
