"""Parts of recordings, played by whichever player is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

PLAYERS = (
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"),
    ("mpv", "--no-video", "--really-quiet"),
    ("play", "-q"),
    ("pw-play",),
    ("paplay",),
    ("aplay", "-q"),
    ("afplay",),
)
"""Each with what makes it play a wav and end."""


def find_player() -> tuple[str, ...]:
    """The first player that is installed, with its options. Raises ValueError where none is."""
    for name, *options in PLAYERS:
        if program := shutil.which(name):
            return program, *options
    raise ValueError(
        f"--play takes a player, found none of {', '.join(name for name, *_ in PLAYERS)}: install one of them"
    )


def play_part(player: tuple[str, ...], file: Path, start: float, end: float) -> None:
    """Play a part of a recording, in seconds, to its end. Raises RuntimeError where the player fails."""
    import soundfile

    # As a wav of our own: any player plays it, and no name of somebody else's is on its command line.
    with tempfile.TemporaryDirectory(prefix="erclap-") as folder:
        part = Path(folder) / "part.wav"
        with soundfile.SoundFile(file) as sound:
            sound.seek(min(round(start * sound.samplerate), sound.frames))
            samples = sound.read(round((end - start) * sound.samplerate), dtype="float32")
            soundfile.write(part, samples, sound.samplerate, subtype="PCM_16")
        done = subprocess.run([*player, str(part)], stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise RuntimeError(f"{player[0]} must play {file}, found that it fails (exit code {done.returncode})")
