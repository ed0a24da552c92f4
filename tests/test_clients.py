"""AWS clients: made when they are asked for, once."""

from __future__ import annotations

import pytest

from chalicelib import aws
from tests.test_app import load_app


@pytest.fixture
def made(monkeypatch):
    """The services for which a client has been made."""
    services = []
    monkeypatch.setattr("boto3.client", lambda service, **config: services.append(service) or object())
    aws._client.cache_clear()
    yield services
    aws._client.cache_clear()


def test_importing_the_app_makes_none(made, monkeypatch):
    load_app(monkeypatch)
    assert made == []


def test_a_client_is_made_once_for_all_calls_of_a_warm_function(made):
    assert aws.sqs() is aws.sqs()
    assert aws.s3() is aws.s3() is not aws.sqs()
    assert made == ["sqs", "s3"]
