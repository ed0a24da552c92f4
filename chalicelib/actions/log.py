"""One structured line per event: stands in for the load to come, and shows that the pace is right."""

from chalicelib import logs
from chalicelib.events import ObjectCreated


def log_event(created: ObjectCreated, message_id: str) -> None:
    logs.line(
        "event",
        bucket=created.bucket,
        key=created.key,
        version_id=created.version_id,
        size=created.size,
        event_time=created.event_time,
        message_id=message_id,
    )
