"""Events as AWS sends them to each of the functions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus

from dev.pipeline import SCHEDULED_EVENT as TICK

__all__ = ["TICK", "batch_task", "body", "rest", "sqs_batch", "uploaded"]


def uploaded(bucket: str, keys: Sequence[str]) -> dict[str, Any]:
    """S3's notification of created objects."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": "2026-01-01T00:00:00.000Z",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key), "size": 1024}},
            }
            for key in keys
        ]
    }


def sqs_batch(queue: str, bodies: Sequence[str]) -> dict[str, Any]:
    """A batch as Lambda's poller hands it over."""
    return {
        "Records": [
            {
                "messageId": f"00000000-0000-4000-8000-{number:012}",
                "receiptHandle": f"receipt {number}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1767225600000"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}",
                "awsRegion": "us-east-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def rest(
    method: str, route: str, query: Mapping[str, str] | None = None, **parameters: str
) -> dict[str, Any]:
    """API Gateway's proxy event for a route such as `/jobs/{job_id}`, with its path parameters."""
    path = route.format(**parameters)
    return {
        "resource": route,
        "path": path,
        "httpMethod": method,
        "headers": {"accept": "application/json"},
        "multiValueHeaders": {},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()}
        if query
        else None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
        "requestContext": {
            "httpMethod": method,
            "resourcePath": route,
            "identity": {"sourceIp": "127.0.0.1"},
        },
    }


def batch_task(bucket: str, key: str) -> dict[str, Any]:
    """An invocation by S3 Batch Operations, schema 2.0, of a job that backfills."""
    return {
        "invocationSchemaVersion": "2.0",
        "invocationId": "invocation",
        "job": {"id": "job", "userArguments": {"operation": "backfill"}},
        "tasks": [
            {"taskId": "task", "s3Key": quote_plus(key), "s3VersionId": None, "s3Bucket": bucket},
        ],
    }


def body(bucket: str, key: str) -> str:
    """The least a message may hold."""
    return json.dumps({"Bucket": bucket, "Key": key})
