"""The simulated worlds of `simulated_corpus.py`, in parts: what commands import, no commands."""
