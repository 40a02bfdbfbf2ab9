"""Measures that hang or end their process, as a fault of Praat's might: apart, so that little is imported."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pipeline.captions.acoustics import Acoustics, Clip, measure_clip


def odd(root: Path, heard_seconds: float, clip: Clip) -> Acoustics:
    """Of clip 03 it never comes back, and keeps hold of the interpreter; clip 05 ends the process."""
    if clip.path == "03.wav":
        re.match("(a+)+$", "a" * 64 + "b")
    if clip.path == "05.wav":
        os._exit(11)
    return measure_clip(root, heard_seconds, clip)
