"""post, invoke and put_event: what their downstream's answers make of an event."""

import contextlib
import io
import json
import shutil
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ReadTimeoutError
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from chalicelib.config import Config
from chalicelib.consume.actions import invoke, post, put_event
from chalicelib.consume.batch import BEGIN_S, MARGIN_S
from chalicelib.consume.outcomes import MOST_SAID, Delivery
from chalicelib.errors import ConfigError, Reject, Retry
from chalicelib.events import ObjectCreated
from dev.fake_boto3 import client_error
from dev.fake_sqs.certificate import make_certificate
from tests.support.receiver import receiver
from tests.support.settings import GOOD

CREATED = ObjectCreated(
    "images", "photos/ü.jpg", size=2000, sequencer="0A", event_time="2026-01-31T12:00:00.000Z"
)
DELIVERY = Delivery("message-1", tries=1, forwarded=None, started=datetime(2026, 1, 31, tzinfo=UTC))
OLD, NEW = "whsec_" + "b2xk" * 8, "whsec_" + "bmV3" * 8


class Ssm:
    def __init__(self, *values):
        self.values, self.asked, self.fails = list(values), 0, None

    def get_parameter(self, **request):
        assert request == {"Name": "/mine/secret", "WithDecryption": True}
        self.asked += 1
        if self.fails:
            raise self.fails
        return {"Parameter": {"Value": self.values[min(self.asked, len(self.values)) - 1]}}


class Poster:
    """The action over a receiver on this machine, with a clock of its own."""

    def __init__(self, told, *secrets):
        self.told, self.now, self.ssm = told, 1000.0, Ssm(*secrets)
        self.secrets = post.Secrets(self.ssm, "/mine/secret", lambda: self.now)
        self.http = post.pool()

    def post(self, url="", timeout_s=5.0, delivery=DELIVERY, created=CREATED):
        return post.post(self.http, self.secrets, url or self.told.url, timeout_s, created, delivery)

    @property
    def last(self):
        return self.told.got[-1]


@pytest.fixture
def poster():
    with receiver() as told:
        yield Poster(told, f"{OLD} {NEW}")


def test_a_webhook_is_signed_so_that_the_standards_own_library_takes_it(poster):
    assert poster.post().result == "posted"
    for secret in (OLD, NEW):  # both sign: either one may be taken away
        told = Webhook(secret).verify(poster.last.body, poster.last.headers)
        assert told["type"] == "object.created"
        assert told["timestamp"] == "2026-01-31T12:00:00.000Z"
        assert (told["data"]["Bucket"], told["data"]["Key"]) == ("images", "photos/ü.jpg")
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "b3Ro" * 8).verify(poster.last.body, poster.last.headers)


def test_the_webhooks_id_is_the_events_and_the_same_on_every_try(poster):
    poster.told.status = 500
    for tries in (1, 2):
        with pytest.raises(Retry):
            poster.post(delivery=Delivery("m", tries, None, DELIVERY.started))
    ids = {got.headers["webhook-id"] for got in poster.told.got}
    assert ids == {CREATED.identity}


@pytest.mark.parametrize("status", [400, 413, 422])
def test_an_answer_about_this_event_alone_is_a_letter_with_the_downstreams_words_escaped(poster, status):
    poster.told.status, poster.told.body = status, b"no\nsuch \x1b[31mfield"
    with pytest.raises(Reject) as refused:
        poster.post()
    assert refused.value.reason == f"the downstream answers {status}: no\\nsuch \\x1b[31mfield"
    assert refused.value.code == "refused-by-downstream"


def test_of_a_long_answer_the_beginning_is_read_and_is_a_short_reason_also_when_each_byte_is_escaped(poster):
    poster.told.status, poster.told.body = 400, b"\x1b" * 1_000_000
    with pytest.raises(Reject) as refused:
        poster.post()
    says = refused.value.reason.removeprefix("the downstream answers 400: ")
    assert says == "\\x1b" * (MOST_SAID // 4)


@pytest.mark.parametrize("status", [301, 304, 401, 403, 404, 408, 409, 410, 429, 500, 503])
def test_every_other_answer_comes_again_and_no_redirect_is_followed(poster, status):
    poster.told.status, poster.told.headers = status, {"Location": poster.told.url}
    with pytest.raises(Retry, match=f"the downstream answers {status}"):
        poster.post()
    assert len(poster.told.got) == 1


@pytest.mark.skipif(not shutil.which("openssl"), reason="the certificate is made with openssl")
def test_by_tls_only_a_downstream_whose_certificate_somebody_vouches_for_gets_the_webhook(
    tmp_path, monkeypatch
):
    certificate = make_certificate(tmp_path)
    with receiver(certificate) as told:
        with pytest.raises(Retry, match="certificate verify failed"):
            Poster(told, OLD).post()
        assert told.got == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert Poster(told, OLD).post().result == "posted"
        Webhook(OLD).verify(told.got[0].body, told.got[0].headers)


def test_a_downstream_that_is_not_there_or_too_slow_comes_again_and_is_asked_once(poster):
    with pytest.raises(Retry, match="gives no answer"):
        poster.post("http://127.0.0.1:1")
    poster.told.after_s = 0.5
    with pytest.raises(Retry, match="gives no answer"):
        poster.post(timeout_s=0.1)
    assert len(poster.told.got) == 1
    with pytest.raises(Retry, match="no time left"):
        poster.post(delivery=Delivery("m", 1, None, DELIVERY.started, left_s=lambda: -1.0))
    assert len(poster.told.got) == 1


@contextlib.contextmanager
def trickling(beginning, pieces=400):
    """A receiver that answers with the beginning and then a byte each 20 ms; the URL, and how many were taken."""
    taken = []

    def serve():
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65_536)
            connection.sendall(beginning)
            for _ in range(pieces):
                time.sleep(0.02)
                connection.sendall(b"x")
                taken.append(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=serve)
        server.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", taken
        server.join()


def test_a_downstream_that_trickles_its_headers_is_given_up_when_the_time_of_it_all_is_over(poster):
    with (
        trickling(b"HTTP") as (url, taken),
        pytest.raises(Retry, match=r"gives no answer within 0\.3 s"),
    ):
        poster.post(url, timeout_s=0.3)
    assert len(taken) < 400


def test_of_an_answer_that_trickles_after_its_status_the_status_counts(poster):
    beginning = b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n"
    with trickling(beginning) as (url, taken):
        assert poster.post(url, timeout_s=0.3).says.startswith("the downstream answers 200: x")
    assert len(taken) < 400


def test_after_two_kilobytes_of_an_answer_nobody_waits_for_more(poster):
    beginning = b"HTTP/1.1 422 X\r\nContent-Length: 4000\r\n\r\n" + b"y" * post.MOST_READ
    with trickling(beginning) as (url, taken), pytest.raises(Reject, match="the downstream answers 422: yyy"):
        poster.post(url, timeout_s=20.0)
    assert len(taken) < 400


def test_a_connection_that_fails_is_not_tried_again(poster, monkeypatch):
    asked = []

    def refuse(address, *rest, **named):
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr("urllib3.util.connection.create_connection", refuse)
    with pytest.raises(Retry, match="gives no answer"):
        poster.post("http://127.0.0.1:1")
    assert asked == [("127.0.0.1", 1)]


def test_an_answer_in_time_leaves_its_connection_to_the_next_and_nothing_ends_it_later(poster):
    poster.told.body = b""
    for timeout_s in (0.2, 5.0):
        poster.post(timeout_s=timeout_s)
    time.sleep(0.3)  # longer than the first one's time
    poster.post()
    pool = poster.http.connection_from_url(poster.told.url)
    assert (pool.num_connections, pool.num_requests) == (1, 3)


def test_of_an_answer_two_kilobytes_are_read_and_the_status_counts(poster):
    poster.told.body = b"x" * 100_000
    assert len(poster.post().says) < 1100
    assert poster.post().result == "posted"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120), ("", 0), ("soon", 0), ("-5", 0), ("9" * 400, 999_999_999), ("1.5", 0)],
)
def test_retry_after_is_a_number_of_seconds(text, seconds):
    assert Retry("", after=text).after == seconds


@pytest.mark.parametrize(
    "form", ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"]
)
def test_retry_after_may_be_a_date_in_each_of_https_three_forms_and_reaches_the_retry(poster, form):
    at = datetime.now(UTC) + timedelta(seconds=300)
    poster.told.status, poster.told.headers = 503, {"Retry-After": at.strftime(form)}
    with pytest.raises(Retry) as again:
        poster.post()
    assert 290 <= again.value.after <= 300


def test_the_secret_is_read_again_after_five_minutes_and_after_a_401_but_not_for_each(poster):
    poster.ssm.values = [OLD, NEW]
    poster.post()
    poster.now += post.SECRETS_KEPT_S - 1
    poster.post()
    assert poster.ssm.asked == 1
    poster.now += 1
    poster.post()
    assert poster.ssm.asked == 2
    Webhook(NEW).verify(poster.last.body, poster.last.headers)
    poster.told.status = 401
    for _ in range(5):
        with pytest.raises(Retry, match="the downstream answers 401"):
            poster.post()
    assert poster.ssm.asked == 2
    poster.now += post.SECRETS_KEPT_AFTER_401_S
    with pytest.raises(Retry):
        poster.post()
    assert poster.ssm.asked == 3


@pytest.mark.parametrize("text", ["", "  ", "whsec_", "whsec_!"])
def test_a_secret_that_is_none_is_no_letter(poster, text):
    poster.ssm.values = [text]
    with pytest.raises(Retry, match="/mine/secret"):
        poster.post()
    assert poster.told.got == []


def test_a_secret_that_cannot_be_read_is_no_letter(poster):
    poster.ssm.fails = client_error("ParameterNotFound", "none", 400, "GetParameter")
    with pytest.raises(Retry, match="the secret in /mine/secret: ParameterNotFound"):
        poster.post()


# invoke


class Functions:
    def __init__(self, payload=b"{}", failed="", fails=None):
        self.payload, self.failed, self.fails, self.calls = payload, failed, fails, []

    def invoke(self, **request):
        self.calls.append(request)
        if self.fails:
            raise self.fails
        answer = {"StatusCode": 200, "Payload": io.BytesIO(self.payload)}
        return {**answer, "FunctionError": self.failed} if self.failed else answer


FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:next"


def invoked(functions, kind="RequestResponse"):
    return invoke.invoke(functions, FUNCTION, kind, CREATED, DELIVERY)


def test_a_function_gets_the_message_body_and_what_it_returns_is_told():
    functions = Functions(b'{"row": 7}')
    assert invoked(functions).says == 'the function returns {"row": 7}'
    assert json.loads(functions.calls[0]["Payload"])["Key"] == "photos/ü.jpg"


def test_an_error_named_reject_is_a_letter_and_any_other_comes_again():
    said = {"errorType": "Reject", "errorMessage": "no invoice", "stackTrace": []}
    with pytest.raises(Reject, match="the function rejects it: no invoice"):
        invoked(Functions(json.dumps(said).encode(), "Unhandled"))
    for payload in (b'{"errorType": "KeyError", "errorMessage": "x"}', b'"text"', b"[]", b"", b"\xff"):
        with pytest.raises(Retry, match="the function failed"):
            invoked(Functions(payload, "Unhandled"))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"errorType": "com.example.Reject", "errorMessage": "no invoice"}, "no invoice"),
        ({"errorType": "Reject", "errorMessage": None}, ""),
        ({"errorType": "Reject", "errorMessage": "x" * 100_000}, "x" * 1000),
    ],
)
def test_a_reject_is_one_whatever_language_it_is_of_and_however_long(said, reason):
    with pytest.raises(Reject) as refused:
        invoked(Functions(json.dumps(said).encode(), "Handled"))
    assert refused.value.reason == f"the function rejects it: {reason}"


def test_an_error_without_a_name_is_told_by_its_message_alone():
    with pytest.raises(Retry, match="the function failed: Task timed out after 3 s"):
        invoked(Functions(b'{"errorMessage": "Task timed out after 3 s"}', "Unhandled"))


def test_what_is_queued_by_lambda_is_started():
    functions = Functions(b"")
    assert invoked(functions, "Event").result == "started"
    assert functions.calls[0]["InvocationType"] == "Event"


@pytest.mark.parametrize(
    "error",
    [
        client_error("TooManyRequestsException", "Rate exceeded", 429, "Invoke"),
        client_error("ResourceNotFoundException", "no function", 404, "Invoke"),
        ReadTimeoutError(endpoint_url="https://lambda"),
    ],
)
def test_a_call_that_lambda_does_not_make_comes_again(error):
    with pytest.raises(Retry, match="calling arn:aws:lambda"):
        invoked(Functions(fails=error))


def test_a_function_is_called_once_and_waited_for_less_long_than_there_is_time(monkeypatch):
    asked = []
    monkeypatch.setattr(invoke.clients, "downstream", lambda service, limits: asked.append((service, limits)))
    config = Config.from_env({**GOOD, "ACTION": "invoke", "INVOKE_FUNCTION_ARN": FUNCTION})
    invoke.action(config)
    ((service, (connect_s, read_s, attempts)),) = asked
    assert (service, attempts) == ("lambda", 1)
    assert connect_s + read_s < BEGIN_S - MARGIN_S


# put_event


class Bus:
    def __init__(self, **entry):
        self.entry, self.put = entry or {"EventId": "1"}, []

    def put_events(self, Entries):  # noqa: N803  boto3's name
        self.put += Entries
        return {"Entries": [self.entry], "FailedEntryCount": int("EventId" not in self.entry)}


def test_an_event_on_a_bus_tells_the_object_and_the_identity():
    bus = Bus()
    assert put_event.put_event(bus, "mine", CREATED, DELIVERY).result == "put"
    (entry,) = bus.put
    assert (entry["EventBusName"], entry["Source"]) == ("mine", "s3-event-scheduler")
    detail = json.loads(entry["Detail"])
    assert (detail["Key"], detail["id"]) == ("photos/ü.jpg", CREATED.identity)


def test_an_entry_that_the_answer_does_not_confirm_comes_again():
    with pytest.raises(Retry, match="the bus mine: ThrottlingException: slow down"):
        put_event.put_event(
            Bus(ErrorCode="ThrottlingException", ErrorMessage="slow down"), "mine", CREATED, DELIVERY
        )


# Their settings


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"ACTION": "post"}, "POST_URL is not set: expected an https:// address for ACTION=post"),
        ({"ACTION": "post", "POST_URL": "http://example.com/"}, "POST_URL is 'http://example.com/'"),
        ({"ACTION": "post", "POST_URL": "https://user:secret@example.com/"}, "expected an https:// address"),
        ({"ACTION": "post", "POST_URL": "https://example.com"}, "POST_SECRET_PARAMETER is not set"),
        ({"ACTION": "post", "POST_URL": "https://a_b.example.com:8443/x?y"}, "POST_SECRET_PARAMETER is not"),
        ({"ACTION": "post", "POST_URL": "https://[::1]/x"}, "POST_SECRET_PARAMETER is not set"),
        ({"ACTION": "post", "POST_URL": "https://[bad/"}, "POST_URL is 'https://[bad/'"),
        ({"ACTION": "post", "POST_URL": "https://a..b/"}, "POST_URL is 'https://a..b/'"),
        ({"ACTION": "post", "POST_URL": "https://example.com:port/"}, "expected an https:// address"),
        ({"ACTION": "post", "POST_URL": "https://ex\u00e4mple.com/"}, "expected an https:// address"),
        ({"POST_TIMEOUT_S": "21"}, "POST_TIMEOUT_S is '21': expected a whole number from 1 to 20"),
        ({"ACTION": "invoke"}, "INVOKE_FUNCTION_ARN is not set: expected a function's ARN for ACTION=invoke"),
        ({"INVOKE_TYPE": "later"}, "INVOKE_TYPE is 'later': expected sync or async"),
        ({"ACTION": "put_event", "PUT_EVENT_BUS": "a bus"}, "expected an EventBridge bus's name or ARN"),
    ],
)
def test_a_bad_setting_is_refused_in_one_line_that_names_it(settings, line):
    with pytest.raises(ConfigError) as refused:
        Config.from_env({**GOOD, **settings})
    assert line in str(refused.value)
