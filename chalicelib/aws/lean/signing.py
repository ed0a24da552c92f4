"""AWS Signature Version 4 for one service's JSON calls: POST to `/`, no query.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
Byte for byte what botocore's SigV4Auth computes (tests/unit/test_signing.py), at a fraction of its time
(docs/decisions/0003-drain-client.md).
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import NamedTuple

CONTENT_TYPE = "application/x-amz-json-1.0"


class Credentials(NamedTuple):
    access_key: str
    secret_key: str
    token: str | None = None  # of temporary credentials, as a Lambda function's are


class _Draft(NamedTuple):
    """A call of a target, but for its body: the same for all calls in one second with one's credentials."""

    headers: dict[str, str]  # all but `authorization`
    canonical: hashlib._Hash  # has taken in the canonical request up to the body's hash
    to_sign: str  # up to the canonical request's hash
    key: bytes
    authorization: str  # up to the signature


class Signer:
    """Makes the headers of signed calls to one host.

    `credentials` is asked for every call, so whoever refreshes them needs no word to the signer.
    `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        credentials: Callable[[], Credentials],
        *,
        service: str,
        region: str,
        host: str,
        content_type: str = CONTENT_TYPE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._credentials = credentials
        self._service = service
        self._region = region
        self._host = host  # as in the Host header: with the port unless it is the scheme's own
        self._content_type = content_type
        self._clock = clock
        self._drafts: dict[str, _Draft] = {}  # by target
        self._drafted: tuple[int, Credentials | None] = (-1, None)  # in which second, for whom
        self._key: tuple[str, str, bytes] = ("", "", b"")  # secret, day and the key made from them

    def headers(self, target: str, body: bytes) -> dict[str, str]:
        """Every header of a call of `target`, such as `AmazonSQS.ReceiveMessage`, with this body."""
        credentials = self._credentials()
        second = int(self._clock())
        if self._drafted != (second, credentials):
            self._drafted = (second, credentials)
            self._drafts.clear()
        draft = self._drafts.get(target)
        if draft is None:
            draft = self._drafts[target] = self._draft(target, second, credentials)
        canonical = draft.canonical.copy()
        canonical.update(hashlib.sha256(body).hexdigest().encode())
        signature = _hmac(draft.key, draft.to_sign + canonical.hexdigest()).hex()
        return {**draft.headers, "authorization": draft.authorization + signature}

    def _draft(self, target: str, second: int, credentials: Credentials) -> _Draft:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        headers = {"content-type": self._content_type, "host": self._host, "x-amz-date": stamp}
        if credentials.token:
            headers["x-amz-security-token"] = credentials.token
        headers["x-amz-target"] = target  # the names stay sorted, as the signature wants them
        names = ";".join(headers)
        lines = "".join([f"{name}:{value}\n" for name, value in headers.items()])
        day = stamp[:8]
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        return _Draft(
            headers,
            canonical=hashlib.sha256(f"POST\n/\n\n{lines}\n{names}\n".encode()),
            to_sign=f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n",
            key=self._signing_key(credentials.secret_key, day),
            authorization=(
                f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
                f"SignedHeaders={names}, Signature="
            ),
        )

    def _signing_key(self, secret: str, day: str) -> bytes:
        if self._key[:2] != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = _hmac(key, part)
            self._key = (secret, day, key)
        return self._key[2]


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
