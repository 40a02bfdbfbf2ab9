"""The sample corpus: the same to the byte, disjoint where it must be, mixed, and like MSP-Podcast."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.audio.reading import inspect_clip
from pipeline.corpora import sample
from pipeline.manifest import Utterance
from pipeline.sample.annotators import annotate, draw_meaning
from pipeline.sample.recording import FORMATS
from pipeline.sample.sentences import sentences

COUNT = 80


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Utterance]]:
    root = tmp_path_factory.mktemp("sample")
    return root, sample.read(root, utterances=COUNT)


def hashes(root: Path) -> dict[str, str]:
    files = sorted(file for file in root.rglob("*") if file.is_file())
    return {
        file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }


@cache
def planned(seed: int, utterances: int = 1500) -> list[Utterance]:
    """A corpus of full size, as planned and not spoken."""
    return [sample._utterance(split, take) for split, take in sample._plan_all(utterances, seed)]


def test_another_process_writes_the_same_bytes(corpus: tuple[Path, list[Utterance]], tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from pipeline.corpora.sample import read; "
        f"read(Path(sys.argv[1]), utterances={COUNT})"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert hashes(tmp_path) == hashes(corpus[0])


def test_every_utterance_has_its_file_and_no_file_is_without_one(
    corpus: tuple[Path, list[Utterance]],
) -> None:
    root, utterances = corpus
    assert sorted(u.path for u in utterances) == sorted(hashes(root))
    assert len({u.id for u in utterances}) == COUNT


def test_a_run_that_was_interrupted_goes_on_where_it_stopped(
    corpus: tuple[Path, list[Utterance]], tmp_path: Path
) -> None:
    class Interrupted(Exception):
        pass

    def stop_after_ten(done: int) -> None:
        if done == 10:
            raise Interrupted

    with pytest.raises(Interrupted):
        sample.read(tmp_path, utterances=COUNT, progress=stop_after_ten)
    there = {path: (tmp_path / path).stat().st_mtime_ns for path in hashes(tmp_path)}
    assert len(there) == 10
    leftover = (tmp_path / next(iter(there))).parent / ".half.wav.0123abcd.tmp"
    leftover.write_bytes(b"RIFF")
    os.utime(leftover, (0, 0))  # left long ago, so no other process is at it
    told: list[int] = []
    assert sample.read(tmp_path, utterances=COUNT, progress=told.append) == corpus[1]
    assert told == list(range(1, COUNT + 1))
    assert hashes(tmp_path) == hashes(corpus[0])
    assert {path: (tmp_path / path).stat().st_mtime_ns for path in there} == there


def test_another_seed_speaks_other_utterances() -> None:
    assert not {u.id for u in planned(0)} & {u.id for u in planned(1)}


@pytest.mark.parametrize("seed", range(3))
def test_splits_share_no_speaker(seed: int) -> None:
    splits: dict[str, set[str | None]] = {}
    for utterance in planned(seed):
        splits.setdefault(utterance.split, set()).add(utterance.speaker)
    assert {split: len(speakers) for split, speakers in splits.items()} == sample.SPEAKERS
    assert len(set.union(*splits.values())) == sum(sample.SPEAKERS.values())


def test_splits_have_the_sizes_that_were_promised() -> None:
    assert Counter(u.split for u in planned(0)) == {"train": 1000, "development": 200, "test1": 300}


def test_formats_are_mixed_and_the_clips_can_be_heard(corpus: tuple[Path, list[Utterance]]) -> None:
    root, utterances = corpus
    kinds = set()
    for utterance in utterances:
        info = soundfile.info(root / utterance.path)
        kinds.add((info.format, info.subtype, info.samplerate, info.channels))
        assert 0.8 < inspect_clip(root / utterance.path, 10.0).duration < 5
    assert {kind[0] for kind in kinds} == {"WAV", "FLAC", "MP3", "OGG"}
    assert {"PCM_16", "PCM_24"} <= {kind[1] for kind in kinds}
    assert {8_000, 16_000, 44_100, 48_000} <= {kind[2] for kind in kinds}
    assert {kind[3] for kind in kinds} == {1, 2}


def test_most_clips_keep_what_the_encoder_hears() -> None:
    assert sum(f.share for f in FORMATS) == pytest.approx(1)
    assert sum(f.share for f in FORMATS if f.sampling_rate >= 16_000) > 0.9


@pytest.mark.parametrize("seed", range(3))
def test_labels_are_spread_as_in_msp_podcast(seed: int) -> None:
    utterances = planned(seed)
    valence, arousal = (np.array([getattr(u, axis) for u in utterances]) for axis in ("valence", "arousal"))
    assert valence.mean() == pytest.approx(4.24, abs=0.1)
    assert valence.std() == pytest.approx(0.84, abs=0.05)
    assert arousal.mean() == pytest.approx(4.38, abs=0.1)
    assert arousal.std() == pytest.approx(0.94, abs=0.05)
    assert np.corrcoef(valence, arousal)[0, 1] == pytest.approx(0.30, abs=0.08)
    assert valence.min() >= 1
    assert arousal.max() <= 7


def test_labels_are_means_of_five_whole_steps_and_tie() -> None:
    utterances = planned(0)
    for utterance in utterances:
        for label in (utterance.valence, utterance.arousal, utterance.dominance):
            assert label is not None
            assert round(5 * label) / 5 == label
    assert len({(u.valence, u.arousal) for u in utterances}) < len(utterances) / 2


def test_labels_follow_what_was_meant_with_noise() -> None:
    rng = np.random.default_rng(0)
    meanings = [draw_meaning(rng) for _ in range(2000)]
    heard = [annotate(meaning, rng) for meaning in meanings]
    for axis in ("valence", "arousal", "dominance"):
        pairs = np.array([(getattr(m, axis), getattr(h, axis)) for m, h in zip(meanings, heard, strict=True)])
        assert 0.85 < np.corrcoef(pairs.T)[0, 1] < 0.97


def test_categories_lie_where_they_belong() -> None:
    rng = np.random.default_rng(0)
    heard = [annotate(draw_meaning(rng), rng) for _ in range(3000)]
    assert {h.emotion for h in heard} == set("ASHUFDCN")

    def mean(emotion: str, axis: str) -> float:
        return float(np.mean([getattr(h, axis) for h in heard if h.emotion == emotion]))

    assert mean("A", "valence") < 3.6 < mean("N", "valence") < 4.5 < mean("H", "valence")
    assert mean("S", "arousal") < mean("N", "arousal") < mean("A", "arousal")


def test_names_do_not_tell_the_label(corpus: tuple[Path, list[Utterance]]) -> None:
    _, utterances = corpus
    order = np.argsort([u.id for u in planned(0)])
    for axis in ("valence", "arousal"):
        labels = np.array([getattr(u, axis) for u in planned(0)])[order]
        assert abs(np.corrcoef(np.arange(len(labels)), labels)[0, 1]) < 0.1
    assert all(u.path == f"audio/{u.speaker}/{Path(u.path).name}" for u in utterances)


def test_words_lean_the_way_of_the_valence() -> None:
    positive = set(sentences("corpus", "positive"))
    said = [(u.transcript in positive, u.valence) for u in planned(0)]
    with_positive_words = [valence for is_positive, valence in said if is_positive]
    with_other_words = [valence for is_positive, valence in said if not is_positive]
    assert np.mean(with_positive_words) > np.mean(with_other_words) + 0.5


def test_fewer_utterances_than_speakers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least the 40 speakers, found 10"):
        sample.read(tmp_path, utterances=10)
