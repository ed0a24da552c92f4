"""The drain's client: what it tries again, what it calls unknown, and that TLS is verified."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time

import pytest

from chalicelib.aws.lean import connect
from chalicelib.aws.lean.blocking import BlockingHttp1, finish
from chalicelib.aws.lean.connect import AwsEnvironment
from chalicelib.aws.lean.http1 import ADMISSION, Http1
from chalicelib.aws.lean.json_calls import ATTEMPTS, CallFailed
from chalicelib.aws.lean.signing import Credentials, Signer
from chalicelib.aws.lean.sqs import AsyncSqs
from chalicelib.aws.lean.transport import NoAnswer, NotSent
from chalicelib.drain.tick import in_loop
from chalicelib.errors import ConfigError


class Script:
    """A transport that gives the scripted answers in turn, and the last one for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.posts = []

    async def post(self, headers, body, within_s):
        self.posts.append((headers, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        pass


OK = (200, b"{}")
REFUSED = (400, b'{"__type": "com.amazonaws.sqs#InvalidMessageContents", "message": "no"}')
THROTTLED = (400, b'{"__type": "com.amazon.coral.service#ThrottlingException", "message": "slow down"}')
EXPIRED = (403, b'{"__type": "com.amazon.coral.service#ExpiredTokenException", "message": "old"}')
BROKEN = (500, b"<html>oops</html>")
INTERNAL = (500, b'{"__type": "com.amazonaws.sqs#InternalFailure"}')


def signer(credentials=lambda: Credentials("AKID", "secret")):
    return Signer(credentials, service="sqs", region="us-east-1", host="h", clock=lambda: 0.0)


def send(*answers, credentials=lambda: Credentials("AKID", "secret"), **options):
    """The outcome of one send over the script, with its transport and its pauses."""
    script, pauses = Script(*answers), []

    async def sleep(seconds):
        pauses.append(seconds)

    sqs = AsyncSqs(script, signer(credentials), sleep=sleep, uniform=lambda: 1.0, **options)
    try:
        outcome = in_loop(sqs.send_message_batch(QueueUrl="u", Entries=[{"Id": "0", "MessageBody": "b"}]))
    except CallFailed as e:
        outcome = e
    return outcome, script, pauses


def test_a_good_answer_is_given_with_its_attempts():
    answer, script, pauses = send(OK)
    assert answer == {"ResponseMetadata": {"RetryAttempts": 0, "UnknownAttempts": 0}}
    assert json.loads(script.posts[0][1])["QueueUrl"] == "u"
    assert pauses == []


@pytest.mark.parametrize(
    ("trouble", "unknown"),
    [
        (INTERNAL, 1),
        (BROKEN, 1),
        (NoAnswer("TimeoutError"), 1),
        ((200, b"<html>"), 1),
        ((200, b"[]"), 1),
        (NotSent("refused"), 0),
        (THROTTLED, 0),
        (EXPIRED, 0),
        ((429, b"{}"), 0),
    ],
)
def test_what_may_pass_is_tried_again(trouble, unknown):
    """And what the server may have done already is counted as unknown."""
    answer, _, pauses = send(trouble, OK, repeat_sends=True)
    assert answer["ResponseMetadata"] == {"RetryAttempts": 1, "UnknownAttempts": unknown}
    assert len(pauses) == 1


def test_a_refusal_is_not_tried_again_and_its_outcome_is_known():
    failed, script, _ = send(REFUSED)
    assert str(failed) == "SendMessageBatch: InvalidMessageContents: no"
    assert not failed.unknown
    assert len(script.posts) == 1


@pytest.mark.parametrize(
    ("trouble", "unknown"), [(INTERNAL, ATTEMPTS), (NotSent("refused"), 0), (THROTTLED, 0)]
)
def test_it_gives_up_after_the_last_attempt(trouble, unknown):
    failed, script, pauses = send(trouble, repeat_sends=True)
    assert failed.unknown == unknown
    assert len(script.posts) == ATTEMPTS
    assert pauses == [0.2, 0.4, 0.8, 1.6]


@pytest.mark.parametrize("trouble", [INTERNAL, BROKEN, NoAnswer("TimeoutError")])
def test_the_drains_send_that_may_have_arrived_is_not_repeated(trouble):
    """A second attempt could put more into the destination than was charged to the capacity."""
    failed, script, _ = send(trouble, OK)
    assert failed.unknown == 1
    assert len(script.posts) == 1


def test_an_unknown_attempt_before_a_refusal_stays_unknown():
    failed, _, _ = send(INTERNAL, REFUSED, repeat_sends=True)
    assert failed.unknown == 1


def test_expired_credentials_are_asked_for_again():
    """Whoever gives them refreshes them; every attempt signs with what is current."""
    given = iter([Credentials("OLD", "secret"), Credentials("NEW", "secret")])
    _, script, _ = send(EXPIRED, OK, credentials=lambda: next(given))
    assert ["OLD" in headers["authorization"] for headers, _ in script.posts] == [True, False]


def environment(**changes):
    return AwsEnvironment(
        **{
            "region": "eu-west-1",
            "sqs_endpoint_url": "",
            "access_key": "AKID",
            "secret_key": "secret",
            "session_token": "",
            **changes,
        }
    )


def signed_for(queue_url, **changes):
    """Host and region that a call to the queue is signed for."""
    sqs = connect.async_sqs(queue_url, environment(**changes))
    headers = sqs._signer.headers("AmazonSQS.ReceiveMessage", b"")
    return headers["host"], headers["authorization"].split("/")[2]


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("sqs.eu-central-1.amazonaws.com", "eu-central-1"),
        ("sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("sqs-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("vpce-1.sqs.us-east-2.vpce.amazonaws.com", "us-east-2"),
        ("127.0.0.1:4566", "eu-west-1"),
    ],
)
def test_the_queues_url_names_endpoint_and_region(host, region):
    """A function may well drain a queue of another region than its own."""
    assert signed_for(f"https://{host}/123456789012/source") == (host, region)


def test_the_endpoint_can_be_overridden():
    override = "http://127.0.0.1:4566"
    url = "https://sqs.eu-central-1.amazonaws.com/123456789012/source"
    assert signed_for(url, sqs_endpoint_url=override) == ("127.0.0.1:4566", "eu-central-1")


def test_no_region_is_one_clear_line():
    with pytest.raises(ConfigError, match="AWS_REGION is not set"):
        connect.async_sqs("http://127.0.0.1:4566/000000000000/source", environment(region=""))


def test_the_specific_endpoint_wins_over_the_general_one():
    """As in boto3."""
    found = AwsEnvironment.from_env({"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_SQS": "http://b"})
    assert found.sqs_endpoint_url == "http://b"


async def serving(handle, ask):
    """`ask(endpoint)` while `handle(reader, writer)` serves."""
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        return await ask(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")


def whole(answer):
    return [answer]


class Blocking:
    """enqueue's, which blocks: in a thread, beside the server."""

    def __init__(self, endpoint):
        self._http = BlockingHttp1(endpoint)

    async def post(self, headers, body, within_s):
        return await asyncio.to_thread(finish, self._http.post(headers, body, within_s))

    def close(self):
        self._http.close()


@pytest.fixture(params=[Http1, Blocking])
def client(request):
    return request.param


def posted(*answers, client=Http1, posts=1, within_s=5.0, pieces=whole, after_s=0.0):
    """What `posts` posts in turn give when the server writes these answers, and how many connections came.

    It writes each after so many seconds, and in such `pieces`.
    """
    connections = 0
    to_write = list(answers)

    async def handle(reader, writer):
        nonlocal connections
        connections += 1
        while to_write:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            await reader.readexactly(int(head.rpartition(b"content-length: ")[2]))
            answer = to_write.pop(0)
            await asyncio.sleep(after_s)
            for number, piece in enumerate(pieces(answer)):
                await asyncio.sleep(0.002 if number else 0)
                writer.write(piece)
            if not answer or b"close" in answer:
                break
        writer.close()

    async def ask(endpoint):
        http = client(endpoint)
        try:
            return [await http.post({"host": "h"}, b"body", within_s) for _ in range(posts)]
        finally:
            http.close()

    return in_loop(serving(handle, ask)), connections


PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_a_connection_is_used_again(client):
    assert posted(PLAIN, PLAIN, posts=2, client=client) == ([(200, b"{}")] * 2, 1)


def test_a_connection_that_the_server_closes_is_not_used_again(client):
    closing = PLAIN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert posted(closing, PLAIN, posts=2, client=client) == ([(200, b"{}")] * 2, 2)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{} \r\n1\r\n \r\n0\r\n\r\n"


def test_chunked_answers_are_read(client):
    assert posted(CHUNKED, PLAIN, posts=2, client=client) == ([(200, b"{}  "), (200, b"{}")], 1)


@pytest.mark.parametrize(("answer", "body"), [(PLAIN, b"{}"), (CHUNKED, b"{}  ")])
def test_an_answer_is_read_wherever_it_is_torn(client, answer, body):
    places = iter(range(1, len(answer)))

    def torn(answer):
        at = next(places)
        return [answer[:at], answer[at:]]

    posts = len(answer) - 1
    assert posted(*[answer] * posts, posts=posts, pieces=torn, client=client) == ([(200, body)] * posts, 1)


@pytest.mark.parametrize(("answer", "body"), [(PLAIN, b"{}"), (CHUNKED, b"{}  ")])
def test_an_answer_that_comes_byte_by_byte_is_read(client, answer, body):
    def bytewise(answer):
        return [bytes([one]) for one in answer]

    assert posted(answer, PLAIN, posts=2, pieces=bytewise, client=client) == ([(200, body), (200, b"{}")], 1)


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED])
@pytest.mark.parametrize("more", [b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", b"x"])
def test_what_nobody_asked_for_is_no_answer_to_the_next_request(client, answer, more):
    """A server that means to close a connection may say so before."""
    (_, second), connections = posted(answer + more, PLAIN, posts=2, client=client)
    assert (second, connections) == ((200, b"{}"), 2)


def test_each_call_has_its_own_time_and_all_of_it(client):
    """Whatever the calls before it on the same connection took, or were given."""
    assert posted(*[PLAIN] * 8, posts=8, within_s=0.5, after_s=0.1, client=client) == ([(200, b"{}")] * 8, 1)


def test_a_call_that_may_take_less_than_the_one_before_is_cut_off_in_its_own_time(client):
    async def silent(reader, writer):
        for answer in (PLAIN, b""):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.rpartition(b"content-length: ")[2]))
            writer.write(answer)
        await reader.read()
        writer.close()

    async def ask(endpoint):
        http, loop = client(endpoint), asyncio.get_running_loop()
        assert await http.post({"host": "h"}, b"", 60.0) == (200, b"{}")
        began = loop.time()
        with pytest.raises(NoAnswer, match=r"nothing whole within 0\.05 s"):
            await http.post({"host": "h"}, b"", 0.05)
        return loop.time() - began

    assert 0.04 < in_loop(serving(silent, ask)) < 30


def test_a_large_answer_is_read_when_it_is_let_in_and_before_that_not_much_of_it():
    size, written = 40_000_000, []  # more than the system keeps for us

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 100_000):
            writer.write(b"x" * 100_000)
            await writer.drain()
            written.append(100_000)
        writer.close()

    async def ask(endpoint):
        asked = []

        async def admit(count):
            await asyncio.sleep(0.3)
            asked.append((count, sum(written) < size))

        ADMISSION.set(admit)
        http = Http1(endpoint)
        status, body = await http.post({"host": "h"}, b"", 30.0)
        http.close()
        return status, len(body), asked

    assert in_loop(serving(handle, ask)) == (200, size, [(size, True)])


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 twenty\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x" * 100_000,
    ],
)
def test_what_is_no_whole_http_answer_is_no_answer(client, answer):
    with pytest.raises(NoAnswer) as told:
        posted(answer, within_s=60.0, client=client)
    assert "60 s" not in str(told.value)  # nor does it take that long


def test_an_answer_that_takes_too_long_is_no_answer(client):
    with pytest.raises(NoAnswer, match="nothing whole within"):
        posted(b"HTTP/1.1 200 OK\r\n", b"", within_s=0.05, client=client)


def test_a_connection_that_the_server_resets_costs_its_own_call_alone(client):
    """uvloop raises RuntimeError when it writes to such, at any moment: also to one that was just looked at."""
    seen = []

    async def resets(reader, writer):
        linger = struct.pack("ii", 1, 0)  # at once, and without a word
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        for _ in range(3):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.rpartition(b"content-length: ")[2]))
            writer.write(PLAIN)
        await writer.drain()
        writer.transport.abort()

    async def ask(endpoint):
        http = client(endpoint)
        for _ in range(200):
            try:
                seen.append(await http.post({"host": "h"}, b"{}", 5.0))
            except NoAnswer as e:
                seen.append(e)
        http.close()

    in_loop(serving(resets, ask))
    assert len(seen) == 200
    assert sum(isinstance(one, tuple) for one in seen) >= 100


def test_a_server_that_is_not_there_has_seen_nothing(client):
    async def ask():
        with pytest.raises(NotSent):
            await client("http://127.0.0.1:1").post({}, b"", 5.0)

    in_loop(ask())


@pytest.mark.parametrize("endpoint", ["ftp://h", "sqs.amazonaws.com", "http://"])
def test_a_bad_endpoint_is_refused(endpoint):
    with pytest.raises(ValueError, match="endpoint"):
        Http1(endpoint)


@pytest.mark.parametrize("kind", [PLAIN, CHUNKED])
def test_an_answer_that_trickles_in_has_the_time_of_one_call_and_no_more(client, kind):
    def trickling(answer):
        return [bytes([one]) for one in answer * 20]  # a byte every 2 ms, for seconds

    began = time.monotonic()
    with pytest.raises(NoAnswer, match=r"nothing whole within 0\.05 s"):
        posted(kind.replace(b"200 OK", b"200 " + b"O" * 400), within_s=0.05, pieces=trickling, client=client)
    assert time.monotonic() - began < 30
