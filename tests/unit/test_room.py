"""Large answers in memory: as many as there is room for, and nobody waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from chalicelib.drain.room import Hold, Room


async def soon(waiting):
    """Whether it comes to its end when nobody else does anything."""
    task = asyncio.ensure_future(waiting)
    for _ in range(5):
        await asyncio.sleep(0)
    return task.done(), task


def test_who_finds_no_room_waits_until_others_leave():
    async def work():
        room = Room(100)
        first, second, third = Hold(room), Hold(room), Hold(room)
        await first.admit(60)
        await second.admit(40)
        done, waiting = await soon(third.admit(50))
        assert not done
        second.release()
        await soon(asyncio.sleep(0))
        assert not waiting.done()  # 60 and 50 are too many
        first.release()
        await asyncio.wait_for(waiting, 1)

    asyncio.run(work())


def test_one_larger_than_all_the_room_is_let_in_alone():
    async def work():
        room = Room(100)
        small, large = Hold(room), Hold(room)
        await small.admit(1)
        done, waiting = await soon(large.admit(500))
        assert not done
        small.release()
        await asyncio.wait_for(waiting, 1)
        assert not (await soon(small.admit(1)))[0]
        large.release()

    asyncio.run(work())


@pytest.mark.parametrize("attempts", [2, 3, 5])
def test_an_answer_that_broke_off_is_no_longer_there_when_the_call_is_tried_again(attempts):
    """Else a worker would wait for the room that it holds itself."""

    async def work():
        room = Room(100)
        hold = Hold(room)
        for _ in range(attempts):
            await asyncio.wait_for(hold.admit(60), 1)
        hold.release()
        await asyncio.wait_for(Hold(room).admit(100), 1)

    asyncio.run(work())
