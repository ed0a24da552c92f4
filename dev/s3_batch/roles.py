"""Clients with the rights of a job's role, as S3 Batch Operations has them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

RENEWED_AFTER_S = 1800  # a role's keys are good for an hour


class Roles:
    """One client for each service and role, made anew before its keys expire."""

    def __init__(self, make: Callable[..., Any], clock: Callable[[], float] = time.monotonic) -> None:
        """`make(service, **keys)` makes a client; without keys, of the server's own."""
        self._make = make
        self._clock = clock
        self._clients: dict[tuple[str, str], tuple[float, Any]] = {}
        self._lock = threading.Lock()

    def client(self, service: str, role: str) -> Any:
        """Raises botocore's errors where nobody may be that role, such as one that is not there."""
        with self._lock:
            made, client = self._clients.get((service, role), (float("-inf"), None))
            if self._clock() - made > RENEWED_AFTER_S:
                made, client = self._clock(), self._make(service, **self._keys(role))
                self._clients[service, role] = made, client
            return client

    def _keys(self, role: str) -> dict[str, str]:
        answer = self._make("sts").assume_role(RoleArn=role, RoleSessionName="s3-batch-operations")
        found = answer["Credentials"]
        return {
            "aws_access_key_id": found["AccessKeyId"],
            "aws_secret_access_key": found["SecretAccessKey"],
            "aws_session_token": found["SessionToken"],
        }
