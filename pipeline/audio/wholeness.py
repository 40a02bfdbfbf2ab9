"""Whether what was decoded of a file is what the file holds: decoders end early, and say nothing, in many ways."""

from __future__ import annotations

from pipeline.audio import containers, flac, mpeg
from pipeline.audio.contradictions import contradiction
from pipeline.audio.sound import Forward
from pipeline.audio.waveform import AudioError


def check_whole(sound: Forward, descriptor: int, found: int) -> None:
    """Raise AudioError where a file ends early or says what cannot be; `found` samples of it were decoded."""
    walked = mpeg.walk(descriptor) if sound.format == "MP3" else None
    promised = sound.promised if walked is None or walked.counted else None
    if promised is not None and found < promised:
        raise AudioError(f"truncated: its header promises {promised} samples, {found} are there")
    if reason := containers.missing_end(descriptor):
        raise AudioError(f"truncated: {reason}")
    if reason := contradiction(descriptor) or flac.contradiction(descriptor):
        raise AudioError(reason)
    if promised is not None and found > promised:
        raise AudioError(f"its header promises {promised} samples, {found} are there: write it anew")
    if walked is not None and (reason := walked.fault(found)):
        raise AudioError(reason)
