"""Readers: a corpus on disk in, manifest rows out."""
