"""Whether an answer is a caption: its beginning, one sentence, no digits, no label's name, in English."""

from __future__ import annotations

import re
import unicodedata

from pipeline.captions.llm.requests import CAPTIONS_PER_ANSWER

BEGINNING = "The person is speaking"
"""How the prompt has every sentence start."""

FEWEST_WORDS, MOST_WORDS = 6, 70

MOST_CHARACTERS = 100_000
"""Of a whole answer, with what a model thought aloud."""

COMMON_WORDS = frozenset(
    word
    for line in (
        "a an and are as at but by for from has in is it its like of on or so",
        "that the their there they this though to very while with without yet",
    )
    for word in line.split()
)
"""English by its looks is: in Latin letters, and with one of these after the beginning."""

ATTRIBUTES = re.compile(r"\b(?:valen[cz]|arousal|dominan[cz])\w*", re.IGNORECASE)
"""The labels' names, also as Spanish, German and Italian write them: what is to be said in words of the voice."""

ABBREVIATIONS = re.compile(r"\b(?:e\.g|i\.e|etc|vs)\.", re.IGNORECASE)


def check_answer(raw: str, kind: str) -> tuple[str | None, str | None]:
    """The captions in an answer, one a line, or else what is wrong with it; the other is None.

    What a local model thought aloud, quotation marks around a caption, the marks of a list before it and the
    prompt's own dots after the beginning are taken off first, and a full stop that is missing is put on: the
    answer has been paid for.
    """
    if len(raw) > MOST_CHARACTERS:
        return None, f"an answer must have at most {MOST_CHARACTERS:,} characters, found {len(raw):,}"
    lines = [line for line in (_tidied(line) for line in _without_thoughts(raw).splitlines()) if line]
    if not lines:
        return None, "the answer is empty"
    wanted = CAPTIONS_PER_ANSWER[kind]
    if len(lines) != wanted:
        return None, f"{wanted} line{'s' * (wanted > 1)} must be there, found {len(lines)}"
    for line in lines:
        if problem := _problem(line):
            return None, problem
    if len(set(lines)) < wanted:
        return None, "the captions of an answer must differ, found one twice"
    return "\n".join(lines), None


def _without_thoughts(raw: str) -> str:
    """The answer without what stands between <think> and </think>."""
    said, rest = [], raw
    while (start := rest.find("<think>")) >= 0 and (end := rest.find("</think>", start)) >= 0:
        said.append(rest[:start])
        rest = rest[end + len("</think>") :]
    return "".join([*said, rest])


def _tidied(line: str) -> str:
    text = " ".join(unicodedata.normalize("NFC", line).replace("’", "'").split())
    text = re.sub(r"^(?:[-*•]|\(?[1-9][.):])\s+", "", text)
    text = text.strip("\"'“”‘`*_ ")
    text = re.sub(rf"^({BEGINNING})\s*(?:\.\.\.|…)\s*", r"\1 ", text)
    return text if not text or text[-1] in ".!?…" else f"{text}."


def _problem(text: str) -> str | None:
    if not re.match(rf"{BEGINNING}[ ,]", text):
        return f"a caption must begin with '{BEGINNING}', found {text[: len(BEGINNING)]!r}"
    if digits := [c for c in text if c.isnumeric()]:
        return f"a caption must have no digits, found {digits[0]!r}"
    if named := ATTRIBUTES.search(text):
        return f"a caption must not name the attributes that it is made from, found {named[0]!r}"
    inner = ABBREVIATIONS.sub("", text[:-1])
    if text[-1] not in ".!" or re.search(r"[.!?…](?:\s|[\"'”)]|$)|[\x00-\x1f{}<>|\[\]]", inner):
        return "a caption must be one sentence that ends with a full stop"
    words = re.findall(r"[^\W_]+(?:[-'][^\W_]+)*", text)
    if not FEWEST_WORDS <= len(words) <= MOST_WORDS:
        return f"a caption must have {FEWEST_WORDS} to {MOST_WORDS} words, found {len(words)}"
    said = words[len(BEGINNING.split()) :]
    latin = all(c < "\u0250" for word in said for c in word)
    if not latin or not COMMON_WORDS & {word.lower() for word in said}:
        return "a caption must be English, which this does not look like"
    return None
