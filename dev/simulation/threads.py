"""Threads, queues and concurrent.futures on the virtual clock, as far as the product's code uses them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent import futures
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import Empty
from typing import Any

from dev.simulation.clock import Event, VirtualLoop


class Thread:
    """threading.Thread. It belongs to the process of whoever makes it: they die together."""

    def __init__(
        self,
        loop: VirtualLoop,
        target: Callable[..., object],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        daemon: bool | None = None,
        name: str = "",
    ) -> None:
        self._loop = loop
        self._run = partial(target, *args, **(kwargs or {}))
        self._ended = Event()
        self.daemon = daemon
        self.name = name

    def start(self) -> None:
        self._loop.start(self._main, copy_context())

    def join(self, timeout: float | None = None) -> None:
        self._loop.wait(self._ended, timeout)

    def is_alive(self) -> bool:
        return not self._ended.is_set

    def _main(self) -> None:
        with suppress(Exception):  # a thread's error ends the thread, and nothing else
            self._run()
        self._ended.set()


class Queue:
    """queue.SimpleQueue."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._items: deque[Any] = deque()
        self._came = Event()

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        self._items.append(item)
        self._came.set()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        ends = None if timeout is None else self._loop.now + timeout
        while not self._items:
            if self._came.is_set:
                self._came = Event()
            left = None if ends is None else ends - self._loop.now
            if not block or (left is not None and left <= 0):
                raise Empty
            self._loop.wait(self._came, left)
        return self._items.popleft()

    def get_nowait(self) -> Any:
        return self.get(block=False)

    def empty(self) -> bool:
        return not self._items

    def qsize(self) -> int:
        return len(self._items)


class Future:
    """One call's result."""

    def __init__(self, loop: VirtualLoop, call: Callable[[], Any]) -> None:
        self._loop = loop
        self._call = call
        self._ended = Event()
        self._result: Any = None
        self._error: BaseException | None = None
        self._state = "pending"

    def run(self) -> None:
        if self._state == "cancelled":
            return
        self._state = "running"
        try:
            self._result = self._call()
        except Exception as e:  # noqa: BLE001  as the real one: whoever asks for the result gets it
            self._error = e
        self._state = "done"
        self._ended.set()

    def done(self) -> bool:
        return self._state in ("done", "cancelled")

    def running(self) -> bool:
        return self._state == "running"

    def cancelled(self) -> bool:
        return self._state == "cancelled"

    def cancel(self) -> bool:
        if self._state == "pending":
            self._state = "cancelled"
            self._ended.set()
        return self._state == "cancelled"

    def exception(self, timeout: float | None = None) -> BaseException | None:
        if not self._loop.wait(self._ended, timeout):
            raise TimeoutError
        if self._state == "cancelled":
            raise futures.CancelledError
        return self._error

    def result(self, timeout: float | None = None) -> Any:
        error = self.exception(timeout)
        if error is not None:
            raise error
        return self._result

    def add_done_callback(self, function: Callable[[Any], object]) -> None:
        if self.done():
            function(self)
        else:
            self._ended.callbacks.append(lambda: function(self))


class ThreadPool:
    """ThreadPoolExecutor. Its threads are those of whoever makes it: they die together."""

    def __init__(self, loop: VirtualLoop, max_workers: int | None = None, **_: Any) -> None:
        self._loop = loop
        self._most = max_workers or 1
        self._waiting: deque[Future] = deque()
        self._all: list[Future] = []
        self._workers = 0

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        future = Future(self._loop, lambda: function(*args, **kwargs))
        self._waiting.append(future)
        self._all.append(future)
        if self._workers < self._most:
            self._workers += 1
            self._loop.start(self._work, copy_context())
        return future

    def map(
        self, function: Callable[..., Any], *iterables: Iterable[Any], timeout: float | None = None
    ) -> Iterator[Any]:
        started = [self.submit(function, *args) for args in zip(*iterables, strict=False)]
        return (future.result(timeout) for future in started)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            for future in self._waiting:
                future.cancel()
        if wait:
            wait_for(self._loop, self._all)

    def __enter__(self) -> ThreadPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def _work(self) -> None:
        while self._waiting:
            self._waiting.popleft().run()
        self._workers -= 1


def wait_for(
    loop: VirtualLoop,
    fs: Iterable[Any],
    timeout: float | None = None,
    return_when: str = futures.ALL_COMPLETED,
) -> Any:
    """concurrent.futures.wait."""
    asked = list(fs)
    ends = None if timeout is None else loop.now + timeout
    while True:
        done = [one for one in asked if one.done()]
        left = [one for one in asked if not one.done()]
        failed = [one for one in done if not one.cancelled() and one.exception() is not None]
        enough = (return_when == futures.FIRST_COMPLETED and done) or (
            return_when == futures.FIRST_EXCEPTION and failed
        )
        if not left or enough or (ends is not None and loop.now >= ends):
            return futures._base.DoneAndNotDoneFutures(set(done), set(left))
        changed = Event()
        for one in left:
            one.add_done_callback(partial(_set, changed))
        loop.wait(changed, None if ends is None else ends - loop.now)


def _set(event: Event, _: Future) -> None:
    event.set()


def as_completed(loop: VirtualLoop, fs: Iterable[Any], timeout: float | None = None) -> Iterator[Any]:
    """concurrent.futures.as_completed, in the order in which they ended."""
    left = list(dict.fromkeys(fs))
    ends = None if timeout is None else loop.now + timeout
    while left:
        wait_for(loop, left, None if ends is None else max(0.0, ends - loop.now), futures.FIRST_COMPLETED)
        done = [one for one in left if one.done()]
        if not done:
            raise TimeoutError
        left = [one for one in left if not one.done()]
        yield from done
