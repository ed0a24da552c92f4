"""A call of an HTTP API for each upload: PUT {API_URL}/uploads/{identity}; a duplicate puts the same again.

For a webhook that is signed there is `post`. This one shows how to answer for an API of your own choice.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import urllib3

from chalicelib.config import Config
from chalicelib.consume.outcomes import ActionResult, Delivery
from chalicelib.errors import Reject, Retry
from chalicelib.events import ObjectCreated

if TYPE_CHECKING:
    from chalicelib.consume.actions import Action

NEEDS: dict[str, str] = {}
SETTINGS = ("API_URL",)
LONGEST_S = 10.0


def action(config: Config) -> Action:
    return partial(put_upload, urllib3.PoolManager(maxsize=10), config.setting("API_URL").rstrip("/"))


def put_upload(
    http: urllib3.PoolManager, url: str, created: ObjectCreated, delivery: Delivery
) -> ActionResult:
    """Only what says that this upload is wrong makes a letter; all else may pass, and comes again."""
    timeout = urllib3.Timeout(total=min(LONGEST_S, delivery.left_s()))
    try:
        answer = http.request(
            "PUT",
            f"{url}/uploads/{created.identity}",
            body=json.dumps({"bucket": created.bucket, "key": created.key}).encode(),
            headers={"Content-Type": "application/json"},
            timeout=timeout,
            retries=False,  # RETRY_DELAYS are the patience, and each retry passes the capacity
        )
    except urllib3.exceptions.HTTPError as e:
        raise Retry(f"the API did not answer: {e}") from e
    says = f"the API answers {answer.status}"
    if answer.status in (400, 413, 422):
        raise Reject(f"{says}: {answer.data[:200]!r}", "refused-by-api")
    if answer.status >= 300:
        raise Retry(says, after=answer.headers.get("Retry-After"))
    return ActionResult("told", says=says)
