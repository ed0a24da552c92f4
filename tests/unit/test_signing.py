"""Signatures: byte for byte botocore's, for any body, credentials, region, host and moment."""

from __future__ import annotations

import datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.aws.lean.signing import CONTENT_TYPE, Credentials, Signer

letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
secret_text = st.text(letters, min_size=1, max_size=60)
moments = st.datetimes(
    min_value=datetime.datetime(2000, 1, 1), max_value=datetime.datetime(2099, 12, 31)
).map(lambda moment: moment.replace(microsecond=0))
regions = st.sampled_from(["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1"])
hosts = st.sampled_from(["sqs.eu-central-1.amazonaws.com", "127.0.0.1:4566", "localhost"])
actions = st.sampled_from(["ReceiveMessage", "SendMessageBatch", "DeleteMessageBatch"])


def by_botocore(credentials, region, host, action, body, moment):
    """The Authorization header that botocore's own steps give at `moment`."""
    request = AWSRequest(
        "POST",
        f"https://{host}/",
        headers={"Content-Type": CONTENT_TYPE, "Host": host, "X-Amz-Target": f"AmazonSQS.{action}"},
        data=body,
    )
    auth = SigV4Auth(
        BotocoreCredentials(credentials.access_key, credentials.secret_key, credentials.token), "sqs", region
    )
    # add_auth's own sequence, with the moment given and not taken from the clock
    request.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
    auth._modify_request_before_signing(request)
    to_sign = auth.string_to_sign(request, auth.canonical_request(request))
    auth._inject_signature_to_request(request, auth.signature(to_sign, request))
    return request.headers


def by_us(credentials, region, host, action, body, moment):
    clock = moment.replace(tzinfo=datetime.UTC).timestamp
    signer = Signer(lambda: credentials, service="sqs", region=region, host=host, clock=clock)
    return signer.headers(f"AmazonSQS.{action}", body)


@given(
    st.builds(Credentials, secret_text, secret_text, st.none() | st.text(letters, min_size=1, max_size=800)),
    regions,
    hosts,
    actions,
    st.binary(max_size=200) | st.text(max_size=200).map(str.encode),
    moments,
)
def test_signatures_are_botocores(credentials, region, host, action, body, moment):
    """With and without a session token; every header that botocore adds is the same."""
    ours = by_us(credentials, region, host, action, body, moment)
    theirs = by_botocore(credentials, region, host, action, body, moment)
    assert ours["authorization"] == theirs["Authorization"]
    assert ours["x-amz-date"] == theirs["X-Amz-Date"]
    assert ours.get("x-amz-security-token") == theirs.get("X-Amz-Security-Token")
    assert ours["host"] == theirs["Host"]


@pytest.mark.parametrize("token", [None, "token"])
def test_a_session_token_is_signed(token):
    """With temporary credentials AWS refuses a signature that leaves the token out."""
    headers = by_us(
        Credentials("AKID", "secret", token),
        "us-east-1",
        "h",
        "ReceiveMessage",
        b"",
        datetime.datetime(2026, 1, 1),
    )
    assert ("x-amz-security-token" in headers["authorization"]) == bool(token)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["one", "two"])), min_size=2, max_size=6))
def test_the_kept_key_is_of_the_day_and_of_the_secret(steps):
    """One signer over several days and a change of credentials signs as a new one each time."""
    now = 0.0
    current = Credentials("AKID", "one")
    signer = Signer(lambda: current, service="sqs", region="us-east-1", host="h", clock=lambda: now)
    for day, secret in steps:
        now, current = day * 86_400.0, Credentials("AKID", secret)
        moment = datetime.datetime(1970, 1, 1 + day)
        expected = by_botocore(current, "us-east-1", "h", "ReceiveMessage", b"{}", moment)["Authorization"]
        assert signer.headers("AmazonSQS.ReceiveMessage", b"{}")["authorization"] == expected
