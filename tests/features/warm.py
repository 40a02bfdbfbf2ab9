"""A process that has loaded the encoders, and forks a run of stage one for every line that it is given.

    python -m tests.features.warm SPEECH TEXT CORPUS SHARD_ROWS

A line is JSON: `store`, a folder; `team`, one too or null; `log`, a file to which a run appends a line for every
batch that it has computed; `after`, the seconds after which the run is killed with SIGKILL, or null; `writing`,
whether that waits on until the run is at a file. The answer is a line too: the seconds that the run took, and
whether it was killed. Loading torch a hundred times would take minutes; here nothing is computed before the fork,
and there are no threads that it could leave behind.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from pipeline.encoders import SpeechEncoder, TextEncoder
from pipeline.features import extraction, store as feature_store
from pipeline.features.extraction import extract, extract_speech, extract_text
from pipeline.features.shards import rows
from pipeline.features.shards.keys import sentence_key
from pipeline.features.store import FeatureStore
from pipeline.features.team import TeamStore
from pipeline.manifest import Manifest
from tests.features.forked import forked

SENTENCES = [f"The person is speaking {'very ' * (i % 4)}calmly, take {i}." for i in range(40)]


class Logging:
    """An encoder that appends the number of rows of each batch to a file, before anybody can store them."""

    def __init__(self, encoder, name: str, log: Path):
        self._encoder, self._name = encoder, name
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    def _computed(self, features):
        os.write(self._log, f"{self._name} {len(features)}\n".encode())
        return features

    def encode(self, inputs):
        return self._computed(self._encoder.encode(inputs))

    def encode_batches(self, batches):
        for features in self._encoder.encode_batches(batches):
            yield self._computed(features)


def stage_one(encoders, manifest: Manifest, corpus: Path, root: Path, team: str | None, log: Path) -> None:
    """What `erclap extract` does, without its params and captions."""
    shared = TeamStore(Path(team)) if team else None
    speech, text = (Logging(encoder, name, log) for name, encoder in encoders.items())
    stores = [
        FeatureStore(root / name, encoder.recipe, share=shared.offer if shared else None)
        for name, encoder in encoders.items()
    ]
    wanted = [set(manifest.strings("sha256")), {sentence_key(sentence) for sentence in SENTENCES}]
    for store, keys in zip(stores, wanted, strict=True):
        store.verify()
        if shared:
            shared.fetch(store, keys)
    failures = extract(
        extract_speech(manifest, corpus, speech, stores[0]), extract_text(SENTENCES, text, stores[1])
    )
    for store, keys in zip(stores, wanted, strict=True):
        if shared:
            shared.offer_missing(store, keys)
        store.prune(keys)
        store.publish()
    if failures:
        raise RuntimeError(f"every clip must be encoded, found {failures}")


def main(speech: str, text: str, corpus: str, shard_rows: str) -> None:
    torch.set_num_threads(1)
    for module in (extraction, feature_store, rows):
        module.SHARD_ROWS = int(shard_rows)
    extraction.SENTENCES_AT_ONCE = int(shard_rows) // 2
    encoders = {
        "speech": SpeechEncoder.from_pretrained(speech, batch_seconds=1.0),
        "text": TextEncoder.from_pretrained(text, max_tokens=64),
    }
    manifest = Manifest.read_clips(Path(corpus) / "manifest.parquet")
    pa.array(np.zeros(1))  # has pyarrow import pandas where there is one, which is half of what a run takes
    gc.freeze()  # or each fork would copy it all when it looks for garbage
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        folders = [Path(asked["store"]) / name for name in encoders]
        before = {file for folder in folders for file in folder.glob(".*.tmp")}
        started = time.perf_counter()
        child = forked(
            stage_one,
            encoders,
            manifest,
            Path(corpus),
            Path(asked["store"]),
            asked["team"],
            Path(asked["log"]),
        )
        if asked["after"] is not None:
            time.sleep(asked["after"])
            while asked["writing"] and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if any(file not in before for folder in folders for file in folder.glob(".*.tmp")):
                    break
                time.sleep(0.0002)
            os.kill(child, signal.SIGKILL)  # where the run has ended it is still there to be waited for
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise RuntimeError("a run failed by itself")
        print(json.dumps([time.perf_counter() - started, os.WIFSIGNALED(status)]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
