"""What the function `letters` is called for: a batch of the dead-letter queue, or an order of the API's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.letters import filing, resend, runs

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

    from chalicelib.config import Config


def handle(
    event: Mapping[str, Any],
    s3: S3Client,
    sqs: SQSClient,
    functions: Callable[[], LambdaClient],
    config: Config,
    remaining_ms: Callable[[], int],
) -> Mapping[str, Any]:
    """`{"Records": [...]}` of SQS: file them. `{"letters": order}`: one part of a redrive or discard."""
    if runs.ORDER in event:
        return resend.run(runs.order_of(event), s3, sqs, functions, config, remaining_ms)
    return filing.file_batch(event, s3, sqs, config)
