"""Notifications and records as S3 writes them."""

from __future__ import annotations


def record(key="a.jpg", name="ObjectCreated:Put", version="2.1", **item):
    return {
        "eventVersion": version,
        "eventSource": "aws:s3",
        "eventName": name,
        "eventTime": "2026-01-31T12:00:00.000Z",
        "s3": {"bucket": {"name": "images"}, "object": {"key": key, "size": 1, **item}},
    }


def notification(*records):
    return {"Records": list(records)}
