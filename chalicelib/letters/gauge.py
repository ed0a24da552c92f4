"""How many letters there are, as a metric: written when the number has changed, and by nobody else.

It counts to MOST, so that a batch costs one listing call, however many there are: the alarm asks whether
there are any. The exact number is the store's own listing, which the API and the page show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.letters import store
from chalicelib.telemetry import logs, metrics

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from chalicelib.config import Config

MOST = 1000  # what one call lists
WITHIN_S = 5.0


def write(message: str, s3: S3Client, config: Config, **counts: int) -> None:
    """One log line with `counts` and the metric. The letters are safe by now, so a failure is only said."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = store.listing(s3, config.reports_bucket, within_s=WITHIN_S, most=MOST)
    except (ClientError, BotoCoreError) as e:
        logs.line(message, not_counted=str(e), **counts)
        return
    number = min(MOST, len(store.newest_of_each(found.letters)))
    metrics.line(message, config.stage, "letters", {"Letters": number}, **counts)
