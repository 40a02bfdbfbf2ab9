"""Features with what they are of, as parquet or npz, for people without this code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.features.store import Features, FeatureStore
from pipeline.support import replacing

ROWS_AT_ONCE = 4096

KEY, FEATURES = "key", "features"
"""Columns of an export: the sha256 of what was encoded, and a vector of F float32."""


def export_parquet(
    about: pa.Table, store: FeatureStore, file: Path, advance: Callable[[int], None] = lambda rows: None
) -> None:
    """Write a table and beside each row the features of its key, whole or not at all.

    `about` has a column `key`. Raises RuntimeError where a row has no features.
    """
    store.gather(about.column(KEY).slice(0, 1).to_pylist())  # before anything is written
    vector = pa.list_(pa.float32(), store.recipe.feature_size)
    schema = about.schema.append(pa.field(FEATURES, vector, nullable=False))
    schema = schema.with_metadata({"recipe": store.recipe.to_json()})
    with replacing(file) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for part, features in _parts(about, store):
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), type=vector)
            writer.write_table(pa.table([*part.columns, vectors], schema=schema))
            advance(part.num_rows)


def export_npz(
    about: pa.Table, store: FeatureStore, file: Path, advance: Callable[[int], None] = lambda rows: None
) -> None:
    """Write an array a column of a table, and `features` (N, F), whole or not at all; no array needs pickle.

    What is unknown is "" in a column of text, and not a number in one of numbers. Otherwise as `export_parquet`.
    """
    features = np.empty((about.num_rows, store.recipe.feature_size), np.float32)
    done = 0
    for part, rows in _parts(about, store):
        features[done : done + len(rows)] = rows
        done += len(rows)
        advance(part.num_rows)
    arrays = {FEATURES: features, "recipe": np.array(store.recipe.to_json())}
    for name in about.column_names:
        values = about.column(name).to_pylist()
        text = pa.types.is_string(about.schema.field(name).type)
        arrays[name] = (
            np.array([value or "" for value in values], np.str_)
            if text
            else np.array([np.nan if value is None else value for value in values], np.float64)
        )
    with replacing(file) as temporary, temporary.open("wb") as opened:
        np.savez(opened, **arrays)  # type: ignore[arg-type]


def _parts(about: pa.Table, store: FeatureStore) -> Iterator[tuple[pa.Table, Features]]:
    for start in range(0, about.num_rows, ROWS_AT_ONCE):
        part = about.slice(start, ROWS_AT_ONCE).combine_chunks()
        yield part, store.gather(part.column(KEY).to_pylist())
