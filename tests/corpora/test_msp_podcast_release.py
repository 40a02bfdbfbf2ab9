"""The files of an MSP-Podcast release, one by one: what is written twice, or in another form, is refused."""

from __future__ import annotations

import pytest

from pipeline.corpora.msp_podcast_labels import read_labels
from pipeline.corpora.msp_podcast_release import read_partition, read_speakers


def test_a_clip_may_be_named_twice_with_one_split(tmp_path):
    file = tmp_path / "Partitions.txt"
    file.write_text("Train; a.wav\nTest1; b.wav\nTrain; a.WAV\n")
    assert read_partition(file) == {"a.wav": "train", "b.wav": "test1"}


def test_a_clip_with_two_splits_is_named(tmp_path):
    file = tmp_path / "Partitions.txt"
    file.write_text("Train; a.wav\nTest1; b.wav\nTest1; a.wav\n")
    message = r"must agree, found a.wav as train and then as test1 in line 3 of .*Partitions.txt"
    with pytest.raises(ValueError, match=message):
        read_partition(file)


def test_a_clip_with_two_speakers_is_named(tmp_path):
    file = tmp_path / "Speaker_ids.txt"
    file.write_text("Speaker_1; Male\na.wav; 1\na.WAV; Speaker_1\n")
    assert read_speakers(file) == {"a.wav": "1"}
    file.write_text("Speaker_1; Male\na.wav; 1\na.wav; 2\n")
    message = r"must agree, found a.wav as 1 and then as 2 in line 3 of .*Speaker_ids.txt"
    with pytest.raises(ValueError, match=message):
        read_speakers(file)


LABELS = '"EmoClass": "N", "EmoAct": 4, "EmoDom": 4'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'{{"a.wav": {{{LABELS}, "EmoVal": 4, "EmoVal": 5}}}}', "found EmoVal more than once for a.wav"),
        (f'{{"a.wav": {{{LABELS}, "EmoVal": [4]}}}}', "found a list as EmoVal of a.wav"),
        (f'{{"a.wav": {{{LABELS}, "EmoVal": {{"mean": 4}}}}}}', "found an object as EmoVal of a.wav"),
        ('{"a.wav": ["N", 4, 4, 4]}', 'as {"EmoClass": "N", "EmoVal": 4.6}, found a list for a.wav'),
        ('{"a.wav": 4.5}', "found 4.5 for a.wav"),
        ('{"a.wav": null}', "found null for a.wav"),
        ('[{"FileName": "a.wav"}]', "found a list: copy"),
        ("[[1, 2], [3, 4]]", "found a list: copy"),
        ('{"a.wav": ' + "[" * 100_000, "objects deep within others"),
        (f'{{"": {{{LABELS}, "EmoVal": 4}}}}', "must have a FileName, found none in row 1"),
    ],
)
def test_json_of_another_shape_is_named_by_file_and_clip(tmp_path, text, message):
    file = tmp_path / "labels_consensus.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_labels(file)
    assert str(file) in str(error.value)
    for python in ("unpack", "sequence", "iterable", "tuple", "recursion"):
        assert python not in str(error.value)


def test_json_in_another_encoding_is_named(tmp_path):
    file = tmp_path / "labels_consensus.json"
    file.write_text('{"a.wav": {}}', "utf-16")
    with pytest.raises(ValueError, match=r"labels_consensus.json must be text in UTF-8"):
        read_labels(file)
