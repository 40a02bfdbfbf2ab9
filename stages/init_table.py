"""The params of a corpus of one's own: settings that fit its size, in the profile `table`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from pipeline.methods import METHODS
from pipeline.sentences import PROMPTS_PER_LIST

if TYPE_CHECKING:
    from pipeline.corpora import Proposal

PAPERS_STEPS = 21_090
"""15 epochs of 1,406 batches of 64."""

MOST_EPOCHS = 200

PAPERS_RATE, FEW_STEPS, HIGHEST_RATE = 0.0001, 5_000, 0.003

PAPERS_BATCH, PAPERS_PAIRS, PAPERS_LISTS = 64, 5_000, 100


def fill(template: str, root: Path, proposal: Proposal) -> tuple[str, list[str]]:
    """The profile with what was found in a table, and what a person must still see to."""
    counts, checks = proposal.counts, []
    tests = [split for split in ("test1", "test2", "test3") if split in counts] or ["test1"]
    for split, need in (("train", "training"), ("development", "training"), (tests[0], "evaluation")):
        if split not in counts:
            checks.append(f"no row is in split {split}, which {need} needs: add such rows, or rename a split")
    train, development, test = (counts.get(split, 0) for split in ("train", "development", tests[0]))
    if 0 < test < PROMPTS_PER_LIST:
        checks.append(
            f"the ordinality test needs at least {PROMPTS_PER_LIST} clips in {tests[0]}, found {test}"
        )
    batch = batch_size(train, development)
    epochs, steps, rate = schedule(train, batch)
    methods, why = _methods(proposal.classes)
    values = {
        "root": _quoted(root.as_posix()),
        "file": _quoted(_relative(proposal.file, root)),
        "columns": _block(proposal.columns),
        "scale": f"[{proposal.scale[0]:g}, {proposal.scale[1]:g}]",
        "splits": _block(proposal.splits),
        "emotions": _block(proposal.emotions),
        "drop": _block(proposal.drop),
        "prompt_lists": PAPERS_LISTS if test >= PAPERS_LISTS or not test else 20,
        "methods": f"[{', '.join(methods)}]",
        "why_methods": why,
        "epochs": epochs,
        "steps": f"{steps:,}",
        "batch_size": batch,
        "learning_rate": rate,
        "pairs": pairs(test),
        "test": f"{test:,}",
        "test_split": tests[0],
    }
    return Template(template).substitute({name: str(value) for name, value in values.items()}), checks


def batch_size(train: int, development: int) -> int:
    """The paper's, or the largest power of two that both splits fill; at least two.

    >>> batch_size(90_022, 25_258), batch_size(500, 40), batch_size(9, 0)
    (64, 32, 8)
    """
    smallest = min([count for count in (train, development) if count] or [PAPERS_BATCH])
    return max(2, min(PAPERS_BATCH, 1 << (smallest.bit_length() - 1)))


def schedule(train: int, batch: int) -> tuple[int, int, str]:
    """Epochs, steps in all and learning rate for so many rows to train on.

    >>> schedule(90_022, 64), schedule(3_300, 64), schedule(500, 32)
    ((15, 21090, '0.0001'), (200, 10200, '0.0001'), (200, 3000, '0.0007'))
    """
    a_epoch = max(1, train // batch)
    epochs = max(1, min(MOST_EPOCHS, round(PAPERS_STEPS / a_epoch)))
    steps = a_epoch * epochs
    rate = PAPERS_RATE if steps >= FEW_STEPS else min(HIGHEST_RATE, PAPERS_RATE * PAPERS_STEPS / steps)
    return epochs, steps, f"{float(f'{rate:.1g}'):.4f}"


def pairs(test: int) -> int:
    """How many pairs a trial draws: the paper's seventh of the split, and of a small one 500 or half of it.

    >>> pairs(34_963), pairs(1_270), pairs(300), pairs(3), pairs(0)
    (5000, 500, 150, 2, 2)
    """
    wanted = max(round(test / 7), min(500, test // 2), 2)
    return min(PAPERS_PAIRS, int(float(f"{wanted:.2g}")))


def _methods(classes: bool) -> tuple[list[str], str]:
    """The methods that can be trained, and why not others."""
    if classes:
        return list(METHODS), "All of them: every row has an emotion class."
    needing = [name for name, method in METHODS.items() if method.needs_classes]
    return [name for name in METHODS if name not in needing], (
        f"Without {', '.join(needing)}, which need an emotion class of every row."
    )


def _relative(file: Path, root: Path) -> str:
    """A file below the root as it lies there, so that it follows ERCLAP_CORPUS_ROOT."""
    file = file.resolve()
    below = file.relative_to(root) if file.is_relative_to(root) else file
    # One of that name in the working folder would come first.
    return (file if below.exists() else below).as_posix()


def _quoted(value: object) -> str:
    """A value as JSON writes it, which is YAML with its texts in double quotes."""
    return json.dumps(value, ensure_ascii=False)


def _block(values: Mapping[str, object]) -> str:
    """A mapping below a key of prepare.table, a line each."""
    lines = [f"{_quoted(key)}: {_quoted(value)}" for key, value in values.items()]
    return "".join(f"\n      {line}" for line in lines) or " {}"
