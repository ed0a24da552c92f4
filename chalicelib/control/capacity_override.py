"""What people set without a deploy, in place of what is deployed: the capacity, and a pause."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from chalicelib import times
from chalicelib.capacity import MAX_CAPACITY
from chalicelib.config import hours, override
from chalicelib.config.override import MAX_NOTE, Override
from chalicelib.errors import AwsFailed
from chalicelib.fields import Body, schema

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

    from chalicelib.config import Config

MAX_HOURS = 1000  # characters


class NewCapacity(TypedDict, total=False):
    """A number, or hours, and until when; a null for the number goes back to what is deployed."""

    capacity: Annotated[int, schema(minimum=1, maximum=MAX_CAPACITY)] | None
    by_hour: Annotated[str, schema(maxLength=MAX_HOURS)]
    until: str
    note: Annotated[str, schema(maxLength=MAX_NOTE)]


class NewPause(TypedDict, total=False):
    note: Annotated[str, schema(maxLength=MAX_NOTE)]


class Capacity(TypedDict):
    """Events a tick: what holds now, what was deployed, and what somebody set in its place, when and why."""

    capacity: int
    capacity_deployed: int
    capacity_set: int | None
    by_hour: str | None
    until: str | None
    who: str | None
    when: str | None
    note: str | None


class Schedule(TypedDict):
    paused: bool


def put_capacity(body: Any, ssm: SSMClient, config: Config, who: str, now: datetime) -> Capacity:
    """PUT /capacity with {"capacity": 500}, or null for the deployed one. The next tick reads it.

    In place of a value that cannot be read, too, with which no tick runs; a pause that it held is over then.
    """
    fields = Body.of(body, "capacity", "by_hour", "until", "note")
    before = _replaced(ssm, config)
    note = fields.text("note", MAX_NOTE, "")
    if "by_hour" in fields and fields.given("capacity") is not None:
        raise fields.bad("by_hour", "hours or a capacity, not both")
    if "until" in fields and "by_hour" not in fields and fields.given("capacity") is None:
        raise fields.bad("until", "a time only beside a capacity or hours: what is deployed has no end")
    if "by_hour" in fields:
        by_hour = fields.read("by_hour", _hours)
        new = replace(before, capacity=None, by_hour=by_hour, until=_until(fields, now))
    elif fields.given("capacity") is None and "capacity" in fields:
        new = replace(before, capacity=None, by_hour="", until=None)
    else:
        wanted = fields.whole("capacity", 1, MAX_CAPACITY, other=", or null for the deployed one")
        new = replace(before, capacity=wanted, by_hour="", until=_until(fields, now))
    new = _write(new.by(who, now, note), ssm, config)
    return capacities(new, config, now)


def set_paused(paused: bool, body: Any, ssm: SSMClient, config: Config, who: str, now: datetime) -> Schedule:
    """POST /schedule/pause and /schedule/resume: a value that every tick reads. May be repeated.

    A pause replaces a value that cannot be read; a resume does not, for what capacity it meant is not known.

    What was forwarded already is still due, for STOP_S of chalicelib/drain/clock.py at most.
    """
    note = Body.of(body, "note", optional=True).text("note", MAX_NOTE, "")
    before = _replaced(ssm, config) if paused else read_override(ssm, config)
    _write(replace(before, paused=paused).by(who, now, note), ssm, config)
    return {"paused": paused}


class NotReadable(AwsFailed):
    """The parameter holds something else."""


def _replaced(ssm: SSMClient, config: Config) -> Override:
    """What is there, to be changed."""
    try:
        return read_override(ssm, config)
    except NotReadable:
        return override.NONE


def read_override(ssm: SSMClient, config: Config) -> Override:
    """What people set; the default where nobody has. Raises AwsFailed for a value that cannot be read."""
    name = config.capacity_parameter
    try:
        found = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:
        return override.NONE
    try:
        return override.read(found)
    except ValueError as e:
        raise NotReadable(f"the capacity {name} is {e}; no tick runs until it is") from e


def capacities(found: Override, config: Config, now: datetime) -> Capacity:
    """What holds at the moment, and why."""
    return {
        "capacity": override.capacity_at(config, found, now.timestamp()),
        "capacity_deployed": override.capacity_at(config, override.NONE, now.timestamp()),
        "capacity_set": found.capacity if found.holds(now.timestamp()) else None,
        "by_hour": found.by_hour or config.capacity_by_hour or None,
        "until": found.until,
        "who": found.who or None,
        "when": found.when,
        "note": found.note or None,
    }


def in_words(found: Capacity) -> str:
    """What was set, in a few words."""
    if found["capacity_set"] is None:
        return found["by_hour"] or f"as deployed: {found['capacity']:,} events a minute"
    until = f", until {found['until']}" if found["until"] else ""
    return f"{found['capacity_set']:,} events a minute{until}"


def _write(new: Override, ssm: SSMClient, config: Config) -> Override:
    name = config.capacity_parameter
    ssm.put_parameter(Name=name, Value=new.to_text(), Type="String", Overwrite=True)
    return new


def _hours(text: Any) -> str:
    if not isinstance(text, str) or len(text) > MAX_HOURS:
        raise ValueError(f"hours such as {hours.EXPECTED}")
    return hours.parse(text).text


def _until(fields: Body, now: datetime) -> str | None:
    def parse(value: Any) -> str | None:
        at = times.moment(value)
        if not at or at <= now:
            raise ValueError("a time to come, such as 2026-01-31T12:00:00Z")
        return times.iso(at)

    return fields.read("until", parse, None)
