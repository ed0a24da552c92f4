"""The S3 event scheduler's table of contents; chalicelib tells the rest.

images bucket -> enqueue -> source queue -> drain -> destination queue -> consume -> action
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, Rate, S3Event, SQSEvent

from chalicelib import actions, aws, status
from chalicelib.config import Config, queue_name
from chalicelib.consume import consume_batch
from chalicelib.drain import run
from chalicelib.enqueue import enqueue_events
from chalicelib.errors import ConfigError

try:
    config = Config.from_env()
except ConfigError as e:
    raise SystemExit(f"configuration: {e}") from None

app = Chalice(app_name="s3-event-scheduler")
action = cache(lambda: actions.of(config))


def remaining_ms(event: Any) -> Callable[[], int]:
    """How many milliseconds Lambda leaves this run, whenever it is asked."""
    left: Callable[[], int] = event.context.get_remaining_time_in_millis
    return left


@app.on_s3_event(
    bucket=config.images_bucket,
    events=["s3:ObjectCreated:*"],
    prefix=config.images_prefix or None,
    suffix=config.images_suffix or None,
)
def enqueue(event: S3Event) -> dict[str, int]:
    """Every created object goes on the source queue."""
    return enqueue_events(event.to_dict(), aws.sqs(), config)


class AnyNotification(S3Event):
    """Chalice's own event reads the first S3 record at once, and fails on a notification without one."""

    def _extract_attributes(self, event_dict: dict[str, Any]) -> None:
        return None


enqueue.event_class = AnyNotification


@app.schedule(Rate(1, unit=Rate.MINUTES))
def drain(event: CloudWatchEvent) -> dict[str, Any]:
    """One tick: up to CAPACITY events move to the destination queue."""
    return run(config, remaining_ms(event)).as_dict()


@app.on_sqs_message(queue=queue_name(config.destination_queue_url), batch_size=10)
def consume(event: SQSEvent) -> dict[str, int]:
    """The stage's action for each event."""
    return consume_batch(event.to_dict(), action(), aws.sqs(), config, remaining_ms(event))


@app.route("/status")
def get_status() -> dict[str, Any]:
    """Where everything stands."""
    return status.snapshot(aws.sqs(), config)


@app.route("/health")
def get_health() -> dict[str, str]:
    """The API answers; nothing else is asked."""
    return {"status": "ok"}
