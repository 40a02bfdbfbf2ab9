"""An open audio file as libsndfile decodes it, forwards, to its end even where its header does not know it."""

from __future__ import annotations

import os

import soundfile

from pipeline.audio import containers


# Of an odd mp3, libmpg123 writes lines of its own to stderr. libsndfile has no way to silence it (its issue 958),
# and to point descriptor 2 elsewhere for the while would lose what other threads write.
class Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is only read forwards, from the start of an open file, which stays open.

    soundfile seeks after each read to where a seekable file already is: flac and ogg are then decoded twice, and
    an mp3 gives other samples.
    """

    def __init__(self, descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        unsized = containers.size_left_open(descriptor)
        if unsized is None:
            super().__init__(descriptor, closefd=False)
        else:
            super().__init__(_Sized(descriptor, unsized))

    def seekable(self) -> bool:
        return False


class _Sized:
    """An open wav whose samples' size reads as unknown where it is 0, which libsndfile takes for no samples."""

    def __init__(self, descriptor: int, size_at: int) -> None:
        self._descriptor, self._size_at = descriptor, size_at
        self._at = 0

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        end = os.fstat(self._descriptor).st_size
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: end}[whence]
        return self._at

    def read(self, count: int) -> bytes:
        data = bytearray(os.pread(self._descriptor, count, self._at))
        for at in range(self._size_at, self._size_at + 4):
            if self._at <= at < self._at + len(data):
                data[at - self._at] = 0xFF
        self._at += len(data)
        return bytes(data)
