"""A clock that stops a decoder."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

from chalicelib.errors import Reject


class Deadline:
    """`seconds` from now by `clock`; check() rejects once they are over."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = seconds
        self.restart()

    def restart(self) -> None:
        """The same time again, from now."""
        self._end = self._clock() + self._seconds

    def check(self) -> None:
        if self._clock() >= self._end:
            raise Reject(f"not done within {self._seconds:g} s", "too-slow")


class TimedFile(io.BytesIO):
    """A file over bytes (not copied) of which every read looks at the clock: Pillow reads JPEG, PNG, GIF and
    TIFF 64 kB at a time, so their decoders stop in the midst of a picture. WebP and AVIF are read whole."""

    def __init__(self, data: bytes, deadline: Deadline) -> None:
        super().__init__(data)
        self._deadline = deadline

    def read(self, size: int | None = -1, /) -> bytes:
        self._deadline.check()
        return super().read(size)
