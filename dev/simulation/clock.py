"""Time as a number, and all that runs in it: asyncio's tasks, and plain functions that only seem to block.

Nothing waits. When nobody can go on, the time jumps to the next timer. One thread, no I/O: the same
callbacks run in the same order each time, so a run is repeated exactly by its seed.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

Result = TypeVar("Result")


class Handle:
    """A callback that is due; asyncio's own, without what a real loop needs."""

    __slots__ = ("_args", "_callback", "_context", "_when", "is_cancelled")

    def __init__(
        self, when: float, callback: Callable[..., Any], args: tuple[Any, ...], context: Context | None
    ) -> None:
        self._when = when
        self._callback = callback
        self._args = args
        self._context = context
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True

    def cancelled(self) -> bool:
        return self.is_cancelled

    def when(self) -> float:
        return self._when

    def run(self) -> None:
        if self._context is None:
            self._callback(*self._args)
        else:
            self._context.run(self._callback, *self._args)


class Task(asyncio.Task[Any]):
    """Sets of tasks are in the order in which these were made, not in that of their addresses."""

    _numbers = itertools.count()

    def __init__(self, coroutine: Coroutine[Any, Any, Any], **options: Any) -> None:
        self._number = next(Task._numbers)
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop:
    """An event loop whose time is `now`, in seconds since 1970.

    A plain function runs as a greenlet (`start`). Where it would block it calls `sleep`, `wait` or
    `complete`, which let the loop go on until there is a reason to come back.
    """

    def __init__(self, now: float) -> None:
        self.now = now
        self.stopped = False
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, Handle]] = []
        self._order = itertools.count()
        self._hub: greenlet = getcurrent()
        self._gone: list[greenlet] = []
        self.is_over = False

    def is_stopped(self) -> bool:
        return self.stopped

    # asyncio asks these of a loop

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        handle = Handle(self.now, callback, args, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        handle = Handle(when, callback, args, context)
        heapq.heappush(self._timers, (when, next(self._order), handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        here: Any = self
        return asyncio.Future(loop=here)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        return Task(coro, loop=self, name=name or "task", context=context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Nobody took a failed task's error, or a task is dropped half-way: a death leaves such behind."""

    # the clock

    def run(self, until: float = float("inf")) -> None:
        """Until `until`, or until nothing is left to do. Raises what a callback raised."""
        self._hub = getcurrent()
        here: Any = self
        asyncio._set_running_loop(here)
        try:
            while not self.is_stopped():
                while self._ready:
                    handle = self._ready.popleft()
                    if not handle.is_cancelled:
                        handle.run()
                        if self.is_stopped():
                            return
                if not self._advance(until):
                    return
        finally:
            asyncio._set_running_loop(None)

    def _advance(self, until: float) -> bool:
        timers = self._timers
        while timers and timers[0][2].is_cancelled:
            heapq.heappop(timers)
        if not timers or timers[0][0] > until:
            self.now = max(self.now, until) if until < float("inf") else self.now
            return False
        self.now = max(self.now, timers[0][0])
        while timers and timers[0][0] <= self.now:
            handle = heapq.heappop(timers)[2]
            if not handle.is_cancelled:
                self._ready.append(handle)
        return True

    # plain functions

    def start(self, function: Callable[[], object], context: Context) -> None:
        """Runs it soon, beside everything else."""
        runner = greenlet(function, parent=self._hub)
        runner.gr_context = context
        self.call_soon(runner.switch)

    def sleep(self, seconds: float) -> None:
        self.call_later(seconds, getcurrent().switch)
        self._hub.switch()

    def forever(self) -> None:
        """What a dead process does next, or a thread that hangs.

        It is kept: greenlet ends what nobody knows of by an exception, and the product would take that for an
        action's own.
        """
        self._gone.append(getcurrent())
        self._hub.switch()

    def end(self) -> None:
        """The run is over: what still hangs is ended, and so is what goes on for all that."""
        self.is_over = True
        self._gone.clear()

    def wait(self, event: Event, timeout: float | None = None) -> bool:
        """Whether the event came before the time was over."""
        if event.is_set:
            return True
        back = _Once(getcurrent())
        event.callbacks.append(back)
        timer = self.call_later(timeout, back) if timeout is not None else None
        self._hub.switch()
        if timer:
            timer.cancel()
        return event.is_set

    def complete(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """What the coroutine returns or raises; the calling function waits meanwhile."""
        task = self.create_task(coroutine)
        task.add_done_callback(_Once(getcurrent()))
        self._hub.switch()
        result: Result = task.result()
        return result


class Event:
    """Something that functions wait for, and that happens once."""

    __slots__ = ("callbacks", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        self.callbacks: list[Callable[[], object]] = []

    def set(self) -> None:
        self.is_set = True
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            callback()


class _Once:
    """Lets a waiting greenlet go on, the first time it is called."""

    __slots__ = ("_greenlet",)

    def __init__(self, waiting: greenlet) -> None:
        self._greenlet: greenlet | None = waiting

    def __call__(self, *_: object) -> None:
        waiting, self._greenlet = self._greenlet, None
        if waiting is not None:
            loop = asyncio.get_running_loop()
            loop.call_soon(waiting.switch)
