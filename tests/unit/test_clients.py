"""AWS clients: made when they are asked for, once."""

from __future__ import annotations

import time

import pytest

from chalicelib.aws import clients
from chalicelib.monitoring import parallel
from tests.support.app import load_app


@pytest.fixture
def made(monkeypatch):
    """The services for which a client has been made."""
    services = []
    monkeypatch.setattr("boto3.client", lambda service, **config: services.append(service) or object())
    clients._client.cache_clear()
    yield services
    clients._client.cache_clear()


def test_importing_the_app_makes_none(made, monkeypatch):
    load_app(monkeypatch)
    assert made == []


def test_a_client_is_made_once_for_all_calls_of_a_warm_function(made):
    assert clients.sqs() is clients.sqs()
    assert clients.s3() is clients.s3() is not clients.sqs()
    assert made == ["sqs", "s3"]


def test_threads_that_ask_for_clients_at_once_wait_for_each_other(monkeypatch):
    """boto3's default session must not make two at a time, and GET /status asks for six."""
    at_once, most = [], []

    def make(service, **config):
        at_once.append(service)
        most.append(len(at_once))
        time.sleep(0.01)
        at_once.remove(service)
        return object()

    monkeypatch.setattr("boto3.client", make)
    clients._client.cache_clear()
    try:
        services = ("s3", "sqs", "ssm", "events", "logs", "cloudwatch")
        parallel.ask({service: lambda service=service: clients._client(service) for service in services})
    finally:
        clients._client.cache_clear()
    assert most == [1] * len(services)
