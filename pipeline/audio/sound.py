"""An open audio file as libsndfile decodes it, forwards, to its end even where its header does not know it."""

from __future__ import annotations

import os

import soundfile

from pipeline.audio import containers, flac

UNKNOWN_FRAMES = 1 << 62
"""libsndfile's count from here on says that the file does not: a flac written to a stream."""


# Of an odd mp3, libmpg123 writes lines of its own to stderr. libsndfile has no way to silence it (its issue 958),
# and to point descriptor 2 elsewhere for the while would lose what other threads write.
class Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is only read forwards, from the start of an open file, which stays open.

    soundfile seeks after each read to where a seekable file already is: flac and ogg are then decoded twice, and
    an mp3 gives other samples. A wav whose samples' size is 0 and a flac that counts its samples are read to
    their end whatever they say, where libsndfile would take them at their word.
    """

    def __init__(self, descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        size_at, said = containers.size_left_open(descriptor), flac.header(descriptor)
        if size_at is not None:
            super().__init__(_Patched(descriptor, size_at, b"\xff" * 4))
        elif said and said.count:
            super().__init__(_Patched(descriptor, said.count_at, said.uncounted))
        else:
            super().__init__(descriptor, closefd=False)
        known = said.count if said and said.count else containers.caf_count(descriptor) or self.frames
        self.promised: int | None = known if known < UNKNOWN_FRAMES else None
        """How many samples of each channel its header promises, where it does."""

    def seekable(self) -> bool:
        return False


class _Patched:
    """An open file of which a few bytes read as others, so that libsndfile does not stop where they tell it to."""

    def __init__(self, descriptor: int, patched_at: int, patch: bytes) -> None:
        self._descriptor, self._patched_at, self._patch = descriptor, patched_at, patch
        self._at = 0

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        end = os.fstat(self._descriptor).st_size
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: end}[whence]
        return self._at

    def read(self, count: int) -> bytes:
        data = bytearray(os.pread(self._descriptor, count, self._at))
        for at, byte in enumerate(self._patch, self._patched_at - self._at):
            if 0 <= at < len(data):
                data[at] = byte
        self._at += len(data)
        return bytes(data)
