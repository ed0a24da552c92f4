"""What the parts of a simulated world know of each other: the world itself is made of them (world.World)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from chalicelib.config import Config
from dev.simulation.clock import VirtualLoop
from dev.simulation.deployed import Deployed
from dev.simulation.sqs import Message, Queue, Sqs


class Surroundings(Protocol):
    """The world, as its parts see it."""

    app: Any  # the module app.py
    loop: VirtualLoop
    limits: Deployed
    config: Config
    sqs: Sqs
    source: Queue
    bulk: Queue
    lanes: tuple[Queue, ...]  # source and bulk
    destination: Queue
    dead_letters: Queue
    census: Any
    network: Any
    invariants: Any
    caller: Any  # the sandbox whose call has its effect now
    tracing: bool
    graveyard: list[Any]  # what dead processes wait for
    quiet_since: float
    late_s: float  # a tick begins at most so long after its minute
    asked: Counter[str]  # calls of AWS, by function
    is_prompt: bool  # whether every call is answered soon
    is_even: bool  # whether the capacity stays, and calls are quick
    scenario: Any

    def config_of(self, function: str) -> Config: ...

    def handler(self, function: str) -> tuple[Callable[..., Any], float]:
        """A function's handler, and its time limit in seconds."""

    def is_busy(self, function: str) -> bool: ...

    def note(
        self,
        who: str,
        what: str,
        request: Mapping[str, Any] | None = None,
        answer: Mapping[str, Any] | None = None,
        messages: list[Message] | None = None,
    ) -> None: ...

    def violate(self, kind: str, text: str, event: Any = None) -> None: ...

    def sandbox_died(self, sandbox: Any, how: str) -> None: ...

    def invocation_ended(self, sandbox: Any, invocation: Any, outcome: str) -> None: ...

    def clock_text(self, at: float) -> str: ...
