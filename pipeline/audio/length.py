"""How long a recording is, without decoding it."""

from __future__ import annotations

from pathlib import Path

import soundfile

from pipeline.audio.reading import AudioError


def header_seconds(file: Path) -> float:
    """Seconds that a file's header promises; a damaged one may hold fewer. Raises AudioError for no audio."""
    try:
        told = soundfile.info(file)
    except (soundfile.LibsndfileError, OSError, UnicodeError) as error:
        raise AudioError(f"not readable as audio ({error})") from error
    return float(told.frames) / float(told.samplerate)
