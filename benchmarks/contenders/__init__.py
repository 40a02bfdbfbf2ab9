"""The contenders of `extraction.py`, in parts: what it imports, no commands."""
