"""What AWS takes a little while to believe: a new role, a new queue policy, a function being updated."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import ClientError

Answer = TypeVar("Answer")

SETTLES_WITHIN_S = 90  # a queue's policy may take 60
PAUSE_S = 5


def settled(
    call: Callable[[], Answer], *errors: tuple[str, str], sleep: Callable[[float], None] = time.sleep
) -> Answer:
    """The call's answer, made again while AWS refuses it with one of the errors: (code, part of the message).

    Raises ClientError for any other, and for one of these that does not pass.
    """
    for _ in range(SETTLES_WITHIN_S // PAUSE_S):
        try:
            return call()
        except ClientError as e:
            found = e.response["Error"]
            if not any(found["Code"] == code and part in found["Message"] for code, part in errors):
                raise
        sleep(PAUSE_S)
    return call()


def be_patient_when_throttled() -> None:
    """boto3 and Chalice make up to 10 tries, ever more slowly; their own default is five, quickly."""
    os.environ.setdefault("AWS_RETRY_MODE", "standard")
    os.environ.setdefault("AWS_MAX_ATTEMPTS", "10")
