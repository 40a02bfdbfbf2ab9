"""Sentences to ids, and what identifies the ids.

RoBERTa cuts a sentence into words, spells each with one letter a byte, and joins neighbours by a list of merges
(Radford et al. 2019; Liu et al. 2019). `published_ids` writes that out. The tokenizer in use is the library's,
which reads the same files and is fast; releases of it and of transformers have at times given other ids.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import RobertaProcessing

from pipeline.encoders.contents import OLDER_TOKENIZER, TOKENIZER, TOKENIZER_SETTINGS
from pipeline.support import read_json_object

PROBES = (
    "The person is speaking in a hushed, slow voice.",
    " Two  spaces,\tone tab\nand a line.  ",
    "It's 3.5 of 7, isn't it? They'll say \"we've 1234567 words\" \u2014 \u2018quoted\u2019.",
    "Na\u00efve caf\u00e9s in K\u00f6ln, Vi\u1ec7t Nam, \u0141\u00f3d\u017a; e\u0301 in two parts.",
    "\u60c5\u611f, \u041f\u0440\u0438\u0432\u0435\u0442, \u0639\u0627\u0637\u0641\u0629, \u0967\u0968",
    "So happy \U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467!!! #joy @you ~50% (a+b)=c^2 \u20ac5",
    "x",
    "UPPER lower MiXeD snake_case hyphen-ated don't DON'T",
    "very " * 600 + "long",
)
"""Sentences whose ids stand for those of all others."""

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")

WORD = re.compile(r"_?L+|_?N+|_?O+|[_Z]+(?![^_Z])|[_Z]+")
"""In the kinds of letters: a word, a number or signs, with the space before; spaces but the last before a word."""

CONTRACTION = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d")


def load_tokenizer(folder: Path, max_tokens: int | None = None) -> Tokenizer:
    """The tokenizer of a checkpoint, which cuts sentences at `max_tokens`.

    Raises RuntimeError where its files are absent or cannot be read.
    """
    older = [folder / name for name in OLDER_TOKENIZER]
    try:
        if (folder / TOKENIZER).is_file():
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        elif all(path.is_file() for path in older):
            tokenizer = _from_older(folder, *older)
        else:
            raise RuntimeError(
                f"{folder} must hold {TOKENIZER}, or {' and '.join(OLDER_TOKENIZER)}, found neither"
            )
    except RuntimeError:
        raise
    except Exception as error:  # the library raises Exception itself
        raise RuntimeError(f"{folder} must hold a tokenizer that loads: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if max_tokens is not None:
        tokenizer.enable_truncation(max_tokens)
    return tokenizer


def ids_of(tokenizer: Tokenizer, sentences: Sequence[str]) -> list[list[int]]:
    """The ids of each sentence, with those that begin and end it."""
    return [encoding.ids for encoding in tokenizer.encode_batch(list(sentences))]


def tokens_digest(folder: Path, tokenizer: Tokenizer) -> str:
    """What stands in a recipe for the ids of sentences: nothing where they are RoBERTa's own, else a digest.

    So features that were stored before recipes knew of ids stay what they are, since they are of the published
    ids, whichever release computed them; and wherever a release of the library, or a tokenizer of another kind,
    gives others, the features are kept apart. It takes no encoder to tell.
    """
    found = ids_of(tokenizer, PROBES)
    truncation = tokenizer.truncation
    if found == published_ids(folder, PROBES, truncation["max_length"] if truncation else None):
        return ""
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:12]


def published_ids(
    folder: Path, sentences: Sequence[str], max_tokens: int | None = None
) -> list[list[int]] | None:
    """The ids that RoBERTa's algorithm gives for a checkpoint's vocabulary; None where it has no such vocabulary.

    In plain Python, so that no library's release can change them.
    """
    try:
        vocabulary, merges = _vocabulary(folder)
        first, last = vocabulary["<s>"], vocabulary["</s>"]
        ranks = {pair: rank for rank, pair in enumerate(merges)}
        space = bool(_settings(folder).get("add_prefix_space", False))
        rows = []
        for sentence in sentences:
            spaced = f" {sentence}" if space and not sentence[:1].isspace() else sentence
            pieces = [piece for word in _words(spaced) for piece in _merged(_spelt(word), ranks)]
            room = len(pieces) if max_tokens is None else max_tokens - 2
            rows.append([first, *(vocabulary[piece] for piece in pieces[:room]), last])
        return rows
    except (RuntimeError, ValueError, KeyError, TypeError):
        return None


def _vocabulary(folder: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    if (folder / TOKENIZER).is_file():
        model = read_json_object(folder / TOKENIZER)["model"]
        written = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
        return model["vocab"], [(left, right) for left, right in written]
    vocab, merges = (folder / name for name in OLDER_TOKENIZER)
    lines = merges.read_text(encoding="utf-8").split("\n")
    pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    return read_json_object(vocab), [(left, right) for left, right in pairs]


def _words(sentence: str) -> list[str]:
    """As GPT-2's expression cuts it, whose classes of letters the standard library's `re` has not."""
    kinds = "".join(map(_kind, sentence))
    words, at = [], 0
    while at < len(sentence):
        found = CONTRACTION.match(sentence, at) or WORD.match(kinds, at)
        end = found.end() if found else at + 1
        words.append(sentence[at:end])
        at = end
    return words


def _kind(letter: str) -> str:
    if letter == " ":
        return "_"
    if letter.isspace() and letter not in "\x1c\x1d\x1e\x1f":  # which Unicode does not count as space
        return "Z"
    category = unicodedata.category(letter)[0]
    return category if category in "LN" else "O"


def _alphabet() -> dict[int, str]:
    """A visible letter for each byte: its own where it has one, otherwise one from 256 on."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}


ALPHABET = _alphabet()


def _spelt(word: str) -> list[str]:
    return [ALPHABET[byte] for byte in word.encode("utf-8")]


def _merged(pieces: list[str], ranks: Mapping[tuple[str, str], int]) -> list[str]:
    """Join the neighbours that come first in the merges, until no two can be joined."""
    while len(pieces) > 1:
        pairs = list(itertools.pairwise(pieces))
        best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        joined: list[str] = []
        for piece in pieces:
            if joined and (joined[-1], piece) == best:
                joined[-1] += piece
            else:
                joined.append(piece)
        pieces = joined
    return pieces


def _from_older(folder: Path, vocab: Path, merges: Path) -> Tokenizer:
    """The library's tokenizer from the two files of older checkpoints."""
    space = bool(_settings(folder).get("add_prefix_space", False))
    tokenizer = Tokenizer(BPE.from_file(str(vocab), str(merges)))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=space)
    first, last = tokenizer.token_to_id("<s>"), tokenizer.token_to_id("</s>")
    if first is None or last is None:
        raise RuntimeError(f"{vocab} must have <s> and </s>")
    special = [name for name in SPECIAL if tokenizer.token_to_id(name) is not None]
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in special])
    tokenizer.post_processor = RobertaProcessing(("</s>", last), ("<s>", first), True, space)
    return tokenizer


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / TOKENIZER_SETTINGS
    return read_json_object(path) if path.is_file() else {}
