"""Dead letters on a deployed stage under the policies it is deployed with: filed, counted, sent back, discarded."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import boto3
import pytest
from ministack.core.lambda_runtime import INVOKE_DEPTH_HEADER
from ministack.services.lambda_svc import MAX_INVOKE_DEPTH

from chalicelib import times
from chalicelib.config import Config
from chalicelib.letters import filing, resend, runs, store
from chalicelib.queues import letters
from tests.support.deployment import deploy, only_our_ticks, rest, wait_for, without

pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.long, pytest.mark.xdist_group("letters")]

CODES = ("gone", "damaged", "gave-up")
MANY = 60


class Office:
    """A deployed stage with its API, and nobody's ticks."""

    def __init__(self, pipeline, aws_url):
        self.pipeline, self.aws_url = pipeline, aws_url

    def ask(self, path, body=None):
        status, answer = rest(self.pipeline, self.aws_url, path, body)
        assert status == 200, answer
        return answer

    def write(self, count):
        """So many letters into the dead-letter queue, of each code in turn."""
        url = self.pipeline.settings["DEAD_LETTER_QUEUE_URL"]
        for number in range(count):
            body = json.dumps({"Bucket": "nobodys", "Key": f"{number % 2}/{number}.jpg", "Id": "1"})
            code = CODES[number % len(CODES)]
            letter = letters.message(body, f"reason {code}", "consume", code=code)
            self.pipeline.sqs.send_message(QueueUrl=url, **letter)

    def counts(self):
        found = self.ask("dead-letters")
        return {code: one["letters"] for code, one in found["codes"].items()}

    def run(self, do, **body):
        begun = self.ask(f"dead-letters/{do}", body)

        def latest():
            return next(one for one in self.ask("dead-letters/redrive")["runs"] if one["id"] == begun["id"])

        wait_for(lambda: latest()["status"] in ("done", "stopped"), f"the {do}")
        return latest()


@pytest.fixture(scope="module")
def office(aws, tmp_path_factory):
    pipeline = deploy(tmp_path_factory.mktemp("letters"), "office")
    with only_our_ticks(pipeline):
        yield Office(pipeline, aws.url)


def test_letters_are_filed_counted_sent_back_and_discarded_to_the_letter(office):
    office.write(MANY)
    wait_for(lambda: office.ask("dead-letters")["total"] == MANY, "the letters to be filed")
    assert office.counts() == dict.fromkeys(CODES, MANY // 3)
    wait_for(lambda: not office.pipeline.depth("dead_letter"), "their queue to be empty")

    ended = office.run("redrive", code="gone", note="it is back")
    assert (ended["status"], ended["moved"], ended["left"]) == ("done", MANY // 3, 0)
    assert ended["by"].startswith("arn:aws:")
    assert office.pipeline.waiting() == MANY // 3
    assert office.counts() == {"damaged": MANY // 3, "gave-up": MANY // 3}

    page = office.ask("dead-letters?limit=2&code=damaged&prefix=1%2F")
    ids = [one["id"] for one in page["letters"]]
    assert office.ask(f"dead-letters/{ids[0]}")["reason"] == "reason damaged"
    assert office.run("discard", ids=ids)["moved"] == 2
    assert office.counts() == {"damaged": MANY // 3 - 2, "gave-up": MANY // 3}
    assert office.run("discard", all=True)["moved"] == 2 * (MANY // 3) - 2
    assert office.ask("dead-letters")["total"] == 0
    assert office.pipeline.waiting() == MANY // 3  # a discard sends nothing


@pytest.fixture
def short(office):
    """A call of the function has four seconds beside its margin. Yields its name."""
    client, name = boto3.client("lambda"), office.pipeline.stage.function_name("letters")
    before = client.get_function_configuration(FunctionName=name)["Timeout"]
    client.update_function_configuration(FunctionName=name, Timeout=int(resend.MARGIN_S) + 4)
    yield name
    client.update_function_configuration(FunctionName=name, Timeout=before)


def test_a_discard_that_outlives_its_functions_time_goes_on_by_itself_and_lambda_takes_it_for_no_loop(
    office, short
):
    """It begins as the last call that the local Lambda allows a loop: each further part would be dropped."""
    many, bucket = 5000, office.pipeline.settings["REPORTS_BUCKET"]

    def put(number):
        record = {
            "messageId": "m",
            "body": json.dumps({"Bucket": "nobodys", "Key": f"{number}.jpg", "Id": "1"}),
        }
        store.put(office.pipeline.s3, bucket, filing.letter_of(record, datetime(2026, 1, 31, tzinfo=UTC)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(many)))
    functions = boto3.client("lambda")
    functions.meta.events.register(
        "before-sign.lambda.Invoke",
        lambda request, **_: request.headers.add_header(INVOKE_DEPTH_HEADER, str(MAX_INVOKE_DEPTH - 1)),
    )
    config = Config.from_env(office.pipeline.settings)
    begun = runs.start("discard", {"all": True}, "a test", office.pipeline.s3, functions, config, times.now())

    def latest():
        return next(one for one in office.ask("dead-letters/redrive")["runs"] if one["id"] == begun["id"])

    wait_for(lambda: latest()["status"] in runs.ENDED, "the discard")
    ended = latest()
    assert (ended["status"], ended["moved"], ended["left"]) == ("done", many, 0), ended
    assert ended["part"] > 1
    assert office.ask("dead-letters")["total"] == 0


def test_what_sqs_itself_moves_is_filed_under_a_name_of_its_own(office):
    """The source queue's redrive policy, with the receives that the template allows made few for the test."""
    sqs, source = office.pipeline.sqs, office.pipeline.settings["SOURCE_QUEUE_URL"]
    sqs.purge_queue(QueueUrl=source)
    policy = sqs.get_queue_attributes(QueueUrl=source, AttributeNames=["RedrivePolicy"])["Attributes"]
    few = json.dumps({**json.loads(policy["RedrivePolicy"]), "maxReceiveCount": 1})
    sqs.set_queue_attributes(QueueUrl=source, Attributes={"RedrivePolicy": few})
    sqs.send_message(QueueUrl=source, MessageBody=json.dumps({"Bucket": "nobodys", "Key": "moved.jpg"}))
    try:

        def filed():
            sqs.receive_message(QueueUrl=source, VisibilityTimeout=0)
            return office.counts().get("received-too-often")

        wait_for(filed, "SQS to move it")
    finally:
        sqs.set_queue_attributes(QueueUrl=source, Attributes=policy)
    (letter,) = office.ask("dead-letters?code=received-too-often")["letters"]
    assert letter["key"] == "moved.jpg"
    assert f"{office.pipeline.stage.stack_name}-source moved it" in letter["reason"]


def test_an_upload_that_enqueue_failed_on_is_filed_with_why(office):
    """Lambda's own record of it, which is sent back like any other."""
    with without(office.pipeline, "enqueue", "sqs:SendMessage", "-source"):
        office.pipeline.upload("failed.jpg", b"x")
        wait_for(lambda: office.counts().get("enqueue-failed"), "Lambda to give up")
    (letter,) = office.ask("dead-letters?code=enqueue-failed")["letters"]
    assert (letter["key"], letter["function"]) == ("failed.jpg", "enqueue")
    assert "AccessDenied" in letter["reason"]
