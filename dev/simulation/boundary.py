"""The names through which the product reaches time, threads and AWS, led into the simulated world.

The product's code runs as it is. What is replaced is not ours: clients, the clock, threads, the event loop.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent import futures
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from types import ModuleType
from typing import Any

from chalicelib.aws import clients
from chalicelib.aws.lean import connect
from chalicelib.aws.lean.sqs import AsyncSqs
from chalicelib.aws.lean.ssm import AsyncSsm
from chalicelib.telemetry import logs
from dev.simulation.deployed import app
from dev.simulation.lambdas import SANDBOX, Sandbox
from dev.simulation.network import BotoClient, Transport, Unsigned
from dev.simulation.threads import ThreadPool, as_completed, wait_for
from dev.simulation.world import World

BOTO = {"sqs": "sqs", "ssm": "ssm", "s3": "s3", "events": "events", "stepfunctions": "stepfunctions"}
# Module state that lives as long as a process, and so belongs to a sandbox: module, name.
PROCESS_STATE = (("chalicelib.drain.allowance", "_last_known"),)


class Boundary:
    """The world that the replaced names lead to now."""

    def __init__(self) -> None:
        self.world: World | None = None

    @property
    def here(self) -> World:
        if self.world is None:
            raise RuntimeError("no world is being simulated")
        return self.world

    def sandbox(self) -> Sandbox:
        found = SANDBOX.get()
        if found is None:
            raise RuntimeError("no function runs")
        return found

    # AWS

    def boto(self, service: str) -> Callable[[], Any]:
        def client() -> Any:
            known = self.sandbox().known
            if service not in known:
                known[service] = BotoClient(self.here.network, self.sandbox(), service)
            return known[service]

        return client

    def async_sqs(self, *_: Any, **__: Any) -> AsyncSqs:
        made: AsyncSqs = self._async(AsyncSqs)
        return made

    def async_ssm(self, *_: Any, **__: Any) -> AsyncSsm:
        made: AsyncSsm = self._async(AsyncSsm)
        return made

    def _async(self, kind: type[Any]) -> Any:
        signer: Any = Unsigned()
        network = self.here.network
        return kind(Transport(network, self.sandbox()), signer, uniform=network.chance.random)

    def log(self, message: str, **fields: Any) -> None:
        sandbox = SANDBOX.get()
        if sandbox is not None and sandbox.alive and sandbox.invocation is not None:
            sandbox.invocation.lines.append((message, fields))

    # threads and time

    def pool(self, max_workers: int | None = None, **options: Any) -> ThreadPool:
        return ThreadPool(self.here.loop, max_workers, **options)

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        return wait_for(self.here.loop, *args, **kwargs)

    def as_completed(self, *args: Any, **kwargs: Any) -> Any:
        return as_completed(self.here.loop, *args, **kwargs)

    def now(self) -> float:
        return self.here.loop.now

    def sleep(self, seconds: float) -> None:
        sandbox = self.sandbox()
        self.here.loop.sleep(seconds)
        if not sandbox.alive:
            self.here.loop.forever()

    def runner(self) -> type[Any]:
        boundary = self

        class Runner:
            """asyncio.Runner: the coroutine runs in the world's own loop."""

            def __init__(self, **_: Any) -> None: ...

            def __enter__(self) -> Runner:
                return self

            def __exit__(self, *_: object) -> None: ...

            def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
                sandbox, loop = boundary.sandbox(), boundary.here.loop
                result = loop.complete(coroutine)
                if not sandbox.alive:
                    loop.forever()
                return result

        return Runner


class _Virtual(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


@contextmanager
def installed() -> Iterator[Boundary]:
    """The product's code meets the world that is set as the boundary's, as long as the block lasts."""
    boundary = Boundary()
    application = app()
    _import_stages()

    class Moment(datetime, metaclass=_Virtual):
        """datetime, whose present is the world's."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(boundary.now(), tz or UTC)

    times = ModuleType("time")
    vars(times).update(vars(time))
    vars(times).update(
        time=boundary.now, monotonic=boundary.now, perf_counter=boundary.now, sleep=boundary.sleep
    )
    replaced: dict[int, Any] = {
        id(datetime): Moment,
        id(time): times,
        id(time.monotonic): boundary.now,
        id(time.time): boundary.now,
        id(futures.ThreadPoolExecutor): boundary.pool,
        id(futures.wait): boundary.wait,
        id(futures.as_completed): boundary.as_completed,
    }
    undo: list[tuple[Any, str, Any]] = []

    def put(place: Any, name: str, value: Any) -> None:
        undo.append((place, name, getattr(place, name)))
        setattr(place, name, value)

    for name, module in list(sys.modules.items()):
        if name == "app" or name.startswith("chalicelib."):
            for attribute, value in list(vars(module).items()):
                if id(value) in replaced:
                    put(module, attribute, replaced[id(value)])
    for service in BOTO:
        put(clients, service, boundary.boto(service))
    put(connect, "async_sqs", boundary.async_sqs)
    put(connect, "async_ssm", boundary.async_ssm)
    put(logs, "line", boundary.log)
    put(asyncio, "Runner", boundary.runner())
    put(application, "action", lambda: boundary.here.act)
    put(application, "config", application.config)
    for module_name, state in PROCESS_STATE:
        put(sys.modules[module_name], state, OfSandbox(f"{module_name}.{state}"))
    try:
        yield boundary
    finally:
        for place, name, value in reversed(undo):
            setattr(place, name, value)


class OfSandbox(dict[str, Any]):
    """A module's dictionary, of which each sandbox has its own."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def _mine(self) -> dict[str, Any]:
        sandbox = SANDBOX.get()
        assert sandbox is not None
        mine: dict[str, Any] = sandbox.known.setdefault(self._name, {})
        return mine

    def __getitem__(self, key: str) -> Any:
        return self._mine()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._mine()[key] = value

    def __contains__(self, key: object) -> bool:
        return key in self._mine()

    def get(self, key: str, default: Any = None) -> Any:
        return self._mine().get(key, default)


def _import_stages() -> None:
    """What the handlers import when they run; a name is replaced only in what is there."""
    import chalicelib.consume.actions.log
    import chalicelib.consume.actions.start_execution
    import chalicelib.consume.batch
    import chalicelib.control.capacity_override
    import chalicelib.control.dead_letters
    import chalicelib.control.schedule
    import chalicelib.drain.tick
    import chalicelib.enqueue
    import chalicelib.jobs.task  # noqa: F401
