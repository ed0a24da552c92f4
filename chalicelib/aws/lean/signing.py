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
        self._second, self._stamp = -1, ""  # of the last call
        self._key: tuple[str, str, bytes] = ("", "", b"")  # secret, day and the key made from them

    def headers(self, target: str, body: bytes) -> dict[str, str]:
        """Every header of a call of `target`, such as `AmazonSQS.ReceiveMessage`, with this body."""
        credentials = self._credentials()
        second = int(self._clock())
        if self._second != second:
            self._second, self._stamp = second, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        stamp = self._stamp
        signed = {"content-type": self._content_type, "host": self._host, "x-amz-date": stamp}
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        signed["x-amz-target"] = target  # the names stay sorted, as the signature wants them
        names = ";".join(signed)
        lines = "\n".join([f"{name}:{value}" for name, value in signed.items()])
        canonical = f"POST\n/\n\n{lines}\n\n{names}\n{hashlib.sha256(body).hexdigest()}"
        day = stamp[:8]
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = _hmac(self._signing_key(credentials.secret_key, day), to_sign).hex()
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        return signed

    def _signing_key(self, secret: str, day: str) -> bytes:
        if self._key[:2] != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = _hmac(key, part)
            self._key = (secret, day, key)
        return self._key[2]


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
