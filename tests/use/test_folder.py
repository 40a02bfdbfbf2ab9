"""A model's folder: written whole, read back the same, over nothing that is anybody else's."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.use import EmotionRankCLAP, saving
from pipeline.use.folder import read_model
from tests.use.conftest import CAPTIONS, make_bank, make_model

FILES = ["README.md", "captions.json", "captions.safetensors", "config.json", "heads.safetensors"]
SENTENCE = "The person is speaking in a plain voice."


@pytest.fixture
def folder(model_folder, tmp_path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(model_folder, tmp_path / "copy")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def change(file: Path, **keys: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | keys))


def with_bank(seed: int):
    made = make_model(seed)
    return replace(made, bank=make_bank(made))


def test_what_is_written_is_read_back_the_same(model, model_folder, tmp_path):
    assert sorted(path.name for path in model_folder.iterdir()) == FILES
    model.save_pretrained(tmp_path / "again")
    assert bytes_of(tmp_path / "again") == bytes_of(model_folder)
    again = EmotionRankCLAP.from_pretrained(tmp_path / "again", device="cpu")
    assert again.digest == model.digest
    assert np.array_equal(again.encode_text(SENTENCE), model.encode_text(SENTENCE))
    assert again.describe(([0.1, -0.1] * 8000, 16_000)) == model.describe(([0.1, -0.1] * 8000, 16_000))


def test_embeddings_are_the_same_to_the_bit_before_writing_and_after_reading(model):
    drawn = EmotionRankCLAP(make_model(), device="cpu")
    sentences = list(CAPTIONS)
    assert np.array_equal(drawn.encode_text(sentences), model.encode_text(sentences))
    assert np.array_equal(model.bank.embeddings, model.encode_text(sentences))


def test_heads_that_are_no_numbers_or_are_read_otherwise_are_refused(folder, model):
    config = json.loads((folder / "config.json").read_text())
    for relu in (not config["heads"]["relu"], "no"):
        change(folder / "config.json", heads=config["heads"] | {"relu": relu})
        with pytest.raises(RuntimeError, match=r"must hold the heads that its|relu must be true or false"):
            read_model(folder)
    change(folder / "config.json", heads=config["heads"])
    tensors = load_file(folder / "heads.safetensors")
    tensors["speech.0.bias"][0] = float("nan")
    save_file(tensors, folder / "heads.safetensors")
    with pytest.raises(RuntimeError, match="heads must be finite numbers"):
        read_model(folder)


def test_a_card_that_is_a_link_is_refused(folder, tmp_path):
    (tmp_path / "secret").write_text("mine")
    (folder / "README.md").unlink()
    (folder / "README.md").symlink_to(tmp_path / "secret")
    with pytest.raises(RuntimeError, match="must be a file, found a link"):
        read_model(folder)


def test_a_digest_stands_for_heads_and_recipes(model):
    made = make_model()
    assert made.digest == model.digest
    assert make_model(1).digest != made.digest
    other = replace(made, text=replace(made.text, recipe=replace(made.text.recipe, max_length=64)))
    assert other.digest != made.digest


def test_a_model_without_captions_leaves_none_of_another(folder):
    EmotionRankCLAP(make_model(1), device="cpu").save_pretrained(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "heads.safetensors"]
    assert read_model(folder).bank is None


def test_a_card_that_was_changed_is_kept_and_goes_with_the_model(folder, tmp_path):
    card = folder / "README.md"
    drawn = card.read_text()
    EmotionRankCLAP(with_bank(1), device="cpu").save_pretrained(folder)
    assert card.read_text() == drawn
    EmotionRankCLAP(replace(with_bank(1), origin={"title": "Other"}), device="cpu").save_pretrained(folder)
    assert "# Other" in card.read_text()
    card.write_text("# Mine\n")
    EmotionRankCLAP(with_bank(0), device="cpu").save_pretrained(folder)
    assert card.read_text() == "# Mine\n"
    EmotionRankCLAP.from_pretrained(folder).save_pretrained(tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere/README.md").read_text() == "# Mine\n"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"config.json": '{"model_type": "wavlm"}'}, "found another one's config.json"),
        ({"config.json": "{"}, "found another one's config.json"),
        ({"notes.txt": "mine"}, "found 'notes.txt'"),
        ({"heads.safetensors": "", "model.safetensors": ""}, "found 'model.safetensors'"),
    ],
)
def test_nothing_is_written_into_the_folder_of_something_else(model, tmp_path, files, message):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    before = bytes_of(tmp_path)
    with pytest.raises(ValueError, match=f"a model must be written to a folder of its own, {message}"):
        model.save_pretrained(tmp_path)
    assert bytes_of(tmp_path) == before


def test_a_file_is_no_folder_and_an_empty_folder_or_a_repository_is(model, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="must be written to a folder, found something else"):
        model.save_pretrained(tmp_path / "file")
    (tmp_path / "repository/.git").mkdir(parents=True)
    (tmp_path / "repository/README.md").write_text("# Mine\n")
    model.save_pretrained(tmp_path / "repository")
    assert (tmp_path / "repository/README.md").read_text() == "# Mine\n"
    assert read_model(tmp_path / "repository").digest == model.digest


@pytest.mark.parametrize("written", range(6))
def test_a_write_that_ends_anywhere_leaves_a_whole_model_or_none(folder, written, monkeypatch):
    old, real = read_model(folder).digest, saving.replacing
    left = iter(range(written))

    def fails(path: Path):
        if next(left, None) is None:
            raise OSError("No space left on device")
        return real(path)

    monkeypatch.setattr(saving, "replacing", fails)
    new = with_bank(1)
    with suppress(OSError):
        saving.write_model(new, folder)
    if 0 < written < 5:
        with pytest.raises(RuntimeError, match="export or fetch it again"):
            read_model(folder)
    else:
        found = read_model(folder)
        assert found.digest == (new.digest if written else old)
        assert np.array_equal(found.bank.embeddings, make_bank(found).embeddings)
    monkeypatch.undo()
    saving.write_model(new, folder)
    assert read_model(folder).digest == new.digest


def test_heads_or_captions_of_another_model_are_refused(folder, tmp_path):
    saving.write_model(with_bank(1), tmp_path / "other")
    for name in ("heads.safetensors", "captions.safetensors", "captions.json"):
        mine = (folder / name).read_bytes()
        (folder / name).write_bytes((tmp_path / "other" / name).read_bytes())
        if (folder / name).read_bytes() != mine:
            with pytest.raises(
                RuntimeError, match=r"must hold the (heads|captions) that its config\.json names"
            ):
                read_model(folder)
        (folder / name).write_bytes(mine)
    read_model(folder)


@pytest.mark.parametrize("name", [name for name in FILES if name != "README.md"])
@pytest.mark.parametrize("damage", [None, b"", b"{", b"[]", b"\xff\xfe", b"\x80\x04N."])
def test_a_file_that_is_gone_or_damaged_is_one_line(folder, name, damage):
    if damage is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(damage)
    with pytest.raises(RuntimeError, match="run `erclap export`|export or fetch it again") as error:
        read_model(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"model_type": "wavlm"}, "must say model_type 'emotionrankclap', found 'wavlm'"),
        ({"format": 2}, "must be of format 1, found 2"),
        ({"digest": "0" * 12}, "must hold the heads that its config.json names"),
        ({"captions": "0" * 12}, "must hold the captions that its config.json names"),
        ({"heads": {"speech_size": -1}}, "must hold a whole model"),
        ({"heads": None}, "must hold a whole model"),
        ({"speech_encoder": {}}, "must hold a whole model"),
        ({"text_encoder": {"model": 7, "revision": None, "recipe": {}}}, "must have a model and a revision"),
        ({"origin": 7}, "must hold a whole model"),
    ],
)
def test_a_config_that_says_something_else_is_one_line(folder, keys, message):
    change(folder / "config.json", **keys)
    with pytest.raises(RuntimeError, match=message) as error:
        read_model(folder)
    assert "\n" not in str(error.value)


def test_heads_of_another_type_or_pickled_ones_are_refused(folder):
    tensors = load_file(folder / "heads.safetensors")
    save_file({name: one.half() for name, one in tensors.items()}, folder / "heads.safetensors")
    with pytest.raises(RuntimeError, match=r"heads must be torch.float32, found torch.float16"):
        read_model(folder)
    torch.save(tensors, folder / "heads.safetensors")
    with pytest.raises(RuntimeError, match="must hold a whole model"):
        read_model(folder)


def test_heads_for_features_of_another_forward_pass_or_size_are_refused(tmp_path):
    made = make_model()
    older = replace(made, speech=replace(made.speech, recipe=replace(made.speech.recipe, forward_version=1)))
    saving.write_model(older, tmp_path / "older")
    with pytest.raises(RuntimeError, match="must be of forward pass 2, found 1"):
        read_model(tmp_path / "older")
    wider = replace(made, text=replace(made.text, recipe=replace(made.text.recipe, feature_size=768)))
    saving.write_model(wider, tmp_path / "wider")
    with pytest.raises(
        RuntimeError, match="must have a text head for text features of 768, found one for 96"
    ):
        read_model(tmp_path / "wider")


def test_a_local_folder_has_no_revision(model_folder):
    with pytest.raises(ValueError, match="a local folder has no revision: remove revision 'v1'"):
        EmotionRankCLAP.from_pretrained(model_folder, revision="v1")
