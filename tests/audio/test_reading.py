"""An audio file's start as the encoder hears it, the whole looked at in blocks, or one reason why not."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from pipeline.audio import reading as audio
from pipeline.audio.reading import AudioError, PassingAudioError, inside, inspect_clip, read_waveform

CROP = 10.0


def tone(rate: int, seconds: float = 1.0, frequency: float = 440.0) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)


def both_refuse(file: Path, reason: str, kind: type[AudioError] = AudioError) -> None:
    for look in (inspect_clip, read_waveform):
        with pytest.raises(kind, match=reason):
            look(file, CROP)


@pytest.mark.parametrize(
    ("suffix", "rates"),
    [
        ("wav", [4_000, 8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000]),
        ("flac", [4_000, 8_000, 16_000, 44_100, 48_000, 192_000]),
        ("mp3", [8_000, 16_000, 22_050, 32_000, 44_100, 48_000]),
        ("ogg", [8_000, 16_000, 44_100, 48_000]),
    ],
)
def test_every_format_and_rate_gives_the_same_tone(tmp_path, suffix, rates):
    for rate in rates:
        path = tmp_path / f"tone.{suffix}"
        soundfile.write(path, tone(rate), rate)
        clip = inspect_clip(path, CROP)
        assert (clip.sampling_rate, clip.channels) == (rate, 1)
        assert clip.duration == pytest.approx(1.0, abs=1e-3)
        waveform = read_waveform(path, CROP)
        assert len(waveform) == pytest.approx(16_000, abs=16)
        spectrum = np.abs(np.fft.rfft(waveform[2000:14000]))
        assert np.argmax(spectrum) * 16_000 / 12_000 == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    ("container", "subtypes"),
    [
        ("WAV", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]),
        ("WAVEX", ["PCM_16", "FLOAT"]),
        ("RF64", ["PCM_U8", "PCM_16", "DOUBLE"]),
        ("W64", ["PCM_U8", "PCM_16", "FLOAT"]),
        ("AIFF", ["PCM_S8", "PCM_16", "PCM_24", "FLOAT", "ULAW"]),
        ("AU", ["PCM_S8", "PCM_16", "PCM_24", "FLOAT", "ULAW"]),
        ("CAF", ["PCM_16", "ALAC_16"]),
        ("FLAC", ["PCM_S8", "PCM_16", "PCM_24"]),
        ("OGG", ["OPUS", "VORBIS"]),
    ],
)
def test_every_sample_format_gives_the_same_waveform(tmp_path, container, subtypes):
    path = tmp_path / "tone"
    for subtype in subtypes:
        for samples in (tone(16_000), tone(16_000)[:-1]):  # odd numbers of bytes are padded
            soundfile.write(path, samples, 16_000, format=container, subtype=subtype)
            # libsndfile makes a sample of the padding of an AIFF in μ-law.
            assert inspect_clip(path, CROP).duration * 16_000 == pytest.approx(len(samples), abs=1)
            waveform = read_waveform(path, CROP)
            loose = subtype in ("OPUS", "VORBIS")
            assert np.allclose(waveform[400:15_500], samples[400:15_500], atol=0.05 if loose else 0.012)


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("channels", [2, 8])
def test_channels_are_averaged(tmp_path, rate, channels):
    path = tmp_path / "clip.wav"
    samples = np.stack([tone(rate, frequency=200 * (i + 1)) for i in range(channels)], axis=1)
    soundfile.write(path, samples, rate, subtype="FLOAT")
    assert inspect_clip(path, CROP).channels == channels
    wanted = soxr.resample(samples.mean(axis=1), rate, 16_000, quality="HQ")
    assert np.allclose(read_waveform(path, CROP), wanted, atol=1e-6)


def test_channels_longer_than_a_block_are_averaged(tmp_path, monkeypatch, noise):
    monkeypatch.setattr(audio, "BLOCK_SAMPLES", 1 << 12)
    samples = np.stack([noise(1.0), noise(1.0, 1), noise(1.0, 2)], axis=1)
    soundfile.write(tmp_path / "clip.wav", samples, 16_000, subtype="FLOAT")
    assert np.allclose(read_waveform(tmp_path / "clip.wav", 0.7), samples[:11_200].mean(axis=1), atol=1e-7)
    assert inspect_clip(tmp_path / "clip.wav", 0.7).duration == 1.0


def test_the_hash_is_of_the_whole_file(tmp_path, write_audio):
    path = write_audio(tmp_path / "a.wav", 20.0)
    wanted = hashlib.sha256(path.read_bytes()).hexdigest()
    assert inspect_clip(path, CROP).sha256 == wanted
    assert len(read_waveform(path, CROP, sha256=wanted)) == 160_000
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # far beyond the crop
    path.write_bytes(data)
    with pytest.raises(AudioError, match="changed since `erclap prepare`"):
        read_waveform(path, CROP, sha256=wanted)


@pytest.mark.parametrize("rate", [4_000, 7_919, 8_000, 16_000, 22_050, 44_100, 48_000, 192_000])
def test_a_waveform_does_not_depend_on_what_follows(tmp_path, rate):
    rng = np.random.default_rng(rate)
    heard = 0.1 * rng.standard_normal(int(np.ceil(1.1 * rate))).astype(np.float32)
    short, long = tmp_path / "short.wav", tmp_path / "long.wav"
    soundfile.write(short, heard, rate, subtype="FLOAT")
    whole = np.concatenate([heard, rng.uniform(-1, 1, 3 * rate).astype(np.float32)])
    soundfile.write(long, whole, rate, subtype="FLOAT")
    waveform = read_waveform(long, 1.0)
    assert waveform.tobytes() == read_waveform(short, 1.0).tobytes()
    assert len(waveform) == 16_000
    resampled = whole if rate == 16_000 else soxr.resample(whole, rate, 16_000, quality="HQ")
    assert np.abs(waveform - resampled[:16_000]).max() < 1e-6


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (16_000, 2), (44_100, 1), (8_000, 2)])
@pytest.mark.parametrize("seconds", [0.5, 0.70001, 1.0, 3.0])
def test_a_waveform_owns_exactly_its_memory(tmp_path, write_audio, rate, channels, seconds):
    waveform = read_waveform(write_audio(tmp_path / "a.wav", rate=rate, channels=channels), seconds)
    assert waveform.dtype == np.float32
    assert waveform.flags.c_contiguous
    assert waveform.flags.owndata
    assert len(waveform) == round(min(seconds, 1.0) * 16_000)


def test_an_mp3_is_as_if_it_were_decoded_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "BLOCK_SAMPLES", 1 << 12)
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.mp3", 0.1 * rng.standard_normal((32_000, 2)), 16_000)
    wanted, _ = soundfile.read(tmp_path / "a.mp3", dtype="float32")
    assert np.allclose(read_waveform(tmp_path / "a.mp3", CROP), wanted.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(0), "at least 25 ms long, found 0.0 ms"),
        (0.1 * np.ones(300), "at least 25 ms long, found 18.8 ms"),
        (np.zeros(16_000), "silent throughout"),
        (np.full(16_000, 0.25), "silent throughout"),
        (2.0**-15 * np.random.default_rng(0).integers(-2, 3, 16_000), "silent throughout"),
        (np.full(16_000, np.nan), "not finite numbers"),
        (np.concatenate([tone(16_000), [np.nan]]), "not finite numbers"),
        (np.full(16_000, np.inf), "not finite numbers"),
        (np.concatenate([tone(16_000), [-np.inf]]), "not finite numbers"),
        (1e30 * tone(16_000), "within -1..1 or a little over, found 3e.29"),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_what_cannot_be_heard_has_its_reason(tmp_path, samples, reason, channels):
    path = tmp_path / "clip.wav"
    soundfile.write(path, np.stack([samples] * channels, axis=1), 16_000, subtype="FLOAT")
    both_refuse(path, reason)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e9])
def test_what_is_wrong_after_the_crop_is_found_by_the_look_at_the_whole(tmp_path, bad):
    samples = np.tile(tone(16_000), 3)
    samples[-1] = bad
    soundfile.write(tmp_path / "clip.wav", samples, 16_000, subtype="FLOAT")
    assert len(read_waveform(tmp_path / "clip.wav", 1.0)) == 16_000
    with pytest.raises(AudioError, match="not finite numbers|within -1..1"):
        inspect_clip(tmp_path / "clip.wav", 1.0)


def test_a_clip_that_is_silent_as_far_as_it_is_heard_is_refused(tmp_path):
    soundfile.write(tmp_path / "late.wav", np.concatenate([np.zeros(32_000), tone(16_000)]), 16_000)
    assert inspect_clip(tmp_path / "late.wav", CROP).duration == 3.0
    for look in (inspect_clip, read_waveform):
        with pytest.raises(AudioError, match="^silent in its first 1.5 s: never louder"):
            look(tmp_path / "late.wav", 1.5)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_what_is_said_of_silence_is_true(tmp_path, rate):
    path, sound, nothing = tmp_path / "clip.wav", tone(rate), np.zeros(3 * rate // 2)
    ultrasound = tone(96_000, frequency=30_000) * np.hanning(96_000)
    for channels, at, reason in (
        ([nothing[:rate]], rate, "^silent throughout: never louder"),
        ([np.concatenate([nothing, sound])] * 2, rate, "^silent in its first 1 s: never louder"),
        ([sound, -sound], rate, "^its channels cancel each other out throughout: their mean is never louder"),
        (
            [np.tile(sound, 3), np.concatenate([-sound, -sound, sound])],
            rate,
            "^its channels cancel .* in its first 1 s:",
        ),
        ([np.full(16_000, 0.2), np.full(16_000, -0.3)], 16_000, "^silent throughout: never louder"),
        ([ultrasound, ultrasound], 96_000, "^silent throughout: never louder"),
    ):
        soundfile.write(path, np.stack(channels, axis=1), at, subtype="FLOAT")
        for look in (inspect_clip, read_waveform):
            with pytest.raises(AudioError, match=reason):
                look(path, 1.0)


def test_a_whisper_is_no_silence(tmp_path):
    soundfile.write(tmp_path / "whisper.wav", 0.001 * tone(16_000), 16_000, subtype="PCM_24")
    assert np.abs(read_waveform(tmp_path / "whisper.wav", CROP)).max() == pytest.approx(0.0003, rel=0.01)


@pytest.mark.parametrize("rate", [1, 3_999, 800_000])
def test_a_rate_that_is_none_of_speech_is_refused(tmp_path, rate):
    soundfile.write(tmp_path / "clip.wav", tone(16_000), rate)
    both_refuse(tmp_path / "clip.wav", f"at least 4000 Hz and at most 768000, found {rate}")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", r"^empty \(0 bytes\)$"),
        (b"<!DOCTYPE html>\n<html><body>Log in</body></html>", "^a web page, not audio$"),
        (b"\xef\xbb\xbf \n<html lang='en'>", "^a web page, not audio$"),
        (b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml">', "^a web page, not audio$"),
    ],
)
def test_what_is_no_audio_is_called_what_it_is(tmp_path, data, reason):
    (tmp_path / "clip.wav").write_bytes(data)
    both_refuse(tmp_path / "clip.wav", reason)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n",
            "^a Git LFS pointer: run `git lfs pull`$",
        ),
        (b"/annex/objects/MD5E-s9--ab.wav\n", "^a git-annex pointer: run `git annex get`"),
    ],
)
def test_what_git_keeps_elsewhere_is_told_from_what_is_no_audio(tmp_path, data, reason):
    (tmp_path / "clip.wav").write_bytes(data)
    both_refuse(tmp_path / "clip.wav", reason, PassingAudioError)


def test_a_link_that_leads_nowhere_is_told_from_a_file_that_is_absent(tmp_path):
    for name, target, reason in (
        ("a.wav", ".git/annex/objects/x/y/MD5E-s9--ab.wav", "^a git-annex link .*: run `git annex get`"),
        ("b.wav", "elsewhere.wav", "^a link to elsewhere.wav, which is not there$"),
    ):
        (tmp_path / name).symlink_to(target)
        both_refuse(tmp_path / name, reason, PassingAudioError)
    both_refuse(tmp_path / ".git/annex/objects/x.wav", "^a git-annex link", PassingAudioError)


@pytest.mark.parametrize("data", [b"no audio here\n" * 99, b"RIFF\x00\x00\x00\x00WAVE", bytes(5000)])
def test_what_is_not_audio_is_refused(tmp_path, data):
    (tmp_path / "clip.wav").write_bytes(data)
    both_refuse(tmp_path / "clip.wav", "not readable as audio")


@pytest.mark.parametrize("size", [44, 500])
def test_an_mp3_without_a_frame_is_not_called_absent(tmp_path, size):
    soundfile.write(tmp_path / "clip.mp3", tone(16_000), 16_000)
    (tmp_path / "clip.mp3").write_bytes((tmp_path / "clip.mp3").read_bytes()[:size])
    both_refuse(tmp_path / "clip.mp3", "not readable as audio .no frame of it can be decoded.$")


def test_what_is_no_plain_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    for file in (tmp_path / "pipe.wav", tmp_path, Path("/dev/zero")):
        both_refuse(file, "not a plain file")


def test_what_cannot_be_reached_now_is_told_from_what_is_no_audio(tmp_path, write_audio):
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    plain = write_audio(tmp_path / "plain.wav")
    for file, reason in (
        (tmp_path / "no.wav", "no such file"),
        (plain / "clip.wav", "not readable .Not a directory"),
        (tmp_path / "loop.wav", "not readable .Too many levels of symbolic links"),
        (tmp_path / ("long" * 99), "not readable .File name too long"),
    ):
        both_refuse(file, reason, PassingAudioError)
    with unprivileged(plain):
        both_refuse(plain, "not readable .Permission denied", PassingAudioError)


@contextmanager
def unprivileged(file: Path) -> Iterator[None]:
    """A file that may not be read, even where the tests run as root."""
    file.chmod(0)
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch, write_audio):
    path = write_audio(tmp_path / "a.wav")
    hashed = audio.sha256_of

    def hash_and_grow(descriptor: int) -> str:
        digest = hashed(descriptor)
        with path.open("ab") as file:
            file.write(b"\0\0")
        return digest

    monkeypatch.setattr(audio, "sha256_of", hash_and_grow)
    with pytest.raises(PassingAudioError, match="changed while it was read"):
        inspect_clip(path, CROP)
    with pytest.raises(PassingAudioError, match="changed while it was read"):
        read_waveform(path, CROP, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_resource_fork_beside_a_clip_does_not_matter(tmp_path):
    soundfile.write(tmp_path / "clip.mp3", tone(16_000), 16_000)
    (tmp_path / "._clip.mp3").write_bytes(b"\x00\x05\x16\x07" + bytes(60))  # a Mac leaves them everywhere
    assert inspect_clip(tmp_path / "clip.mp3", CROP).duration == 1.0


def test_no_descriptor_stays_open(tmp_path, write_audio):
    good = write_audio(tmp_path / "good.flac")
    (tmp_path / "bad.wav").write_text("no")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        read_waveform(good, CROP)
        inspect_clip(good, CROP)
        both_refuse(tmp_path / "bad.wav", "not readable as audio")
        both_refuse(tmp_path, "not a plain file")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_any_number_of_threads_reads_the_same(tmp_path, write_audio):
    files = [
        write_audio(tmp_path / f"{i}.{suffix}", 0.3 + 0.01 * i, rate=rate, seed=i)
        for i in range(6)
        for suffix, rate in (("wav", 16_000), ("flac", 44_100), ("mp3", 22_050), ("ogg", 48_000))
    ]
    alone = [(inspect_clip(file, CROP), read_waveform(file, CROP).tobytes()) for file in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(
            pool.map(lambda file: (inspect_clip(file, CROP), read_waveform(file, CROP).tobytes()), files * 5)
        )
    assert together == alone * 5


def test_three_hours_and_a_header_that_lies_cost_no_memory(tmp_path, noise):
    hours = tmp_path / "hours.wav"
    block = noise(10.0)
    with soundfile.SoundFile(hours, "w", 8_000, 1, subtype="ULAW") as file:
        for _ in range(540):  # 20 s each
            file.write(block)
    soundfile.write(tmp_path / "lie.flac", block[:16_000], 16_000)
    data = bytearray((tmp_path / "lie.flac").read_bytes())
    data[21] |= 0x0F  # the number of samples is 36 bits of the stream's information
    data[22:26] = b"\xff" * 4
    (tmp_path / "lie.flac").write_bytes(data)
    program = """
import resource, sys
from pathlib import Path
from pipeline.audio import AudioError, inspect_clip, read_waveform
hours, lie = (Path(name) for name in sys.argv[1:])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
assert inspect_clip(hours, 10.0).duration == 10800.0
assert read_waveform(hours, 10.0, sha256=inspect_clip(hours, 10.0).sha256).shape == (160000,)
for look in (inspect_clip, read_waveform):
    try:
        look(lie, 10.0)
    except AudioError as error:
        print(error)
print(peak() - before)
"""
    answer = subprocess.run(
        [sys.executable, "-c", program, hours, tmp_path / "lie.flac"],
        capture_output=True,
        text=True,
        check=True,
    )
    hours.unlink()
    *reasons, megabytes = answer.stdout.splitlines()
    assert len([r for r in reasons if "truncated" in r or "not readable as audio" in r]) == 2
    assert float(megabytes) < 30


def test_a_path_cannot_leave_its_root(tmp_path):
    assert inside(tmp_path, "a/../b.wav") == tmp_path.resolve() / "b.wav"
    (tmp_path / "link").symlink_to("/etc")
    (tmp_path / "clip.wav").symlink_to("/etc/passwd")
    (tmp_path / "loop").symlink_to("loop")
    assert inside(tmp_path, "loop/a.wav").is_relative_to(tmp_path.resolve())
    for path in ("../b.wav", "/etc/passwd", "link/../passwd"):
        with pytest.raises(ValueError, match="must stay inside") as refused:
            inside(tmp_path, path)
        assert not isinstance(refused.value, AudioError)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "indirect").symlink_to("../link")
    for path, reason in (
        (
            "link/passwd",
            "^link is a link to /etc, outside of prepare.root .*: set prepare.root to the folder",
        ),
        ("clip.wav", "^clip.wav is a link to /etc/passwd, outside"),
        ("a/indirect/no/such.wav", "^a/indirect is a link to /etc, outside"),
    ):
        with pytest.raises(AudioError, match=reason):
            inside(tmp_path, path)
    with pytest.raises(ValueError, match="must not hold a NUL"):
        inside(tmp_path, "a\0.wav")
