"""The S3 event scheduler's table of contents; chalicelib tells the rest.

images bucket -> enqueue -> source queue -> drain -> destination queue -> consume -> action
                   whoever gives an event up -> dead-letter queue -> letters -> reports bucket

Every function imports this file, and each handler what it alone needs: a cold start pays for no other.
"""

import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from chalice.app import BaseLambdaEvent, Chalice, CloudWatchEvent, Cron, S3Event, SQSEvent

from chalicelib.api import guard, request_log, views
from chalicelib.api.document import routes as document
from chalicelib.aws import clients
from chalicelib.aws.lean import connect
from chalicelib.capacity import shard_names
from chalicelib.config import Config
from chalicelib.config.stage import APP, in_chalice_cli, queue_name
from chalicelib.consume import actions
from chalicelib.control.routes import routes as control
from chalicelib.errors import ConfigError
from chalicelib.events import notification_filter
from chalicelib.jobs.routes import routes as jobs
from chalicelib.letters.routes import routes as dead_letters
from chalicelib.monitoring.routes import routes as monitoring
from chalicelib.page.routes import routes as page
from chalicelib.planning.routes import routes as planning
from chalicelib.queues.fairness import Fairness

if in_chalice_cli():  # on somebody's machine, in a checkout: Lambda has no infra
    from pathlib import Path

    from infra.deploying import plain_chalice

    plain_chalice.refuse_unready(Path(__file__).parent)
try:
    config = Config.from_env()
except ConfigError as e:
    if in_chalice_cli():
        plain_chalice.refuse(f"error: configuration: {e}")
    raise SystemExit(f"configuration: {e}") from None

# Of the clock, and not of when the rule was made: the same minute for every shard and after every deploy.
EVERY_MINUTE = Cron("*", "*", "*", "*", "?", "*")
app = Chalice(app_name=APP)
app.api.binary_types += ["image/webp", "image/avif"]  # thumbnails; Chalice knows the others itself
action = cache(lambda: actions.action_for(config))
fairness = cache(lambda: Fairness(config.fair_by))
queues = cache(lambda: connect.blocking_sqs(config.source_queue_url))


def remaining_ms(event: Any) -> Callable[[], int]:
    """How many milliseconds Lambda leaves this run, whenever it is asked."""
    left: Callable[[], int] = event.context.get_remaining_time_in_millis
    return left


class AnyNotification(S3Event):
    """Chalice's own event reads the first S3 record at once, and fails on a notification without one."""

    def _extract_attributes(self, event_dict: dict[str, Any]) -> None:
        return None


if config.s3_notifies == "lambda":

    @app.on_s3_event(
        bucket=config.images_bucket,
        events=config.s3_events,
        prefix=notification_filter(config.images_prefix) or None,
        suffix=notification_filter(config.images_suffix) or None,
    )
    def enqueue(event: BaseLambdaEvent) -> dict[str, int]:
        """Every created object goes on the source queue."""
        from chalicelib.enqueue import enqueue_events

        return enqueue_events(event.to_dict(), queues(), config, fairness(), time.time())

    enqueue.event_class = AnyNotification

elif config.s3_notifies == "eventbridge":

    @app.on_cw_event(config.event_pattern)
    def enqueue(event: BaseLambdaEvent) -> dict[str, int]:
        """The same, told by EventBridge, which asks for each key by a pattern."""
        from chalicelib.enqueue import enqueue_events

        return enqueue_events(event.to_dict(), queues(), config, fairness(), time.time())


@app.schedule(EVERY_MINUTE)
def drain(event: CloudWatchEvent) -> dict[str, Any]:
    """One tick: up to CAPACITY events move to the destination queue."""
    from chalicelib.drain.tick import run

    return run(config, remaining_ms(event), scheduled=event.time).as_dict()


def add_shard(shard: int, name: str) -> None:
    """One more drain beside the first, with its part of the capacity (docs/shards.md)."""

    def tick(event: CloudWatchEvent) -> dict[str, Any]:
        from chalicelib.drain.tick import run

        return run(config, remaining_ms(event), shard, event.time).as_dict()

    tick.__name__ = name.replace("-", "_")  # Lambda looks for the handler under this name
    globals()[tick.__name__] = app.schedule(EVERY_MINUTE, name=name)(tick)


for index, shard_name in enumerate(shard_names(config.drain_shards)):
    if index:
        add_shard(index, shard_name)


# What is due evenly would else be an invocation for every one or two messages.
@app.on_sqs_message(
    queue=queue_name(config.destination_queue_url),
    batch_size=10,
    maximum_batching_window_in_seconds=1,
    maximum_concurrency=config.consume_concurrency,
)
def consume(event: SQSEvent) -> dict[str, int]:
    """The stage's action for each event."""
    from chalicelib.consume.batch import consume_batch

    return consume_batch(event.to_dict(), action(), clients.sqs(), config, remaining_ms(event))


if config.reports_bucket:

    @app.on_sqs_message(queue=queue_name(config.dead_letter_queue_url), batch_size=10)
    def letters(event: SQSEvent) -> Mapping[str, Any]:
        """Dead letters are filed in the reports bucket; and sent back or discarded, when the API says so."""
        from chalicelib.letters.handler import handle

        return handle(
            event.to_dict(), clients.s3(), clients.sqs(), clients.functions, config, remaining_ms(event)
        )


@app.lambda_function()
def backfill(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """S3 Batch Operations: existing objects to the source queue, or tags merged and put back."""
    from chalicelib.jobs import task as job_tasks

    return job_tasks.handle(event, clients.s3(), clients.sqs(), config)


for middleware in (request_log.log_request, views.in_one_shape, guard.refuse_other_sites):
    app.register_middleware(middleware, "http")
for routes in (page, monitoring, control, dead_letters, jobs, planning, document):
    app.register_blueprint(routes)
