"""Texts to labels on 1..7: missing ones, decimal commas, and scales that are not the one that was named."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.manifest import LABEL_MAX, LABEL_MIN

MISSING = ("nan", "na", "n/a", "#n/a", "<na>", "none", "null", "-", "--")
"""What stands for no label, in any case."""

POINT = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
COMMA = r"^[+-]?([0-9]+,?[0-9]*|,[0-9]+)([eE][+-]?[0-9]+)?$"

THOUSANDS = 1000.0
"""From such a scale on, 1,234 may be a thousand."""

USUAL_SCALES = ((0, 1), (-1, 1), (1, 5), (0, 5), (1, 7), (1, 9), (0, 10), (-10, 10), (0, 100), (-100, 100))

TOLD = 5
"""A message names no more values."""


def to_labels(
    texts: pa.ChunkedArray,
    name: str,
    place: Callable[[int], str],
    *,
    scale: Sequence[float] = (LABEL_MIN, LABEL_MAX),
    required: bool = True,
    decimal: str | None = ".",
    hints: bool = False,
) -> list[float | None]:
    """A label's texts as numbers on 1..7, None where an optional one is missing.

    `scale` is the lowest and highest possible, `decimal` the mark before a number's fraction: None takes a comma
    where every number of the column has a comma or nothing for it. `place` says where a row is, and `hints`
    adds which key of prepare.table helps. Raises ValueError for a missing label that is required, a text that is
    no number and a number beyond the scale.
    """
    known = known_of(texts)
    if required and known.null_count:
        raise ValueError(_missing(texts, known, name, place, hints))
    numbers = to_numbers(known, name, place, scale=scale, decimal=decimal, hints=hints)
    low, high = scale
    on_scale = pc.and_(pc.greater_equal(numbers, float(low)), pc.less_equal(numbers, float(high)))
    outside = pc.index(pc.fill_null(on_scale, True), False).as_py()
    if outside >= 0:
        raise ValueError(
            f"{name} must lie within {low:g}..{high:g}, found {texts[outside].as_py():.40} in {place(outside)}"
            f"{_another_scale(numbers, on_scale) if hints else ''}"
        )
    if (low, high) != (LABEL_MIN, LABEL_MAX):
        numbers = pc.multiply(pc.subtract(numbers, float(low)), LABEL_MAX - LABEL_MIN)
        numbers = pc.add(LABEL_MIN, pc.divide(numbers, float(high - low)))
        # Rounding may put the highest label a last digit beyond the scale.
        numbers = pc.min_element_wise(numbers, LABEL_MAX, skip_nulls=False)
    values: list[float | None] = numbers.to_pylist()
    return values


def known_of(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """The texts, null where they stand for no label."""
    return pc.if_else(pc.is_in(pc.utf8_lower(texts), pa.array(MISSING)), None, texts)


def _missing(
    texts: pa.ChunkedArray, known: pa.ChunkedArray, name: str, place: Callable[[int], str], hints: bool
) -> str:
    gone = pc.is_null(known)
    first = pc.index(gone, True).as_py()
    found = texts[first].as_py()
    message = f"{name} must be a number, found {repr(found) if found else 'nothing'} in {place(first)}"
    count = known.null_count
    if count > 1:
        message += f" (in all {count} such rows)"
    if hints:
        spelled = sorted(pc.unique(pc.fill_null(texts.filter(gone), "")).to_pylist())[:TOLD]
        values = ", ".join(f"'{text}'" for text in spelled)
        message += f": label it, or leave such rows out by prepare.table.drop: {{{name}: [{values}]}}"
    return message


def to_numbers(
    known: pa.ChunkedArray,
    name: str,
    place: Callable[[int], str],
    *,
    scale: Sequence[float] = (LABEL_MIN, LABEL_MAX),
    decimal: str | None = None,
    hints: bool = True,
) -> pa.ChunkedArray:
    """Texts as the numbers that they write, null where they are. Raises ValueError where one writes none."""
    is_number = pc.match_substring_regex(known, COMMA if decimal == "," else POINT)
    commas = decimal == ","
    if not commas and decimal is None and not _all(is_number) and max(map(abs, scale)) < THOUSANDS:
        with_commas = pc.match_substring_regex(known, COMMA)
        if _count(with_commas) > _count(is_number):  # so that what is wrong is what is unlike the others
            is_number, commas = with_commas, True
    if not _all(is_number):
        wrong = pc.index(pc.fill_null(is_number, True), False).as_py()
        text = known[wrong].as_py()
        message = f"{name} must be a number, found {text[:40]!r} in {place(wrong)}"
        raise ValueError(message + (_other_mark(text, decimal) if hints else ""))
    if commas:
        known = pc.replace_substring(known, ",", ".")
    plain = pc.replace_substring_regex(known, r"^\+", "")
    try:
        return pc.cast(plain, pa.float64())
    except pa.ArrowInvalid:  # arrow refuses what Python reads, such as 2.
        values = [None if text is None else float(text) for text in plain.to_pylist()]
        return pa.chunked_array([pa.array(values, pa.float64())])


def _count(matches: pa.ChunkedArray) -> int:
    return int(pc.sum(matches, min_count=0).as_py())


def _all(matches: pa.ChunkedArray) -> bool:
    return bool(pc.all(pc.fill_null(matches, True), min_count=0).as_py())


def _other_mark(text: str, decimal: str | None) -> str:
    if decimal is not None and ("," if decimal == "." else ".") in text:
        return f", and prepare.table.decimal is {decimal!r}"
    if "," in text:
        return ": write every number of the column with a point, or every one with a comma"
    return ""


def _another_scale(numbers: pa.ChunkedArray, on_scale: pa.ChunkedArray) -> str:
    """What to do about labels beyond the scale: mend a few, name another scale for many."""
    count = pc.sum(pc.invert(on_scale)).as_py()
    ends = pc.min_max(numbers).as_py()
    several = f" (in all {count} such rows)" if count > 1 else ""
    if count <= 0.1 * len(numbers):
        return f"{several}: mend it, or leave the row out"
    fitting = [scale for scale in USUAL_SCALES if scale[0] <= ends["min"] and ends["max"] <= scale[1]]
    such = f", such as [{fitting[0][0]}, {fitting[0][1]}]" if fitting else ""
    return (
        f"{several}, and labels from {ends['min']:g} to {ends['max']:g}: set prepare.table.scale to the lowest "
        f"and the highest possible{such}"
    )
