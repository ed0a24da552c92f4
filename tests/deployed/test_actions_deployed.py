"""An action table with every kind of action, also one's own, deployed under the generated policies: each
downstream gets its events, one that fails or is slow loses none, and its words are in the letters."""

import io
import json
import shutil
import time
import urllib.request
import zipfile
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import boto3
import jsonschema
import pytest
from standardwebhooks import Webhook

from dev import workspace
from dev.local_aws import free_port
from dev.pipeline import Pipeline
from infra.commands import audit
from infra.deploying import deploy as deploying
from infra.local_api import local_api
from infra.permissions import own_actions
from tests.support.between import between
from tests.support.deployment import only_our_ticks, quiet, rest, ticks_until, wait_for, without
from tests.support.postgresql import connected, postgresql
from tests.support.receiver import receiver

# While one event waits for what its test wants to see, others are tried again.
TRIES = 12
pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.long, pytest.mark.xdist_group("actions")]

SCHEMA = json.loads((workspace.ROOT / "docs" / "events-1.schema.json").read_text())
SECRET = "whsec_" + "bmV3" * 8
IN_BETWEEN = ("DYNAMODB", "LAMBDA", "EVENTBRIDGE")  # services whose calls may be late, or refused
KINDS = ("invoices", "sql", "call", "post", "invoke", "bus", "avatars", "photos", "tmp")
FUNCTION = """
def handler(event, context):
    class Reject(Exception):
        pass
    if "reject" in event["Key"]:
        raise Reject("no invoice in it")
    if "fail" in event["Key"]:
        raise ValueError("not today")
    return {"seen": event["Key"]}
"""


class Downstreams:
    """All of them, and what each has got, by key."""

    def __init__(self, http, database, aws):
        self.http, self.database, self.aws = http, database, aws
        self.received = {"acts": [], "acts-words": []}
        boto3.client("ssm").put_parameter(Name="/acts/secret", Value=SECRET, Type="SecureString")
        boto3.client("ssm").put_parameter(Name="/acts/password", Value="any", Type="SecureString")
        self.dynamodb = boto3.client("dynamodb")
        self.table = self.dynamodb.create_table(
            TableName="uploads",
            KeySchema=[
                {"AttributeName": "object", "KeyType": "HASH"},
                {"AttributeName": "event", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "object", "AttributeType": "S"},
                {"AttributeName": "event", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )["TableDescription"]["TableArn"]
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as package:
            package.writestr("downstream.py", FUNCTION)
        role = boto3.client("iam").create_role(RoleName="acts-downstream", AssumeRolePolicyDocument="{}")
        self.function = boto3.client("lambda").create_function(
            FunctionName="acts-downstream",
            Runtime="python3.11",
            Role=role["Role"]["Arn"],
            Handler="downstream.handler",
            Code={"ZipFile": file.getvalue()},
        )["FunctionArn"]
        self.sqs = boto3.client("sqs")
        self.queues = {bus: self.listener(bus) for bus in ("acts", "acts-words")}

    def listener(self, bus):
        """A queue that hears all that the stage puts on a bus."""
        events = boto3.client("events")
        events.create_event_bus(Name=bus)
        queue = self.sqs.create_queue(QueueName=f"{bus}-heard")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        pattern = json.dumps({"source": ["s3-event-scheduler"]})
        events.put_rule(Name=f"{bus}-heard", EventBusName=bus, EventPattern=pattern)
        events.put_targets(
            Rule=f"{bus}-heard",
            EventBusName=bus,
            Targets=[{"Id": "1", "Arn": arn["Attributes"]["QueueArn"]}],
        )
        return queue

    def table_text(self):
        lines = {
            "invoices": {"action": "row", "TABLE_ARN": self.table},
            "sql": {
                "action": "sql_row",
                "DATABASE_HOST": "127.0.0.1",
                "DATABASE_PORT": str(self.database),
                "DATABASE_NAME": "postgres",
                "DATABASE_USER": "app",
                "DATABASE_TLS": "off",
                "DATABASE_PASSWORD_PARAMETER": "/acts/password",
            },
            "call": {"action": "call", "API_URL": self.http.url},
            "post": {
                "action": "post",
                "POST_URL": f"{self.http.url}/hook",
                "POST_SECRET_PARAMETER": "/acts/secret",
                "POST_TIMEOUT_S": "2",
            },
            "invoke": {
                "action": "invoke",
                "INVOKE_FUNCTION_ARN": self.function,
                "INVOKE_TIMEOUT_S": "3",
            },
            "bus": {"action": "put_event", "PUT_EVENT_BUS": "acts"},
            "avatars": {"action": "resize", "THUMBNAIL_SIZES": "32"},
            "photos": {"action": "resize", "THUMBNAIL_SIZES": "48,96"},
            "tmp": {"action": "ignore"},
            "": {"action": "resize"},
        }
        return "\n".join(
            "\n".join(["[[line]]", *([f'prefix = "{prefix}/"'] if prefix else []), *_settings(of)])
            for prefix, of in lines.items()
        )

    def rows(self):
        return {
            one["object"]["S"].partition("/")[2] for one in self.dynamodb.scan(TableName="uploads")["Items"]
        }

    def sql_rows(self):
        made = connected(self.database)
        cursor = made.cursor()
        cursor.execute("select key from uploads")
        found = {row[0] for row in cursor.fetchall()}
        made.close()
        return found

    def called(self, method):
        found = set()
        for one in self.http.got:
            if one.method == method:
                told = json.loads(one.body)
                found.add(told["data"]["Key"] if "data" in told else told["key"])
        return found

    def heard(self, bus):
        """All events of the bus until now."""
        url = self.queues[bus]
        while found := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for one in found:
                self.received[bus].append(json.loads(one["Body"]))
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        return self.received[bus]

    def put(self):
        return {one["detail"]["Key"] for one in self.heard("acts")}

    def words(self):
        """What somebody who reads only the bus knows: the fates of each key, each held against the schema."""
        fates = {}
        for one in self.heard("acts-words"):
            jsonschema.validate(one, SCHEMA)
            detail = one["detail"]
            fate = (one["detail-type"].removeprefix("Object "), detail["result"] or detail["code"])
            fates.setdefault(detail["key"], set()).add(fate)
        return fates


def _settings(of):
    return [f"{name} = {json.dumps(value)}" for name, value in of.items()]


@pytest.fixture(scope="module")
def downstreams(aws):
    with receiver() as http, postgresql() as port, between(aws.url) as to_aws:
        made = connected(port)
        made.cursor().execute(
            "create table uploads "
            "(event text primary key, bucket text, key text, bytes bigint, uploaded timestamptz)"
        )
        made.commit()
        yield Downstreams(http, port, to_aws)


@pytest.fixture(scope="module")
def acts(downstreams, tmp_path_factory):
    settings = {"THUMBNAIL_SIZES": "64,256", "SPREAD": "off", "RETRY_DELAYS": "1", "MAX_TRIES": str(TRIES)}
    settings |= {"EVENTS_BUS": "acts-words", "DELETE_WITH_ORIGINAL": "true"}
    settings |= {f"AWS_ENDPOINT_URL_{service}": downstreams.aws.url for service in IN_BETWEEN}
    made = workspace.make(tmp_path_factory.mktemp("acts") / "app", settings, "acts")
    for file in (workspace.ROOT / "docs" / "actions").glob("*.py"):
        shutil.copy(file, own_actions.folder(made.root))
    (made.root / "chalicelib" / "actions.acts.toml").write_text(downstreams.table_text())
    with (made.root / "requirements.txt").open("a") as file:
        file.write("pg8000==1.31.6\n")
    deploying.deploy(made, quiet, tls_only=False)
    pipeline = Pipeline(made)
    with only_our_ticks(pipeline):
        yield pipeline


def lines_of(pipeline, key):
    """consume's log lines of an object, oldest first."""
    group = f"/aws/lambda/{pipeline.stage.function_name('consume')}"
    pages = boto3.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    found = []
    for page in pages:
        for event in page["events"]:
            if f'"key": "{key}"' in event["message"] and '"message": "event"' in event["message"]:
                found.append(json.loads(event["message"]))
    return found


def upload(pipeline, photographs, *keys):
    photo = (photographs / "rocket.jpg").read_bytes()
    for key in keys:
        pipeline.upload(key, photo)
        time.sleep(0.2)  # the local AWS starts a process for each event it cannot queue


def test_each_line_of_the_table_does_its_action_and_its_downstream_hears_of_it(
    acts, downstreams, photographs
):
    upload(acts, photographs, *(f"{kind}/one.jpg" for kind in KINDS), "else.jpg")

    def all_there():
        return (
            downstreams.rows() == {"invoices/one.jpg"}
            and downstreams.sql_rows() == {"sql/one.jpg"}
            and downstreams.called("PUT") == {"call/one.jpg"}
            and downstreams.called("POST") == {"post/one.jpg"}
            and downstreams.put() == {"bus/one.jpg"}
            and bool(lines_of(acts, "invoke/one.jpg"))
            and len(acts.thumbnails_of("avatars/one.jpg")) == 1
            and len(acts.thumbnails_of("photos/one.jpg")) == 2
            and len(acts.thumbnails_of("else.jpg")) == 2
        )

    ticks_until(acts, all_there, "every downstream")
    (posted,) = [one for one in downstreams.http.got if one.method == "POST"]
    assert Webhook(SECRET).verify(posted.body, posted.headers)["data"]["Key"] == "post/one.jpg"
    (invoked,) = lines_of(acts, "invoke/one.jpg")
    assert (invoked["result"], invoked["line"]) == ("invoked", "invoke/*")
    assert '{"seen": "invoke/one.jpg"}' in invoked["says"]
    assert list(acts.thumbnails_of("avatars/one.jpg")) == ["avatars/one.jpg_32.jpg"]
    assert acts.dead_letters() == {}
    wait_for(lambda: "tmp/one.jpg" in downstreams.words(), "word of what is ignored")
    words = downstreams.words()
    assert words["tmp/one.jpg"] == {("Ignored", None)}
    results = {
        "invoices": "stored",
        "sql": "stored",
        "call": "told",
        "post": "posted",
        "invoke": "invoked",
        "bus": "put",
        "avatars": "made",
        "photos": "made",
    }
    for kind, result in results.items():
        assert words[f"{kind}/one.jpg"] == {("Processed", result)}
    (avatar,) = [
        one["detail"]
        for one in downstreams.heard("acts-words")
        if one["detail"]["action"] == "resize" and one["detail"]["line"] == "avatars/*"
    ]
    (output,) = avatar["outputs"]
    assert (output["size"], output["width"], output["bytes"] > 0) == ("32", 32, True)
    log = acts.stage.root.parent / "api.log"
    with local_api(acts.stage, free_port(), log) as url:  # the local API Gateway takes no %2F in a path
        shown_thumbnail(url, "avatars/one.jpg_32.jpg")
        shown = (f"{kind}/one.jpg" for kind in ("tmp", "post", "invoices", "avatars", "photos"))
        traced = {key: ask(url, f"objects/{quote(key, safe='')}") for key in shown}
        status = ask(url, "status")
    assert (traced["tmp/one.jpg"]["state"], traced["post/one.jpg"]["state"]) == ("ignored", "done")
    assert traced["post/one.jpg"]["reason"].startswith("the downstream answers 200")
    assert traced["invoices/one.jpg"]["state"] == "done"
    sizes = {
        kind: [one["size"] for one in traced[f"{kind}/one.jpg"]["thumbnails"]]
        for kind in ("avatars", "photos")
    }
    assert {kind: len(found) for kind, found in sizes.items()} == {"avatars": 1, "photos": 2}
    assert status["action"] == "by the action table"
    assert {"keys": "avatars/*", "action": "resize", "thumbnails": ["32"]} in status["lines"]


def shown_thumbnail(url, key):
    """As the page shows it."""
    path = f"{url}/thumbnails/{quote(key, safe='')}"
    with urllib.request.urlopen(urllib.request.Request(path, headers={"Accept": "image/jpeg"})) as answer:
        assert answer.read().startswith(b"\xff\xd8")


def ask(url, path):
    with urllib.request.urlopen(f"{url}{path}") as answer:
        return json.loads(answer.read())


def test_a_downstream_that_fails_or_is_slow_loses_nothing_and_one_that_refuses_has_its_words_in_the_letter(
    acts, downstreams, photographs, aws
):
    downstreams.http.status, downstreams.http.body = 503, b"down for a while"
    keys = ["post/again.jpg", "call/again.jpg"]
    upload(acts, photographs, *keys)
    ticks_until(acts, lambda: all(len(lines_of(acts, key)) >= 1 for key in keys), "a first try of each")
    assert {line["outcome"] for key in keys for line in lines_of(acts, key)} == {"retry"}
    recent = rest(acts, aws.url, "recent")[1]["objects"]
    assert any("the downstream answers 503: down for a while" in str(one["reason"]) for one in recent)
    downstreams.http.status, downstreams.http.after_s = 200, 3.0  # slower than POST_TIMEOUT_S
    ticks_until(acts, lambda: len(lines_of(acts, "post/again.jpg")) >= 2, "a second try")
    downstreams.http.after_s = 0.0
    done = lambda key: any(line["outcome"] == "done" for line in lines_of(acts, key))  # noqa: E731
    ticks_until(acts, lambda: all(map(done, keys)), "both done at last")

    downstreams.http.status, downstreams.http.body = 422, b"no such\nfield"
    refused = ["post/never.jpg", "call/never.jpg", "invoke/reject.jpg"]
    upload(acts, photographs, *refused, "invoke/fail.jpg")
    ticks_until(acts, lambda: set(refused) | {"invoke/fail.jpg"} <= set(acts.dead_letters()), "four letters")
    downstreams.http.status, downstreams.http.body = 200, b"{}"
    letters = acts.dead_letters()
    assert letters["post/never.jpg"] == "the downstream answers 422: no such\\nfield"
    assert "the API answers 422" in letters["call/never.jpg"]
    assert letters["invoke/reject.jpg"] == "the function rejects it: no invoice in it"
    said = f"gave up after {TRIES} tries; the last: the function failed: ValueError: not today"
    assert letters["invoke/fail.jpg"] == said
    wait_for(lambda: set(refused) <= set(downstreams.words()), "word of the letters")
    words = downstreams.words()
    assert words["post/never.jpg"] == {("Rejected", "refused-by-downstream")}
    assert words["invoke/fail.jpg"] == {("Rejected", "gave-up")}
    assert words["post/again.jpg"] == {("Processed", "posted")}


def test_a_database_that_is_slow_or_down_loses_no_row_and_one_that_refuses_has_its_words_in_the_letter(
    acts, downstreams, photographs
):
    def reasons(key):
        return {line["reason"] for line in lines_of(acts, key) if line["outcome"] == "retry"}

    made = connected(downstreams.database)
    made.cursor().execute("lock table uploads")  # nobody's insert ends while it is held
    upload(acts, photographs, "sql/slow.jpg")
    ticks_until(acts, lambda: reasons("sql/slow.jpg"), "a try that waited too long")
    assert all("timed out" in one for one in reasons("sql/slow.jpg"))
    made.rollback()
    made.cursor().execute("alter table uploads rename to away")
    made.commit()
    upload(acts, photographs, "sql/down.jpg")
    ticks_until(acts, lambda: reasons("sql/down.jpg"), "a try that failed")
    assert any('relation "uploads" does not exist' in one for one in reasons("sql/down.jpg"))
    made.cursor().execute("alter table away rename to uploads")
    made.commit()
    both = {"sql/slow.jpg", "sql/down.jpg"}
    ticks_until(acts, lambda: both <= downstreams.sql_rows(), "both rows")

    made.cursor().execute("alter table uploads add check (key not like '%refused%')")
    made.commit()
    made.close()
    upload(acts, photographs, "sql/refused.jpg")
    ticks_until(acts, lambda: "sql/refused.jpg" in acts.dead_letters(), "its letter")
    assert "violates check constraint" in acts.dead_letters()["sql/refused.jpg"]
    assert not both & set(acts.dead_letters())


def test_a_service_of_aws_that_refuses_or_is_slow_loses_nothing_and_its_words_are_in_the_log(
    acts, downstreams, photographs
):
    keys = ["invoices/later.jpg", "invoke/later.jpg", "bus/later.jpg"]

    def reasons(key):
        return [line["reason"] for line in lines_of(acts, key) if line["outcome"] == "retry"]

    downstreams.aws.refuses = True
    upload(acts, photographs, *keys)
    ticks_until(acts, lambda: all(map(reasons, keys)), "a first try of each")
    assert all("503" in reasons(key)[0] for key in keys)
    downstreams.aws.refuses, downstreams.aws.after_s = False, 30.0  # longer than any of them waits
    slow = lambda key: any("timeout" in one for one in reasons(key))  # noqa: E731
    ticks_until(acts, lambda: all(map(slow, keys)), "a try of each that waited too long")
    downstreams.aws.after_s = 0.0
    done = lambda key: any(line["outcome"] == "done" for line in lines_of(acts, key))  # noqa: E731
    ticks_until(acts, lambda: all(map(done, keys)), "all done at last")
    assert "invoices/later.jpg" in downstreams.rows()
    wait_for(lambda: "bus/later.jpg" in downstreams.put(), "the event")
    wait_for(lambda: set(keys) <= set(downstreams.words()), "word of all")
    assert not set(keys) & set(acts.dead_letters())


def test_thumbnails_go_with_their_object_and_the_bus_is_told(acts, downstreams, photographs, aws):
    upload(acts, photographs, "avatars/gone.jpg")
    ticks_until(acts, lambda: acts.thumbnails_of("avatars/gone.jpg"), "its thumbnail")
    acts.s3.delete_object(Bucket=acts.settings["IMAGES_BUCKET"], Key="avatars/gone.jpg")
    ticks_until(acts, lambda: not acts.thumbnails_of("avatars/gone.jpg"), "its thumbnail to go")

    def told():
        return downstreams.words().get("avatars/gone.jpg")

    wait_for(lambda: told() == {("Processed", "made"), ("Processed", "removed")}, "word of it")
    with without(acts, "consume", "s3:ListBucket", "-images-000000000000-us-east-1"):
        upload(acts, photographs, "avatars/kept.jpg")
        ticks_until(acts, lambda: acts.thumbnails_of("avatars/kept.jpg"), "its thumbnail")
        acts.s3.delete_object(Bucket=acts.settings["IMAGES_BUCKET"], Key="avatars/kept.jpg")
        again = lambda: any(one["outcome"] == "retry" for one in lines_of(acts, "avatars/kept.jpg"))  # noqa: E731
        ticks_until(acts, again, "a try that failed")
        assert acts.thumbnails_of("avatars/kept.jpg"), "403 is never gone"
    ticks_until(acts, lambda: not acts.thumbnails_of("avatars/kept.jpg"), "its thumbnail to go")


@pytest.mark.parametrize(
    ("action", "resource", "kind"),
    [
        ("dynamodb:PutItem", "table/uploads", "invoices"),
        ("lambda:InvokeFunction", "acts-downstream", "invoke"),
        ("events:PutEvents", "event-bus/acts", "bus"),
    ],
)
def test_without_what_its_needs_say_an_action_fails_and_with_it_the_same_event_is_done(
    acts, downstreams, photographs, action, resource, kind
):
    key = f"{kind}/permitted.jpg"
    with without(acts, "consume", action, resource):
        upload(acts, photographs, key)
        ticks_until(acts, lambda: lines_of(acts, key), "a first try")
        assert {line["outcome"] for line in lines_of(acts, key)} == {"retry"}
    ticks_until(acts, lambda: any(one["outcome"] == "done" for one in lines_of(acts, key)), "it done")


def test_over_all_of_it_no_event_was_lost_and_no_try_passed_the_capacity_by(acts):
    ticks_until(acts, lambda: not acts.waiting() and not acts.depth("destination"), "all to end")
    now = datetime.now(UTC)
    span = (now - timedelta(hours=1), now + timedelta(minutes=1))
    found = audit.audit(audit.lines_of(boto3.client("logs"), acts.stage, *span))
    assert found.problems == []
    assert found.queued == set(found.fates)
    ended = ("done", "rejected", "ignored")
    assert [id_ for id_, fate in found.fates.items() if not any(fate[one] for one in ended)] == []
    tries = sum(fate.total() for fate in found.fates.values())
    assert len(found.queued) < tries <= found.forwarded
