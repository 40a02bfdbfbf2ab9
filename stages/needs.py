"""What training and the tests will need of the clips, told before anything is computed for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pipeline.config import Params
from pipeline.manifest import DEVELOPMENT, EMOTIONS, TRAIN
from pipeline.methods import METHODS, learns_from_plane, settings_of
from pipeline.sentences import PROMPTS_PER_LIST


def unmet_needs(splits: Sequence[str], emotions: Sequence[str | None], params: Params) -> Iterator[str]:
    """A line for each thing that later stages would refuse, with what to do."""
    counts = Counter(splits)
    wanted = [(TRAIN, "training"), (DEVELOPMENT, "training"), (params.evaluate.split, "evaluation")]
    if params.evaluate.probe_split not in (TRAIN, DEVELOPMENT):
        wanted.append((params.evaluate.probe_split, "the probes"))
    for split, need in wanted:
        if not counts[split]:
            yield f"no clip is in split {split!r}, which {need} needs"
    batch = params.train.batch_size
    small = {s: counts[s] for s in (TRAIN, DEVELOPMENT) if 0 < counts[s] < batch}
    if small:
        found = ", ".join(f"{split} {count}" for split, count in small.items())
        fewest = min(small.values())
        yield (
            f"training needs at least a batch of clips in each split, train.batch_size {batch}, found {found}: "
            + (f"lower it to {fewest} or less" if fewest > 1 else "more clips are needed")
        )
    of_plane = params.caption.plane.captions
    for name in params.train.methods:
        of_batch = settings_of(params.train, name).plane_captions
        if learns_from_plane(params.train, name) and of_batch > of_plane:
            yield (
                f"{name} takes {of_batch} captions of the plane for a batch, and caption.plane makes {of_plane}: "
                f"lower its step, or raise its draws"
            )
    if 0 < counts[params.evaluate.split] < PROMPTS_PER_LIST:
        yield (
            f"the ordinality test needs at least {PROMPTS_PER_LIST} clips to retrieve, found "
            f"{counts[params.evaluate.split]} in {params.evaluate.split}: name a larger evaluate.split"
        )
    needing = [name for name in params.train.methods if METHODS[name].needs_classes]
    without = Counter(str(emotion) for emotion in emotions if emotion not in EMOTIONS)
    if needing and without:
        told = ", ".join(f"{emotion!r} {count}" for emotion, count in without.most_common(5))
        yield (
            f"{', '.join(needing)} need an emotion of {' '.join(EMOTIONS)} for every clip, found others for "
            f"{without.total()} of {len(emotions)} ({told}): give them one, or take these out of train.methods"
        )
