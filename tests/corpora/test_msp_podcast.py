"""MSP-Podcast: small releases in the published layouts, with real audio in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config.corpora import MspDrop, MspPodcast
from pipeline.corpora.corpus import Corpus
from pipeline.corpora.inspection import inspect
from pipeline.corpora.msp_podcast import CODES, NO_CLASS, PUBLISHED, read
from pipeline.manifest import EMOTIONS

HEADER = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set"

ROWS = """MSP-PODCAST_0001_0008.wav,N,4.2,4.6,4.0,127,Male,Train
MSP-PODCAST_0001_0019.wav,X,4.0,4.0,4.0,127,Male,Train
MSP-PODCAST_0002_0033.wav,H,5.166667,5.8,5.0,Unknown,Unknown,Development
MSP-PODCAST_0002_0034.wav,O,3.0,3.0,3.0,Unknown,Unknown,Development
MSP-PODCAST_0895_0265_0001.wav,S,2.4,2.2,3.0,17,Female,Test1
MSP-PODCAST_1023_0235.wav,A,7.0,1.0,5.2,18,Female,Test2
MSP-PODCAST_5000_0001.wav,,,,,,,Test3""".splitlines()

CLIPS = [row.split(",")[0] for row in ROWS]
STEREO = "MSP-PODCAST_1023_0235.wav"

Build = Callable[..., Path]


@pytest.fixture
def audio(write_audio) -> Callable[[Path], None]:
    """Write the clips; one is in stereo at 44.1 kHz, as in the release."""

    def write(folder: Path, clips: list[str] = CLIPS) -> None:
        for i, clip in enumerate(clips):
            rate, channels = (44_100, 2) if clip == STEREO else (16_000, 1)
            write_audio(folder / clip, 0.1, rate=rate, channels=channels, seed=i)

    return write


@pytest.fixture
def release(tmp_path, audio) -> Build:
    """A release as 1.12 is laid out, with rows of one's own."""

    def build(rows: list[str] = ROWS, header: str = HEADER, name: str = "MSP-PODCAST-Publish") -> Path:
        root = tmp_path / name
        (root / "Labels").mkdir(parents=True)
        (root / "Labels/labels_consensus.csv").write_text("\n".join([header, *rows]) + "\n")
        audio(root / "Audios")
        return root

    return build


@pytest.fixture
def old_release(tmp_path, audio) -> Path:
    """As 1.8: the other spelling, splits and speakers in files of their own, which begin with headings."""
    root = tmp_path / "MSP_PODCAST1.8"
    (root / "labels").mkdir(parents=True)
    lines = [",".join(row.split(",")[:5]) for row in [HEADER, *ROWS[:-1]]]
    (root / "labels/labels_concensus.csv").write_text("\n".join(lines) + "\n")
    said = {"Development": "Validation", "Test1": "Test 1", "Test2": "Test2;"}
    splits = [(said.get(row.split(",")[-1], row.split(",")[-1]), row.split(",")[0]) for row in ROWS]
    partition = ["Release 1.8; partitions", ""]
    partition += [
        f"{split.rstrip(';')}; {clip}{';' if split.endswith(';') else ''}" for split, clip in splits
    ]
    (root / "Partitions.txt").write_text("\r\n".join(partition) + "\r\n")
    speakers = ["Speaker_17; Female", "Speaker_18; Female", "Speaker_127; Male", "*" * 20]
    who = {row.split(",")[0]: row.split(",")[5] for row in ROWS[:-1]}
    speakers += [f"{clip}; {'Speaker_' if name == '17' else ''}{name}" for clip, name in who.items()]
    (root / "Speaker_ids.txt").write_text("\n".join(speakers) + "\n")
    audio(root / "Audio")
    return root


def read_default(root: Path) -> Corpus:
    return read(root, MspPodcast())


def summary(corpus: Corpus) -> list[tuple[object, ...]]:
    return [(u.id, u.split, u.valence, u.arousal, u.emotion, u.speaker) for u in corpus.utterances]


KEPT = [
    ("MSP-PODCAST_0001_0008", "train", 4.6, 4.2, "N", "127"),
    ("MSP-PODCAST_0002_0033", "development", 5.8, 5.166667, "H", None),
    ("MSP-PODCAST_0895_0265_0001", "test1", 2.2, 2.4, "S", "17"),
    ("MSP-PODCAST_1023_0235", "test2", 1.0, 7.0, "A", "18"),
]

LEFT_OUT = {"emotion O": 1, "emotion X": 1, "labels not published": 1}


def test_a_release_as_1_12_is_read(release):
    corpus = read_default(release())
    assert summary(corpus) == KEPT
    assert [u.path for u in corpus.utterances] == [
        f"Audios/{clip}" for clip in (CLIPS[0], CLIPS[2], CLIPS[4], STEREO)
    ]
    assert [u.dominance for u in corpus.utterances] == [4.0, 5.0, 3.0, 5.2]
    assert corpus.left_out == LEFT_OUT
    assert corpus.notes == []


def test_a_release_as_1_8_is_read_alike(old_release):
    corpus = read_default(old_release)
    assert summary(corpus) == KEPT
    assert corpus.utterances[0].path == "Audio/MSP-PODCAST_0001_0008.wav"
    # The label file has no row of test3: its clip is counted all the same, and is no surprise.
    assert corpus.left_out == LEFT_OUT
    assert corpus.notes == []


@pytest.mark.parametrize("name", ["labels_consensus.json", "labels_concensus.json"])
@pytest.mark.parametrize("numbers", [True, False])
def test_the_json_form_is_read_alike(release, name, numbers):
    root = release()
    (root / "Labels/labels_consensus.csv").unlink()
    labels: dict[str, dict[str, object]] = {}
    for row in ROWS:
        clip, *values = row.split(",")
        labels[clip] = dict(zip(HEADER.split(",")[1:], values, strict=True))
        for key in ("EmoAct", "EmoVal", "EmoDom"):
            labels[clip][key] = (
                float(values[1] or "nan") if numbers and key == "EmoAct" else labels[clip][key]
            )
    (root / "Labels" / name).write_text(json.dumps(labels))
    corpus = read_default(root)
    assert summary(corpus) == KEPT
    assert corpus.left_out == LEFT_OUT


def test_label_files_may_lie_beside_the_audio(release):
    root = release()
    (root / "Labels/labels_consensus.csv").rename(root / "labels_consensus.csv")
    assert summary(read_default(root)) == KEPT


@pytest.mark.parametrize("hidden", ["", "nan", "NaN"])
def test_the_secret_labels_of_test3_may_be_written_in_several_ways(release, hidden):
    secret = f"MSP-PODCAST_5000_0001.wav,,{hidden},{hidden},{hidden},Unknown,Unknown,Test3"
    corpus = read_default(release([*ROWS[:-1], secret]))
    assert corpus.left_out == LEFT_OUT


def test_a_missing_label_elsewhere_is_no_secret(release):
    with pytest.raises(
        ValueError,
        match=r"valence must be a number, found nothing in MSP-PODCAST_0001_0008.wav in .*consensus",
    ):
        read_default(release([ROWS[0].replace("4.2,4.6", ","), *ROWS[1:]]))


def test_the_stereo_clip_and_all_others_can_be_heard(release):
    root = release()
    manifest, rejects, _ = inspect(read_default(root).utterances, root)
    assert rejects == []
    (stereo,) = [row for row in manifest.table.to_pylist() if row["id"] == "MSP-PODCAST_1023_0235"]
    assert (stereo["sampling_rate"], stereo["channels"]) == (44_100, 2)


def test_what_is_dropped_is_a_setting(release):
    root = release()
    corpus = read(root, MspPodcast(drop=MspDrop(split=["test1", "test2"])))
    # X and O stay, but are no class that clips could share.
    assert [u.emotion for u in corpus.utterances] == ["N", None, "H", None]
    assert corpus.left_out == {"labels not published": 1, "split test1": 1, "split test2": 1}


def test_the_label_files_split_wins_and_the_partitions_disagreement_is_told(release):
    root = release()
    (root / "Partition.txt").write_text(f"Train;{CLIPS[0]}\nTest1;{CLIPS[2]}\nTest2;{CLIPS[4]}\n")
    corpus = read_default(root)
    assert summary(corpus) == KEPT
    (note,) = corpus.notes
    assert "Partition.txt gives 2 clips another split" in note
    assert "the first: MSP-PODCAST_0002_0033.wav" in note


def test_the_partition_file_fills_an_empty_split(release):
    root = release([ROWS[0].removesuffix("Train"), *ROWS[1:]])
    (root / "Partitions.txt").write_text(f"Train; {CLIPS[0]}\n")
    assert summary(read_default(root)) == KEPT


def test_audio_without_labels_is_counted(release, audio):
    root = release()
    audio(root / "Audios", ["MSP-PODCAST_7000_0001.wav", "MSP-PODCAST_7000_0002.wav"])
    (root / "Audios/._MSP-PODCAST_0001_0008.wav").write_bytes(b"x")
    (note,) = read_default(root).notes
    assert note.startswith("2 clips in ")
    assert "left out, without a row in" in note
    assert "the first: MSP-PODCAST_7000_0001.wav" in note


def test_a_row_without_audio_is_left_to_the_look_at_every_clip(release):
    root = release()
    (root / "Audios" / CLIPS[0]).unlink()
    corpus = read_default(root)
    assert summary(corpus) == KEPT
    _, rejects, _ = inspect(corpus.utterances, root)
    assert [(reject.id, reject.reason) for reject in rejects] == [("MSP-PODCAST_0001_0008", "no such file")]


def test_transcripts_are_read_where_they_are_asked_for(release):
    root = release()
    (root / "Transcripts").mkdir()
    (root / "Transcripts/MSP-PODCAST_0001_0008.txt").write_text(" I would\n not say so. \n")
    (root / "Transcripts/MSP-PODCAST_0002_0033.txt").write_text("\n")
    assert {u.transcript for u in read_default(root).utterances} == {None}
    corpus = read(root, MspPodcast(transcripts=True))
    assert [u.transcript for u in corpus.utterances] == ["I would not say so.", None, None, None]
    assert corpus.notes == ["3 of 4 clips without a transcript (the first: MSP-PODCAST_0002_0033)"]


@pytest.mark.parametrize(
    ("name", "said"), [("MSP-PODCAST-Publish-1.12", None), ("msp", "1.12"), ("MSP_PODCAST1.8", "1.12")]
)
def test_counts_that_differ_from_the_published_ones_are_told_with_both(release, name, said):
    audio, labels = read(release(name=name), MspPodcast(release=said)).notes
    assert "release 1.12 is published with 207136 audio files, found 7: is the copy whole" in audio
    assert "train 90022, development 25258, test1 34963 clips without X and O, found" in labels
    assert "found train 1, development 1, test1 1, test2 1: is" in labels


def test_a_link_to_a_release_is_that_release(release, tmp_path):
    (tmp_path / "msp").symlink_to(release(name="MSP-PODCAST-Publish-1.12"))
    assert "release 1.12" in read_default(tmp_path / "msp").notes[0]


def test_only_what_is_asked_for_is_compared(release):
    root = release(name="MSP-PODCAST-Publish-1.12")
    _, kept = read(root, MspPodcast(drop=MspDrop(emotion=["X", "O"], split=["test1", "test2"]))).notes
    assert "train 90022, development 25258 clips without X and O, found" in kept
    assert len(read(root, MspPodcast(drop=MspDrop(emotion=["X"]))).notes) == 1
    _, labelled = read(root, MspPodcast(release="1.11")).notes
    assert "train 84030, development 19815, test1 30647, test2 14815 clips labelled, found" in labelled
    # Without the one of test3, whose labels are secret.
    assert "found train 2, development 2, test1 1, test2 1: is" in labelled


def test_a_whole_copy_has_nothing_to_tell(release, monkeypatch):
    monkeypatch.setitem(
        PUBLISHED,
        "1.12",
        type(PUBLISHED["1.12"])(7, rows={"train": 2, "test2": 1}, kept={"train": 1, "test1": 1}),
    )
    assert read_default(release(name="MSP-PODCAST-Publish-1.12")).notes == []


def test_published_counts_of_1_11_add_up():
    # The page gives the whole, and test3 with 2,347, whose labels are secret.
    assert sum(PUBLISHED["1.11"].rows.values()) + 2_347 == PUBLISHED["1.11"].audio


@pytest.mark.parametrize("name", ["MSP-PODCAST-Publish-1.1", "msp-11.12", "release-1.12.3"])
def test_other_folder_names_say_no_release(release, name):
    assert read_default(release(name=name)).notes == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS, ROWS[0]], "must have one row a clip, found MSP-PODCAST_0001_0008.wav more than once"),
        (
            [ROWS[0].replace("4.6", "7.2")],
            r"valence must lie within 1..7, found 7.2 in MSP-PODCAST_0001_0008",
        ),
        (
            [ROWS[0].replace("4.2", "0.9")],
            r"arousal must lie within 1..7, found 0.9 in MSP-PODCAST_0001_0008",
        ),
        (
            [ROWS[0].replace("4.0", "70")],
            r"dominance must lie within 1..7, found 70 in MSP-PODCAST_0001_0008",
        ),
        ([ROWS[0].replace("4.6", "high")], "valence must be a number, found 'high' in MSP-PODCAST_0001_0008"),
        (
            [ROWS[0].replace("Train", "Test4")],
            "Split_Set must be Train, .* found 'Test4' for MSP-PODCAST_0001",
        ),
        (
            [ROWS[0].replace("Train", "")],
            "every clip must have a split, found none for MSP-PODCAST_0001_0008",
        ),
        ([ROWS[0].replace(",N,", ",Q,")], "EmoClass must be one of A S H .*, found 'Q' for MSP-PODCAST_0001"),
        ([ROWS[0].replace(CLIPS[0], "")], "must have a FileName, found none in row 1"),
    ],
)
def test_wrong_rows_are_named_in_one_line(release, rows, message):
    with pytest.raises(ValueError, match=message) as error:
        read_default(release(rows))
    assert "labels_consensus.csv" in str(error.value)
    assert "\n" not in str(error.value)


def test_wrong_rows_that_are_left_out_are_no_error(release):
    corpus = read_default(release([*ROWS, "a.wav,X,9.9,,,,,Train"]))
    assert corpus.left_out["emotion X"] == 2


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            HEADER.replace("EmoVal", "Valence"),
            "must have the columns .* once, not so EmoVal; it has FileName",
        ),
        (HEADER.replace("Gender", "EmoVal"), "must have the columns .* once, not so EmoVal"),
        (HEADER.replace("Split_Set", "Set"), "in the column Split_Set or in Partitions.txt, found neither"),
    ],
)
def test_wrong_columns_are_named(release, header, message):
    with pytest.raises(ValueError, match=message):
        read_default(release(header=header))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Training; MSP-PODCAST_0001_0008.wav", "found 'Training; MSP-PODCAST_0001_0008.wav' in line 2"),
        ("MSP-PODCAST_0001_0008.wav Train", "must have lines as `Train; .* in line 2"),
    ],
)
def test_a_wrong_line_of_the_partition_file_is_named(release, line, message):
    root = release()
    (root / "Partitions.txt").write_text(f"Train; {CLIPS[1]}\n{line}\n")
    with pytest.raises(ValueError, match=message):
        read_default(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "must map each clip's name to its labels"),
        ("3", "must map each clip's name to its labels"),
        ("{", "must map each clip's name to its labels"),
        ('{"a.wav": {"EmoClass": "N"}}', "must have the columns .* not so EmoAct, EmoVal, EmoDom"),
        (
            '{"a.wav": {"EmoClass":"N","EmoAct":4,"EmoVal":4,"EmoDom":4,"Split_Set":"Train"},'
            ' "a.wav": {"EmoClass":"A","EmoAct":4,"EmoVal":4,"EmoDom":4,"Split_Set":"Train"}}',
            "must have one row a clip, found a.wav more than once",
        ),
    ],
)
def test_json_of_another_structure_is_named(release, text, message):
    root = release()
    (root / "Labels/labels_consensus.csv").unlink()
    (root / "Labels/labels_consensus.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_default(root)


def test_capital_endings_are_the_same_clips(old_release):
    for file in sorted((old_release / "Audio").iterdir())[:2]:
        file.rename(file.with_suffix(".WAV"))
    partition = old_release / "Partitions.txt"
    partition.write_text(partition.read_text().replace("_0033.wav", "_0033.WAV"))
    corpus = read_default(old_release)
    assert summary(corpus) == KEPT
    assert corpus.utterances[0].path == "Audio/MSP-PODCAST_0001_0008.WAV"
    assert (corpus.left_out, corpus.notes) == (LEFT_OUT, [])
    assert inspect(corpus.utterances, old_release)[1] == []


@pytest.mark.parametrize("content", [b"", "Train; MSP-PODCAST_0001_0008.wav\n".encode("utf-16")])
def test_a_partition_file_without_clips_is_not_called_absent(old_release, content):
    (old_release / "Partitions.txt").write_bytes(content)
    with pytest.raises(ValueError, match=r"Partitions.txt must say each clip's split, .* found no such line"):
        read_default(old_release)


def test_of_two_label_files_that_differ_it_is_told_which_was_read(release):
    root = release()
    taken, other = root / "Labels/labels_consensus.csv", root / "Labels/labels_concensus.csv"
    other.write_text(taken.read_text().replace("4.2,4.6", "4.20,4.60"))
    assert read_default(root).notes == []
    other.write_text(taken.read_text().replace("4.2,4.6", "4.2,4.5"))
    (root / "Labels/labels_consensus.json").write_text("{")
    corpus = read_default(root)
    assert summary(corpus) == KEPT
    differs, unreadable = corpus.notes
    assert differs == (
        f"{taken} was read, and not {other}, which says something else of 1 of the clips "
        f"(the first: MSP-PODCAST_0001_0008.wav): keep the right one"
    )
    assert unreadable.startswith(f"{taken} was read, and not {root / 'Labels/labels_consensus.json'}, which")


def test_the_two_forms_of_one_label_file_have_nothing_to_tell(release):
    root = release()
    labels = {}
    for row in ROWS:
        clip, *values = row.split(",")
        labels[clip] = dict(zip(HEADER.split(",")[1:], values, strict=True))
    labels[CLIPS[2]]["EmoAct"] = 5 + 1 / 6  # which the CSV rounds
    labels[CLIPS[-1]]["EmoAct"] = float("nan")
    (root / "Labels/labels_consensus.json").write_text(json.dumps(labels))
    assert read_default(root).notes == []
    labels[CLIPS[0]]["Split_Set"] = "Test1"
    del labels[CLIPS[1]]
    (root / "Labels/labels_consensus.json").write_text(json.dumps(labels))
    (note,) = read_default(root).notes
    assert "says something else of 2 of the clips (the first: MSP-PODCAST_0001_0008.wav)" in note


def test_a_folder_that_is_no_release_is_named(release):
    root = release()
    with pytest.raises(
        ValueError, match=r"prepare.root must be the folder of an MSP-Podcast release.*no audio"
    ):
        read_default(root / "Audios")
    (root / "Labels/labels_consensus.csv").unlink()
    with pytest.raises(ValueError, match="found no label file in"):
        read_default(root)


def test_the_codes_are_those_of_the_captions_and_the_two_without_a_class():
    assert {*CODES} - NO_CLASS.keys() == EMOTIONS.keys()
