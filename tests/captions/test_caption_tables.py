"""The tables of sentences: each row stands for itself, and what is read back is checked."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from pipeline.captions.captioning import VARIANTS, caption_prompts, caption_utterances
from pipeline.captions.categorical import template
from pipeline.captions.plane import caption_plane
from pipeline.captions.prompts import ordinality_plan
from pipeline.config import Plane
from pipeline.manifest import Utterance
from pipeline.sentences import (
    CAPTIONS_SCHEMA,
    PROMPTS_SCHEMA,
    all_sentences,
    read_captions,
    read_plane,
    read_prompts,
)
from pipeline.support.files import write_parquet


def utterance(
    number: int, emotion: str | None = "N", valence: float = 4.2, arousal: float = 4.4
) -> Utterance:
    return Utterance(f"clip-{number}", f"{number}.wav", "train", valence, arousal, emotion=emotion)


UTTERANCES = [utterance(i) for i in range(12)]


def captions_by_id(utterances: list[Utterance], variant: str = "va", seed: int = 0) -> dict[str, str]:
    rows = caption_utterances(utterances, variant, seed).to_pylist()
    return {row["utterance_id"]: row["text"] for row in rows}


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("A", "anger"),
        ("S", "sadness"),
        ("H", "happiness"),
        ("U", "surprise"),
        ("F", "fear"),
        ("D", "disgust"),
        ("C", "contempt"),
        ("N", "neutral"),
    ],
)
def test_the_template_is_the_papers(code, label):
    assert template(utterance(0, code)) == f"speech has {label} emotion"


@pytest.mark.parametrize("emotion", [None, "X", "O", "", "anger"])
def test_an_utterance_without_a_class_is_named(emotion):
    with pytest.raises(
        ValueError, match=rf"need an emotion of A S H U F D C N, found {emotion!r} for 'clip-7'"
    ):
        caption_utterances([utterance(0), utterance(7, emotion)], "template", 0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_utterance_has_a_caption_in_its_own_row(variant):
    table = caption_utterances(UTTERANCES, variant, 0)
    assert table.schema.equals(CAPTIONS_SCHEMA)
    assert table.column("utterance_id").to_pylist() == [u.id for u in UTTERANCES]
    assert set(table.column("variant").to_pylist()) == {variant}


@given(st.permutations(UTTERANCES), st.integers(1, len(UTTERANCES)))
def test_a_caption_depends_on_neither_the_order_nor_the_other_rows(utterances, count):
    everything = captions_by_id(UTTERANCES)
    assert captions_by_id(utterances[:count]) == {u.id: everything[u.id] for u in utterances[:count]}


def test_utterances_of_the_same_labels_have_captions_of_their_own():
    assert len(set(captions_by_id([utterance(i) for i in range(100)]).values())) >= 98


def test_a_caption_follows_its_labels_and_its_seed():
    before = captions_by_id([utterance(0)])
    assert captions_by_id([utterance(0, valence=6.8, arousal=1.2)]) != before
    assert captions_by_id([utterance(0)], seed=1) != before


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValueError, match="must be one of va, template, clap4emo, found 'vad'"):
        caption_utterances(UTTERANCES, "vad", 0)


def test_no_sentence_of_the_test_is_a_caption():
    without = {row["text"] for row in caption_prompts(100, 0, set()).to_pylist()}
    captions = set(sorted(without)[::2])  # else hardly any prompt would be a caption
    prompts = {row["text"] for row in caption_prompts(100, 0, captions).to_pylist()}
    assert not prompts & captions


def write_tables(folder: Path) -> tuple[Path, Path, Path]:
    captions, prompts, plane = (folder / f"{name}.parquet" for name in ("captions", "prompts", "plane"))
    both = [caption_utterances(UTTERANCES, variant, 0) for variant in VARIANTS]
    write_parquet(pa.concat_tables(both), captions)
    write_parquet(caption_prompts(2, 0, set()), prompts)
    write_parquet(caption_plane(Plane(step=6.5, draws=1), 0, set()), plane)
    return captions, prompts, plane


def test_what_is_written_is_what_is_read(tmp_path):
    captions, prompts, _ = write_tables(tmp_path)
    for variant in VARIANTS:
        assert read_captions(variant, captions) == captions_by_id(UTTERANCES, variant)
    read = read_prompts(prompts)
    plan = ordinality_plan(2)
    assert [(p.test, p.list, p.position, p.valence, p.arousal) for p in read] == [
        (p.test, p.list, p.position, p.valence, p.arousal) for p in plan
    ]
    assert [p.text for p in read] == caption_prompts(2, 0, set()).column("text").to_pylist()


def test_all_sentences_are_the_distinct_ones_of_all_tables(tmp_path):
    paths = write_tables(tmp_path)
    expected = {text for variant in VARIANTS for text in captions_by_id(UTTERANCES, variant).values()}
    expected |= {prompt.text for prompt in read_prompts(paths[1])} | set(read_plane(paths[2]).texts)
    assert all_sentences(*paths) == sorted(expected)


@pytest.mark.parametrize("read", [lambda path: read_captions("va", path), read_prompts, all_sentences])
def test_an_absent_file_names_the_command_that_makes_it(read, tmp_path):
    with pytest.raises(RuntimeError, match=r"gone\.parquet is not there: run `erclap caption` first"):
        read(tmp_path / "gone.parquet")


def test_other_columns_are_an_error_that_names_them(tmp_path):
    captions, prompts, _ = write_tables(tmp_path)
    with pytest.raises(
        RuntimeError, match=r"prompts\.parquet must have the columns utterance_id .* found test "
    ):
        read_captions("va", prompts)
    with pytest.raises(
        RuntimeError, match=r"captions\.parquet must have the columns test .* found utterance_id "
    ):
        read_prompts(captions)


def test_captions_of_a_variant_that_was_not_made_are_missed(tmp_path):
    path = tmp_path / "captions.parquet"
    write_parquet(caption_utterances(UTTERANCES, "va", 0), path)
    with pytest.raises(
        RuntimeError, match="captions of the variant 'template', found va: run `erclap caption`"
    ):
        read_captions("template", path)


def test_two_captions_of_one_utterance_are_an_error(tmp_path):
    path = tmp_path / "captions.parquet"
    write_parquet(caption_utterances([utterance(3), utterance(3)], "va", 0), path)
    with pytest.raises(RuntimeError, match="one caption 'va' of an utterance, found several for 'clip-3'"):
        read_captions("va", path)


def test_schemas_allow_no_gaps():
    assert not any(field.nullable for schema in (CAPTIONS_SCHEMA, PROMPTS_SCHEMA) for field in schema)
