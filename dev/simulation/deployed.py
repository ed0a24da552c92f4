"""The limits that are deployed, read where they are set: template, config.json, app.py, the deploy itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from chalicelib.aws import clients
from chalicelib.drain import tick
from chalicelib.letters import resend
from chalicelib.queues import retention
from dev import template
from dev.workspace import ROOT
from infra.deploying import deploy
from infra.stage import Account, Stage

STAGE = "local"  # the one in config.json that needs no account
SHARDS = 4  # as many as a simulated stage may have
ACCOUNT = Account("123456789012", "eu-central-1")
SERVICES = {
    "sqs": "sqs",
    "ssm": "ssm",
    "s3": "s3",
    "functions": "lambda",
    "events": "events",
}  # by our name of the client
QUEUES = ("source", "bulk", "destination", "dead-letter")


@dataclass(frozen=True)
class QueueLimits:
    """Of one queue, in the words of the template."""

    visibility_s: float
    retention_s: float
    max_receives: int  # 0: no redrive policy


@dataclass(frozen=True)
class RetryLimits:
    """How Lambda repeats an asynchronous invocation of one function."""

    retries: int
    event_age_s: float
    on_failure: bool  # what failed for good goes to the dead-letter queue


@dataclass(frozen=True)
class ClientLimits:
    """Of a boto3 client of the functions."""

    attempts: int  # of one call
    read_s: float


@dataclass(frozen=True)
class Deployed:
    queues: Mapping[str, QueueLimits]
    timeouts_s: Mapping[str, float]  # by function
    asynchronous: Mapping[str, RetryLimits]
    batch_size: int  # messages that consume is given at once
    batching_window_s: float  # so long its poller waits for them
    concurrency: int  # consume's most at once; 0 is no limit of its own
    clients: Mapping[str, ClientLimits]  # boto3's, by service


@cache
def limits() -> Deployed:
    """Of the stage `local`, which has no settings of its own but names."""
    stage = Stage(ROOT, STAGE)
    functions = ("enqueue", "drain", "consume", "letters", "backfill", "api_handler")
    mapping = next(one for one in app().app.event_sources if getattr(one, "batch_size", None))
    return Deployed(
        queues=_queues(),
        timeouts_s={name: stage.function_setting(name, "lambda_timeout") for name in functions},
        asynchronous=_asynchronous(stage),
        batch_size=mapping.batch_size,
        batching_window_s=float(mapping.maximum_batching_window_in_seconds or 0),
        concurrency=mapping.maximum_concurrency or 0,
        clients={service: _client_limits(service) for service in SERVICES.values()},
    )


@cache
def app() -> Any:
    """app.py, with as many shards as a simulated stage may have."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **Stage(ROOT, STAGE).environment(),
        "DRAIN_SHARDS": str(SHARDS),
        "ACTION": "log",
    }
    kept = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        import app as found
    finally:
        os.environ.clear()
        os.environ.update(kept)
    return found


@contextmanager
def kept(seconds: float) -> Iterator[None]:
    """The product knows that the lanes keep a message for so long; 0: as deployed.

    The last half is its last day, and a pause looks more often: as often in that time as it is deployed.
    """
    if not seconds:
        yield
        return
    whole, looks = timedelta(seconds=seconds), retention.LAST_DAY // timedelta(minutes=tick.PAUSED_LOOKS)
    last = whole / 2
    names: list[tuple[Any, str, Any]] = [
        (retention, "KEPT", whole),
        (retention, "LAST_DAY", last),
        (retention, "RENEWED_S", (whole - last).total_seconds()),
        (tick, "PAUSED_LOOKS", max(1, int(last.total_seconds() / 60 / looks))),
    ]
    before = [(place, name, getattr(place, name)) for place, name, _ in names]
    for place, name, value in names:
        setattr(place, name, value)
    try:
        yield
    finally:
        for place, name, value in before:
            setattr(place, name, value)


@contextmanager
def in_parts(on: bool) -> Iterator[None]:
    """Each call of a redrive lists one page of letters and calls for the next, as with very many."""
    before = resend.LISTED_WITHIN_S
    resend.LISTED_WITHIN_S = 0.0 if on else before
    try:
        yield
    finally:
        resend.LISTED_WITHIN_S = before


def _queues() -> dict[str, QueueLimits]:
    found = {}
    for name in QUEUES:
        properties = template.queue(name)
        found[name] = QueueLimits(
            visibility_s=template.visibility_s(name),
            retention_s=int(properties["MessageRetentionPeriod"]),
            max_receives=template.max_receives(name) if "RedrivePolicy" in properties else 0,
        )
    return found


def _asynchronous(stage: Stage) -> dict[str, RetryLimits]:
    """As the deploy's last step sets it, by asking that step."""
    found: dict[str, RetryLimits] = {}

    class Recorder:
        def put_function_event_invoke_config(self, **request: Any) -> None:
            name = request["FunctionName"].removeprefix(stage.function_name(""))
            found[name] = RetryLimits(
                request["MaximumRetryAttempts"],
                request["MaximumEventAgeInSeconds"],
                "OnFailure" in request.get("DestinationConfig", {}),
            )

        def put_function_recursion_config(self, **request: Any) -> None:
            """The simulated Lambda looks for no loops."""

    client: Any = Recorder()
    # What Lambda does where nobody has said otherwise.
    found["letters"] = RetryLimits(retries=2, event_age_s=21_600, on_failure=False)
    deploy.finish(client, stage, "https://sqs/123456789012/dead-letter", ACCOUNT)
    return found


def _client_limits(service: str) -> ClientLimits:
    """By botocore's configuration of the client that the functions make."""
    import boto3

    found: list[Any] = []
    module: Any = boto3
    kept = module.client
    module.client = lambda service, config, **_: found.append(config)
    try:
        clients._new_client(service)
    finally:
        module.client = kept
    return ClientLimits(found[0].retries["max_attempts"], found[0].read_timeout)
