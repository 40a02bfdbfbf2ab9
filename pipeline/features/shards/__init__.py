"""Shards: immutable HDF5 files of rows, what names and identifies a row, and the folder they lie in."""
