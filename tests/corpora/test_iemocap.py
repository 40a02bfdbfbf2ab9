"""IEMOCAP: a small corpus in the published layout, with real audio in it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from pipeline.config.corpora import Iemocap, IemocapDrop, IemocapEmotion
from pipeline.corpora import iemocap
from pipeline.corpora.iemocap import EMOTIONS, read
from pipeline.corpora.inspection import inspect
from pipeline.manifest import EMOTIONS as MANIFEST_EMOTIONS, check_utterances

LABELS = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes0#F_impro01_F000\tneu\t[2.5000, 3.0000, 1.0000]
C-E2:\tNeutral;\t()
C-F1:\tNeutral;\t(curious)
A-E3:\tval 3; act 2; dom  2;\t()

[10.0100 - 11.3925]\tSes0#F_impro01_M001\texc\t[5.0000, 4.0000, 2.0000]
C-E2:\tExcited;\t()

[14.8872 - 18.0175]\tSes0#F_impro01_F001\tfru\t[1.5000, 3.5000, 3.5000]

[19.2900 - 20.7875]\tSes0#F_impro01_MXX0\txxx\t[2.5000, 3.5000, 3.5000]

"""

SPOKEN = """Ses0#F_impro01_F000 [006.2901-008.2357]: Excuse me.
M: [BREATHING]
Ses0#F_impro01_M001 [010.0100-011.3925]: Do you have your forms?
"""

TURNS = ("F000", "M001", "F001", "MXX0")


@pytest.fixture
def corpus(tmp_path, write_audio) -> Path:
    """Five sessions of a dialog each, with all that lies around them in the release."""
    root = tmp_path / "IEMOCAP_full_release"
    for session in range(1, 6):
        dialog = root / f"Session{session}/dialog"
        (dialog / "EmoEvaluation/Categorical").mkdir(parents=True)
        (dialog / "transcriptions").mkdir()
        name = f"Ses0{session}F_impro01"
        (dialog / f"EmoEvaluation/{name}.txt").write_text(LABELS.replace("#", str(session)))
        (dialog / f"EmoEvaluation/._{name}.txt").write_bytes(b"\x00\x05\x16\x07[Mac")
        (dialog / f"EmoEvaluation/Categorical/{name}_e2_cat.txt").write_text("[not for us]\n")
        (dialog / f"transcriptions/{name}.txt").write_text(SPOKEN.replace("#", str(session)))
        for i, turn in enumerate(TURNS):
            write_audio(root / f"Session{session}/sentences/wav/{name}/{name}_{turn}.wav", 0.1, seed=i)
    return root


@pytest.fixture(autouse=True)
def _published(monkeypatch) -> None:
    monkeypatch.setattr(iemocap, "PUBLISHED_TURNS", 20)


def edit(corpus: Path, old: str, new: str) -> Path:
    file = corpus / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return corpus


def test_turns_become_utterances(corpus):
    found = read(corpus, Iemocap())
    check_utterances(found.utterances, found.source)
    first, second = found.utterances[:2]
    assert (first.id, first.speaker, first.emotion) == ("Ses01F_impro01_F000", "Ses01F", "N")
    assert first.path == "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    assert (first.valence, first.arousal, first.dominance) == (3.25, 4.0, 1.0)
    # The speaker is who has the turn, not who wears the markers in the dialog.
    assert (second.id, second.speaker, second.emotion) == ("Ses01F_impro01_M001", "Ses01M", "H")
    assert (second.valence, second.arousal, second.dominance) == (7.0, 5.5, 2.5)
    assert found.left_out == {"emotion fru": 5, "emotion xxx": 5}
    assert found.notes == []


def test_every_clip_can_be_heard(corpus):
    manifest, rejects, _ = inspect(read(corpus, Iemocap()).utterances, corpus)
    assert rejects == []
    assert len(manifest) == 10


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        (Iemocap(), {"train": 6, "development": 2, "test1": 2}),
        (Iemocap(test_sessions=[1, 2], development_sessions=[5]), {"train": 4, "development": 2, "test1": 4}),
    ],
)
def test_sessions_are_splits_and_no_speaker_is_in_two(corpus, settings, counts):
    utterances = read(corpus, settings).utterances
    assert Counter(u.split for u in utterances) == counts
    splits = {u.speaker: {v.split for v in utterances if v.speaker == u.speaker} for u in utterances}
    assert len(splits) == 10
    assert {len(found) for found in splits.values()} == {1}


def test_what_has_no_class_can_be_kept(corpus):
    found = read(corpus, Iemocap(drop=IemocapDrop()))
    assert [u.emotion for u in found.utterances[:4]] == ["N", "H", None, None]
    assert found.utterances[3].speaker == "Ses01M"
    assert found.left_out == {}


def test_transcripts_are_read_where_they_are_asked_for(corpus):
    assert {u.transcript for u in read(corpus, Iemocap()).utterances} == {None}
    found = read(corpus, Iemocap(transcripts=True))
    assert [u.transcript for u in found.utterances[:2]] == ["Excuse me.", "Do you have your forms?"]
    assert found.notes == []
    kept = read(corpus, Iemocap(transcripts=True, drop=IemocapDrop(emotion=["fru"])))
    assert kept.notes == ["5 of 15 turns without a transcript (the first: Ses01F_impro01_MXX0)"]


def test_means_a_little_beyond_the_scale_count_as_its_end_and_are_told(corpus):
    found = read(edit(corpus, "[2.5000, 3.0000, 1.0000]", "[5.5000, 3.0000, 0.5000]"), Iemocap())
    assert (found.utterances[0].valence, found.utterances[0].dominance) == (7.0, 1.0)
    assert [note.split(",")[0] for note in found.notes] == [
        "1 turn has a mean valence up to 0.5 beyond 1..5",
        "1 turn has a mean dominance up to 0.5 beyond 1..5",
    ]
    assert "the first: Ses01F_impro01_F000" in found.notes[0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "[2.5000, 3.0000, 1.0000]",
            "[5.5001, 3.0, 1.0]",
            "valence must lie within 1..5, found 5.5001 in line 3",
        ),
        (
            "[2.5000, 3.0000, 1.0000]",
            "[2.5, 0.4, 1.0]",
            "arousal must lie within 1..5, found 0.4 in line 3 of",
        ),
        (
            "[2.5000, 3.0000, 1.0000]",
            "[2.5, nan, 1.0]",
            "arousal must be a number, found 'nan' in line 3 of",
        ),
        (
            "[2.5000, 3.0000, 1.0000]",
            "[high, 3.0, 1.0]",
            "valence must be a number, found 'high' in line 3 of",
        ),
        ("[2.5000, 3.0000, 1.0000]", "[2.5000, 3.0000]", "a turn must be written as .* in line 3 of"),
        ("\tneu\t", "\tjoy\t", "with one of ang sad .*, found .* in line 3 of"),
        ("Ses01F_impro01_F000", "Ses09F_impro01_F000", "a turn must be written as .* in line 3 of"),
    ],
)
def test_wrong_lines_are_named(corpus, old, new, message):
    with pytest.raises(ValueError, match=message) as error:
        read(edit(corpus, old, new), Iemocap())
    assert str(error.value).endswith("Ses01F_impro01.txt")
    assert "\n" not in str(error.value)


def test_a_turn_written_twice_is_named(corpus):
    twice = edit(corpus, "impro01_M001", "impro01_F000")
    with pytest.raises(
        ValueError,
        match=r"once, found Ses01F_impro01_F000 in line 3 of .*01.txt and again in line 8 of .*01.txt",
    ):
        read(twice, Iemocap())


@pytest.mark.parametrize("content", [b"", LABELS.replace("#", "1").encode("utf-16")])
def test_a_label_file_without_turns_is_named(corpus, content):
    file = corpus / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    file.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"must hold the turns .* UTF-8, found none in .*/Ses01F_impro01.txt"
    ):
        read(corpus, Iemocap())


def test_a_byte_order_mark_and_spaces_before_a_turn_hide_none(corpus):
    for kind, text in (("EmoEvaluation", LABELS), ("transcriptions", SPOKEN)):
        text = text.replace("#", "1").replace("% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n", "")
        file = corpus / f"Session1/dialog/{kind}/Ses01F_impro01.txt"
        file.write_text(
            text.replace("[10.01", "  [10.01").replace("Ses01F_impro01_M001 ", "\tSes01F_impro01_M001 "),
            "utf-8-sig",
        )
    found = read(corpus, Iemocap(transcripts=True))
    assert [u.transcript for u in found.utterances[:2]] == ["Excuse me.", "Do you have your forms?"]
    assert found.notes == []


def test_transcripts_that_one_session_lacks_are_counted_and_that_all_lack_are_an_error(corpus):
    (corpus / "Session3/dialog/transcriptions/Ses03F_impro01.txt").unlink()
    assert read(corpus, Iemocap(transcripts=True)).notes == [
        "2 of 10 turns without a transcript (the first: Ses03F_impro01_F000)"
    ]
    for file in corpus.glob("Session*/dialog/transcriptions/*.txt"):
        file.write_text("")
    with pytest.raises(
        ValueError, match=r"prepare.iemocap.transcripts needs .*, found none in .*: copy them"
    ):
        read(corpus, Iemocap(transcripts=True))


def test_a_copy_that_is_not_whole_is_told(corpus, write_audio):
    for file in (corpus / "Session2/dialog/EmoEvaluation").glob("*.txt"):
        file.write_text(
            file.read_text("utf-8", "replace").replace("2F_impro01_MXX0\txxx", "2F_impro01_F002\tneu")
        )
    edit(corpus, "[19.2900 - 20.7875]", "% [19.2900 - 20.7875]")
    wavs = corpus / "Session1/sentences/wav/Ses01F_impro01"
    write_audio(wavs / "Ses01F_impro01_M009.wav", 0.1)
    (wavs / "._Ses01F_impro01_M009.wav").write_bytes(b"x")
    whole, clips = read(corpus, Iemocap()).notes
    assert whole.startswith("IEMOCAP is published with 20 labelled turns, found 19 in Session1, Session2,")
    assert clips.startswith("3 clips left out, without a turn in the label files")


def test_other_folders_are_named(corpus, tmp_path):
    with pytest.raises(
        ValueError, match=r"must be the folder of IEMOCAP that holds .* no session in .*Session1"
    ):
        read(corpus / "Session1", Iemocap())
    (corpus / "Session5").rename(tmp_path / "Session5")
    with pytest.raises(
        ValueError, match="names 4, 5 for test and development, found Session1, Session2, Session3"
    ):
        read(corpus, Iemocap())
    assert len(read(corpus, Iemocap(test_sessions=[3])).utterances) == 8


def test_a_session_without_label_files_is_named(corpus):
    for file in (corpus / "Session3/dialog/EmoEvaluation").glob("[!.]*.txt"):
        file.unlink()
    with pytest.raises(ValueError, match="Session3/dialog/EmoEvaluation must hold IEMOCAP's text files"):
        read(corpus, Iemocap())


def test_a_session_is_for_one_split():
    with pytest.raises(ValueError, match="must be for test or for development, found 5 in both"):
        Iemocap(development_sessions=[3, 5])
    with pytest.raises(ValueError, match="less than or equal to 5"):
        Iemocap(test_sessions=[6])


def test_the_codes_are_those_of_the_settings_and_the_classes_those_of_the_captions():
    assert EMOTIONS.keys() == {*get_args(IemocapEmotion)}
    assert {emotion for emotion in EMOTIONS.values() if emotion} <= MANIFEST_EMOTIONS.keys()
    assert {code for code, emotion in EMOTIONS.items() if emotion is None} == {*Iemocap().drop.emotion}
