"""The names through which the product reaches time, threads and AWS, led into the simulated world.

The product's code runs as it is. What is replaced is not ours: clients, the clock, threads, the event loop.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import is_dataclass
from datetime import UTC, datetime, tzinfo
from queue import SimpleQueue
from types import FunctionType, ModuleType
from typing import Any

from greenlet import GreenletExit

from chalicelib.aws import clients
from chalicelib.aws.lean import connect, fast_json
from chalicelib.aws.lean.sqs import AsyncSqs
from chalicelib.aws.lean.ssm import AsyncSsm
from chalicelib.consume.circuit import Circuit
from chalicelib.queues.fairness import Fairness
from chalicelib.telemetry import logs
from dev.simulation.deployed import SERVICES, app, limits
from dev.simulation.lambdas import SANDBOX, Sandbox, iso
from dev.simulation.network import BlockingTransport, BotoClient, Transport, Unsigned
from dev.simulation.threads import Queue, Thread, ThreadPool, as_completed, wait_for
from dev.simulation.world import World, base_config

# Module state that lives as long as a process, and so belongs to a sandbox.
PROCESS_STATE = (
    ("chalicelib.drain.allowance", "_last_known", dict),
    ("chalicelib.drain.tick", "_processes", dict),
    ("chalicelib.consume.batch", "_circuit", Circuit),
)

# The modules behind the handlers of app.py.
STAGES = (
    "consume.actions.log",
    "consume.batch",
    "control.capacity_override",
    "drain.tick",
    "enqueue",
    "jobs.task",
    "letters.handler",
    "letters.runs",
)


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
        made: AsyncSqs = self._async(AsyncSqs, encode=fast_json.encoded, decode=fast_json.decoded)
        return made

    def async_ssm(self, *_: Any, **__: Any) -> AsyncSsm:
        made: AsyncSsm = self._async(AsyncSsm)
        return made

    def blocking_sqs(self, *_: Any, **__: Any) -> AsyncSqs:
        async def sleep(seconds: float) -> None:
            self.sleep(seconds)

        made: AsyncSqs = self._async(AsyncSqs, BlockingTransport, repeat_sends=True, sleep=sleep)
        return made

    def _async(self, kind: type[Any], transport: type[Transport] = Transport, **options: Any) -> Any:
        network = self.here.network
        return kind(transport(network, self.sandbox()), Unsigned(), uniform=network.chance.random, **options)

    def log(self, message: str, **fields: Any) -> None:
        if self.here.loop.is_over:
            raise GreenletExit
        sandbox = SANDBOX.get()
        if sandbox is not None and sandbox.alive and sandbox.invocation is not None:
            sandbox.invocation.lines.append((message, fields))
            if self.here.tracing:
                at = iso(self.here.loop.now)
                self.here.log.append({"at": at, "message": message, **fields})

    def fairness(self) -> Fairness:
        known = self.sandbox().known
        if "fairness" not in known:
            known["fairness"] = Fairness(self.here.config.fair_by)
        found: Fairness = known["fairness"]
        return found

    # threads, processes and time

    def thread(self, *args: Any, **options: Any) -> Thread:
        return Thread(self.here.loop, *args, **options)

    def queue(self) -> Queue:
        return Queue(self.here.loop)

    def exit(self, status: int) -> None:
        self.sandbox().exit(status)

    def pool(self, max_workers: int | None = None, **options: Any) -> ThreadPool:
        return ThreadPool(self.here.loop, max_workers, **options)

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        return wait_for(self.here.loop, *args, **kwargs)

    def as_completed(self, *args: Any, **kwargs: Any) -> Any:
        return as_completed(self.here.loop, *args, **kwargs)

    def now(self) -> float:
        return self.here.loop.now

    def sleep(self, seconds: float) -> None:
        self.sandbox().sleep(seconds)

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

    def module(real: ModuleType, **names: Any) -> ModuleType:
        copy = ModuleType(real.__name__)
        vars(copy).update(vars(real) | names)
        return copy

    now = boundary.now
    replaced: dict[int, Any] = {
        id(datetime): Moment,
        id(time): module(time, time=now, monotonic=now, perf_counter=now, sleep=boundary.sleep),
        id(time.monotonic): now,
        id(time.time): now,
        id(threading): module(threading, Thread=boundary.thread),
        id(threading.Thread): boundary.thread,
        id(SimpleQueue): boundary.queue,
        id(os): module(os, _exit=boundary.exit),
        id(futures.ThreadPoolExecutor): boundary.pool,
        id(futures.wait): boundary.wait,
        id(futures.as_completed): boundary.as_completed,
        id(connect.async_sqs): boundary.async_sqs,
        id(connect.async_ssm): boundary.async_ssm,
        id(connect.blocking_sqs): boundary.blocking_sqs,
    }

    def other(value: Any) -> Any:
        return replaced.get(id(value), value)

    undo: list[tuple[Any, str, Any]] = []

    def put(place: Any, name: str, value: Any) -> None:
        undo.append((place, name, getattr(place, name)))
        setattr(place, name, value)

    for name, found in list(sys.modules.items()):
        if name == "app" or name.startswith("chalicelib."):
            for attribute, value in list(vars(found).items()):
                if id(value) in replaced:
                    put(found, attribute, replaced[id(value)])
                elif is_dataclass(value) and isinstance(value, type):
                    # A field's default_factory is kept by the generated __init__ itself.
                    for cell in getattr(value.__init__, "__closure__", None) or ():
                        if id(cell.cell_contents) in replaced:
                            put(cell, "cell_contents", replaced[id(cell.cell_contents)])
                elif isinstance(value, FunctionType):
                    put(value, "__defaults__", tuple(map(other, value.__defaults__ or ())) or None)
                    named = value.__kwdefaults__ or {}
                    put(value, "__kwdefaults__", {key: other(one) for key, one in named.items()} or None)
    for name, service in SERVICES.items():
        put(clients, name, boundary.boto(service))
    put(logs, "line", boundary.log)
    put(asyncio, "Runner", boundary.runner())
    put(application, "action", lambda: boundary.here.act)
    put(application, "queues", boundary.blocking_sqs)
    put(application, "fairness", boundary.fairness)
    put(application, "config", application.config)
    for module_name, state, make in PROCESS_STATE:
        of_sandbox: Any = OfSandbox if make is dict else OfSandboxObject
        put(sys.modules[module_name], state, of_sandbox(f"{module_name}.{state}", make))
    try:
        yield boundary
    finally:
        for place, name, value in reversed(undo):
            setattr(place, name, value)


class OfSandboxObject:
    """An object of a module, of which each sandbox has its own."""

    def __init__(self, name: str, make: Callable[[], Any]) -> None:
        self._name = name
        self._make = make

    def _mine(self) -> Any:
        sandbox = SANDBOX.get()
        assert sandbox is not None
        if self._name not in sandbox.known:
            sandbox.known[self._name] = self._make()
        return sandbox.known[self._name]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mine(), name)


class OfSandbox(OfSandboxObject):
    """A dictionary of a module, of which each sandbox has its own."""

    def __getitem__(self, key: str) -> Any:
        return self._mine()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._mine()[key] = value

    def __contains__(self, key: object) -> bool:
        return key in self._mine()

    def setdefault(self, key: str, default: Any) -> Any:
        return self._mine().setdefault(key, default)


def prepare() -> None:
    """All that is read or imported once: a process that is forked afterwards has it."""
    app()
    limits()
    base_config()
    _import_stages()


def _import_stages() -> None:
    """What the handlers import when they run; a name is replaced only in what is there."""
    for name in STAGES:
        importlib.import_module(f"chalicelib.{name}")
