"""What a file is that is no audio: a page that a download left, a pointer that git keeps in its place."""

from __future__ import annotations

from pathlib import Path

LOOKED_AT = 512
"""Bytes from the start that tell."""

ANNEX = "/annex/objects/"
"""In the path that a link of git-annex's leads to, and in the text of one that is unlocked."""

GET_ANNEX = "run `git annex get` (or `datalad get`)"


def pointer(head: bytes) -> str | None:
    """What stands in the place of a file that git keeps elsewhere, by the file's first bytes, and what to do."""
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return "a Git LFS pointer: run `git lfs pull`"
    if head.startswith(ANNEX.encode()):
        return f"a git-annex pointer: {GET_ANNEX}"
    return None


def page(head: bytes) -> str | None:
    """Whether a file's first bytes are those of a web page, as a download that needs a login leaves."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    is_page = text.startswith((b"<!doctype html", b"<html")) or (b"<html" in text and text.startswith(b"<"))
    return "a web page" if is_page else None


def foreign_content(head: bytes) -> str | None:
    """What a file is that was fetched wrongly, by its first bytes; None where that cannot be told."""
    return pointer(head) or page(head)


def absent(file: Path) -> str:
    """Why there is no file: `no such file`, or a link of git-annex's to what it has not fetched."""
    if ANNEX in file.as_posix() or (file.is_symlink() and ANNEX in file.readlink().as_posix()):
        return f"a git-annex link to a file that is not here: {GET_ANNEX}"
    if file.is_symlink():
        return f"a link to {file.readlink()}, which is not there"
    return "no such file"
