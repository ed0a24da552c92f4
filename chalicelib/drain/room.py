"""How much of the queues' answers is in memory at once: a message may have 1 MiB, and the function a few
hundred.

A large answer is read from its connection only when there is room, and keeps its room until its messages are
gone. They take several times their bytes: as bytes, as text, and once more when they are sent.
"""

from __future__ import annotations

import asyncio

# Of the drain's 256 MB (.chalice/config.json), Python and its modules take some 40.
MOST_BYTES = 24_000_000


class Room:
    """Bytes of large answers; those who wait are let in as others leave. One answer alone always fits."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._held = 0
        self._freed = asyncio.Event()

    async def take(self, count: int) -> None:
        """Waits until so many bytes fit beside those that are held."""
        while self._held and self._held + count > self._most:
            self._freed.clear()
            await self._freed.wait()
        self._held += count

    def give_back(self, count: int) -> None:
        self._held -= count
        self._freed.set()


class Hold:
    """What one worker holds of the room."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._bytes = 0

    async def admit(self, count: int) -> None:
        """An answer of so many bytes is to be read. One before it that was not released broke off."""
        self.release()
        await self._room.take(count)
        self._bytes += count

    def release(self) -> None:
        """The worker has no more of it."""
        if self._bytes:
            self._room.give_back(self._bytes)
            self._bytes = 0
