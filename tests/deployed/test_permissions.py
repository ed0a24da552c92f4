"""Each function may do its own work, and each permission it has is needed for it."""

import contextlib
import json
import re
import secrets
import time

import boto3
import pytest

from chalicelib import times
from chalicelib.letters import resend, runs
from dev import workspace
from dev.pipeline import SCHEDULED_EVENT
from infra.permissions import policies
from infra.stage import Stage
from tests.support.deployment import (
    ACCOUNT,
    environment,
    invoke,
    messages,
    nobody_consumes,
    only_our_ticks,
    rest,
    send,
    wait_for,
    without,
)
from tests.support.events import notification, record


@pytest.fixture
def stage(tmp_path):
    host = "https://sqs.eu-central-1.amazonaws.com/123456789012/s3-event-scheduler-dev"
    return workspace.make(
        tmp_path / "app",
        {
            "IMAGES_BUCKET": "images",
            "THUMBNAILS_BUCKET": "thumbnails",
            "REPORTS_BUCKET": "reports",
            "SOURCE_QUEUE_URL": f"{host}-source",
            "BULK_QUEUE_URL": f"{host}-bulk",
            "DESTINATION_QUEUE_URL": f"{host}-destination",
            "DEAD_LETTER_QUEUE_URL": f"{host}-dead-letter",
            "JOBS_ROLE_ARN": "arn:aws:iam::123456789012:role/jobs",
        },
        "dev",
    )


def test_the_committed_policies_are_what_the_code_needs(tmp_path):
    """`make policies STAGE=local` writes them; a change of code that needs more or less shows here."""
    local = Stage(workspace.ROOT, "local")
    for function, policy in policies.documents(local, local.account()).items():
        committed = local.config_file.with_name(f"policy-local-{function}.json")
        assert json.loads(committed.read_text()) == policy, f"run: make policies STAGE=local ({function})"


def test_a_bare_star_is_only_for_actions_without_a_narrower_resource_and_says_so(stage):
    for function, policy in policies.documents(stage, ACCOUNT).items():
        for statement in policy["Statement"]:
            if "*" in statement["Resource"]:
                if statement["Action"] == ["s3:CreateJob"]:  # what is to be made has no ARN yet
                    assert "aws:RequestTag" in str(statement["Condition"])
                    continue
                assert statement["Action"] == ["cloudwatch:GetMetricData", "s3:ListJobs"], function
                assert statement["Sid"] == "AwsHasNoNarrowerResource"
            assert all(":*" not in action for action in statement["Action"]), function


def test_a_call_that_no_grant_covers_is_named(stage):
    file = stage.root / "chalicelib" / "enqueue.py"
    sends = re.compile(r"^( +)(.*await sqs\.send_message_batch\()", re.M)
    changed, count = sends.subn(r"\1await sqs.purge_queue()\n\1\2", file.read_text())
    assert count == 1
    file.write_text(changed)
    with pytest.raises(policies.Disagreement, match="enqueue calls sqs:PurgeQueue: say on what in GRANTS"):
        policies.documents(stage, ACCOUNT)


def test_a_grant_that_no_call_needs_is_named(stage):
    file = stage.root / "chalicelib" / "consume" / "actions" / "start_execution.py"
    file.write_text(file.read_text().replace("stepfunctions.start_execution(", "print("))
    machine = "arn:aws:states:eu-central-1:123456789012:stateMachine:downstream"
    stage.record({"ACTION": "start_execution", "STATE_MACHINE_ARN": machine}, {})
    said = r"start_execution\.py calls states:StartExecution nowhere"
    with pytest.raises(policies.Disagreement, match=said):
        policies.documents(stage, ACCOUNT)


def test_a_stage_is_granted_only_what_its_action_needs(stage):
    def actions_of(settings):
        stage.record(settings, {})
        statements = policies.documents(stage, ACCOUNT)["consume"]["Statement"]
        return {action.partition(":")[0] for statement in statements for action in statement["Action"]}

    assert actions_of({"ACTION": "resize"}) == {"sqs", "s3", "logs"}
    assert actions_of({"ACTION": "log"}) == {"sqs", "logs"}
    machine = "arn:aws:states:eu-central-1:123456789012:stateMachine:downstream"
    assert actions_of({"ACTION": "start_execution", "STATE_MACHINE_ARN": machine}) == {
        "sqs",
        "states",
        "logs",
    }


def test_each_shard_of_the_drain_has_a_policy_and_a_concurrency_of_its_own(stage):
    stage.record({"DRAIN_SHARDS": "3"}, {})
    found = policies.documents(stage, ACCOUNT)
    assert {"drain", "drain-1", "drain-2"} <= set(found)
    assert "-dev-drain-2:*" in json.dumps(found["drain-2"])
    shards = json.loads(stage.config_file.read_text())["stages"]["dev"]["lambda_functions"]
    assert [shards[name]["reserved_concurrency"] for name in ("drain-1", "drain-2")] == [1, 1]


# What follows takes one permission away from the deployed app and shows that its work then fails.


class Work:
    """The functions' work on the deployed app, each scenario true when it was done as it should be."""

    def __init__(self, pipeline, aws_url, photographs):
        self.pipeline = pipeline
        self.aws_url = aws_url
        self.photo = (photographs / "rocket.jpg").read_bytes()

    def purge(self):
        for queue in ("SOURCE", "BULK", "DESTINATION", "DEAD_LETTER"):
            self.pipeline.sqs.purge_queue(QueueUrl=self.pipeline.settings[f"{queue}_QUEUE_URL"])

    def body(self, key="no.jpg", bucket="nobodys-bucket"):
        return json.dumps({"Bucket": bucket, "Key": key})

    def enqueue_good(self):
        return not invoke(self.pipeline, "enqueue", notification(record("a.jpg")))[1]

    def enqueue_burst(self):
        burst = notification(*(record(f"one-group-{time.time()}/{i}.jpg") for i in range(10)))
        for one in burst["Records"]:  # one folder
            one["s3"]["object"]["key"] = "burst/" + one["s3"]["object"]["key"].replace("/", "-")
        return not invoke(self.pipeline, "enqueue", burst)[1] and self.pipeline.depth("bulk") > 0

    def enqueue_unreadable(self):
        return not invoke(self.pipeline, "enqueue", notification(record(version="9.0")))[1]

    def tick(self, *bodies, lane="source"):
        send(self.pipeline, lane, *bodies)
        return not invoke(self.pipeline, "drain", SCHEDULED_EVENT)[1]

    def drain_bulk(self):
        return self.tick(self.body(), lane="bulk") and self.pipeline.depth("bulk") == 0

    def drain_several_in_one_of_bulk(self):
        return self.tick(json.dumps(notification(record("a.jpg"), record("b.jpg"))), lane="bulk")

    def drain_shows_a_refused_bulk_message_again(self):
        with without(self.pipeline, "drain", "sqs:SendMessage", "-destination"):
            self.tick(self.body(), lane="bulk")
        return self.hidden_for("BULK") < 120

    def drain_good(self):
        return self.tick(self.body())

    def drain_unreadable(self):
        return self.tick("Hello from SQS!")

    def drain_several_in_one(self):
        return self.tick(json.dumps(notification(record("a.jpg"), record("b.jpg"))))

    def drain_shows_a_refused_message_again(self):
        """The destination refuses: the message is to come back sooner than its visibility timeout says."""
        with without(self.pipeline, "drain", "sqs:SendMessage", "-destination"):
            self.tick(self.body())
        return self.hidden_for("SOURCE") < 120

    def hidden_for(self, queue):
        (message,) = messages(self.aws_url, self.pipeline.settings[f"{queue}_QUEUE_URL"])
        return message["VisibleAt"] - time.time()

    def consume(self, *bodies, lane=""):
        """One batch as Lambda's poller would hand it over; returns how many were done, of which lane."""
        send(self.pipeline, "destination", *bodies)
        url = self.pipeline.settings["DESTINATION_QUEUE_URL"]
        received = self.pipeline.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        records = [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {"Lane": {"stringValue": lane, "dataType": "String"}} if lane else {},
                "eventSource": "aws:sqs",
            }
            for message in received
        ]
        answer, failed = invoke(self.pipeline, "consume", {"Records": records})
        return 0 if failed else answer["done"] + answer["rejected"]

    def upload(self, key):
        bucket = self.pipeline.settings["IMAGES_BUCKET"]
        self.pipeline.s3.put_object(Bucket=bucket, Key=key, Body=self.photo)
        return self.body(key, bucket)

    def consume_good(self):
        return self.consume(self.upload("permitted.jpg" + str(time.time()))) == 1

    def consume_duplicate(self):
        """Nothing is made a second time, because the first one's metadata can be read."""
        body = self.upload("duplicate.jpg")

        def made_at():
            bucket = self.pipeline.settings["THUMBNAILS_BUCKET"]
            found = self.pipeline.s3.head_object(Bucket=bucket, Key="duplicate.jpg_256.jpg")
            return found["Metadata"]["made-at"]

        self.consume(body)
        before = made_at()
        self.purge()
        self.consume(body)
        return made_at() == before

    def consume_bad(self):
        bucket = self.pipeline.settings["IMAGES_BUCKET"]
        self.pipeline.s3.put_object(Bucket=bucket, Key="bad.jpg", Body=b"no image")
        return self.consume(self.body("bad.jpg", bucket)) == 1

    def consume_one_to_be_tried_again(self):
        """It is in the source queue once more, and no longer in the destination."""
        key = f"again-{time.time()}.jpg"  # what others left may still be on its way
        self.consume(self.body(key))
        return [key in str(self.waiting(queue)) for queue in ("SOURCE", "DESTINATION")] == [True, False]

    def waiting(self, queue):
        return messages(self.aws_url, self.pipeline.settings[f"{queue}_QUEUE_URL"])

    def consume_one_of_bulk_to_be_tried_again(self):
        key = f"again-{time.time()}.jpg"
        self.consume(self.body(key), lane="bulk")
        return key in str(self.waiting("BULK"))

    def backfill(self, operation, key="old.jpg", **arguments):
        """One task of a job; true when it succeeded."""
        self.upload("old.jpg")
        bucket = self.pipeline.settings["IMAGES_BUCKET"]
        answer, failed = invoke(
            self.pipeline,
            "backfill",
            {
                "invocationSchemaVersion": "2.0",
                "invocationId": "1",
                "job": {"id": "1", "userArguments": {"operation": operation, **arguments}},
                "tasks": [{"taskId": "1", "s3Key": key, "s3VersionId": None, "s3Bucket": bucket}],
            },
        )
        return not failed and answer["results"][0]["resultCode"] == "Succeeded"

    def backfill_enqueues(self):
        return self.backfill("backfill")

    def backfill_of_what_is_named_like_a_folder(self):
        """Its size is asked for: a folder marker is not queued. One that may not be asked about is."""
        self.pipeline.s3.put_object(Bucket=self.pipeline.settings["IMAGES_BUCKET"], Key="old/", Body=b"")
        return self.backfill("backfill", "old/") and not any(
            '"old/"' in str(one) for one in self.waiting("BULK")
        )

    def backfill_merges_tags(self):
        return self.backfill("merge", tags0=json.dumps({"time": str(time.time())}))

    def rest(self, path, body=None):
        """The answer of a route, and whether it is a success."""
        status, answer = rest(self.pipeline, self.aws_url, path, body)
        return answer, status < 300

    def job_over_a_prefix(self):
        """Listed, written as a manifest, the tags that are there kept: all before the job is created."""
        self.upload("old.jpg")
        body = {
            "kind": "tag",
            "tags": {"a": "1"},
            "manifest": {"list": {"prefix": "old"}},
            "keep_old_tags": True,
        }
        return self.rest("jobs", body)[1]

    def job_of_a_manifest(self):
        bucket = self.pipeline.settings["REPORTS_BUCKET"]
        line = f"{self.pipeline.settings['IMAGES_BUCKET']},old.jpg\n"
        self.pipeline.s3.put_object(Bucket=bucket, Key="manifest.csv", Body=line.encode())
        body = {"kind": "tag", "tags": {"a": "1"}, "manifest": {"csv": f"s3://{bucket}/manifest.csv"}}
        return self.rest("jobs", body)[1]

    def job_to_its_report(self):
        bucket, images = self.pipeline.settings["REPORTS_BUCKET"], self.pipeline.settings["IMAGES_BUCKET"]
        self.upload("old.jpg")
        self.pipeline.s3.put_object(Bucket=bucket, Key="manifest.csv", Body=f"{images},old.jpg\n".encode())
        body = {"kind": "tag", "tags": {"a": "1"}, "manifest": {"csv": f"s3://{bucket}/manifest.csv"}}
        job, _ = self.rest("jobs", body)
        wait_for(lambda: self.rest(f"jobs/{job['id']}")[0]["status"] == "Suspended", "the job's preparation")
        self.rest(f"jobs/{job['id']}/run", {})
        wait_for(lambda: self.rest(f"jobs/{job['id']}")[0]["outcome"] == "succeeded", "the job's end")
        return self.rest(f"jobs/{job['id']}/report")[1]

    def drain_in_a_new_process(self):
        """One that knows no capacity yet."""
        with environment(self.pipeline, "drain", LD_BIND_NOW="1"):
            return self.tick(self.body())

    def drain_under_back_pressure(self):
        with environment(self.pipeline, "drain", MAX_IN_DESTINATION="5"):
            return self.tick(self.body())

    def file_a_letter(self, *keys):
        """As Lambda hands dead letters over."""
        records = [
            {
                "messageId": "1",
                "receiptHandle": "none",
                "body": self.body(key),
                "attributes": {"SentTimestamp": "1769860800000"},
                "messageAttributes": {"Reason": {"stringValue": "for a test", "dataType": "String"}},
            }
            for key in keys or ["no.jpg"]
        ]
        return not invoke(self.pipeline, "letters", {"Records": records})[1]

    def redrive_many_letters(self):
        return self.redrive_letters(11)

    def redrive_more_than_one_call_can(self):
        """Which has three seconds beside its margin; over when no part of it runs any more."""
        client, name = boto3.client("lambda"), self.pipeline.stage.function_name("letters")
        before = client.get_function_configuration(FunctionName=name)["Timeout"]
        client.update_function_configuration(FunctionName=name, Timeout=int(resend.MARGIN_S) + 3)
        try:
            self.redrive_letters(1500)
            wait_for(lambda: self.run_ended(self.run_id, runs.ENDED), "the redrive")
            return self.run_ended(self.run_id)
        finally:
            client.update_function_configuration(FunctionName=name, Timeout=before)

    def redrive_letters(self, many=1):
        """The function's part of it, with keys of its own each time."""
        self.keys = getattr(self, "keys", 0) + 1
        prefix = f"redrive-{time.time()}-{self.keys}/"
        keys = [f"{prefix}{number}.jpg" for number in range(many)]
        for start in range(0, many, 200):  # as many as a call has time for
            self.file_a_letter(*keys[start : start + 200])
        now, self.run_id = times.now(), secrets.token_hex(4)
        order = {
            "id": self.run_id,
            "do": "redrive",
            "select": {"prefix": prefix},
            "by": "a test",
            "note": None,
            "started": times.iso(now),
            "at": times.iso(now),
            "status": "asked",
            "part": 1,
            "moved": 0,
            "left": None,
            "cut": 0,
            "says": "",
        }
        answer, failed = invoke(self.pipeline, "letters", {runs.ORDER: order})
        return not failed and (answer["status"], answer["moved"]) == ("done", many)

    def ask_for_a_redrive(self):
        """The API's part of it; over when the function has done it, and not before others that never ended."""
        bucket = self.pipeline.settings["REPORTS_BUCKET"]
        for one in self.pipeline.s3.list_objects_v2(Bucket=bucket, Prefix=runs.PREFIX).get("Contents", []):
            self.pipeline.s3.delete_object(Bucket=bucket, Key=one["Key"])
        answer, fine = self.rest("dead-letters/redrive", {"prefix": "none such"})
        if fine:
            wait_for(lambda: self.run_ended(answer["id"]), "the redrive")
        return fine

    def run_ended(self, run_id, how=("done",)):
        return next(run["status"] for run in self.runs() if run["id"] == run_id) in how

    def runs(self):
        return self.rest("dead-letters/redrive")[0]["runs"]

    def set_the_capacity(self):
        fine = self.put("capacity", {"capacity": 999})
        self.pipeline_owner_forgets_the_capacity()
        return fine

    def forget_the_capacity(self):
        fine = self.put("capacity", {"capacity": None})
        self.pipeline_owner_forgets_the_capacity()
        return fine

    def pipeline_owner_forgets_the_capacity(self):
        client = boto3.client("ssm")
        with contextlib.suppress(client.exceptions.ParameterNotFound):
            client.delete_parameter(Name="/s3-event-scheduler/local/capacity")

    def put(self, path, body):
        return rest(self.pipeline, self.aws_url, path, body, method="PUT")[0] == 200

    def pause(self):
        return self.rest("schedule/pause", {})[1]

    def resume(self):
        """And paused again, as every test of this file has it."""
        fine = self.rest("schedule/resume", {})[1]
        boto3.client("events").disable_rule(Name="s3-event-scheduler-local-drain-event")
        return fine

    def status(self):
        answer, fine = self.rest("status")
        return fine and '"error":' not in json.dumps(answer) and answer["capacity_error"] is None

    def plot(self):
        """Another span each time: an answer is kept for some seconds."""
        self.spans = getattr(self, "spans", 15) + 1
        return self.rest(f"series?minutes={self.spans}")[1]

    def read_the_log(self):
        return self.rest("recent")[1]

    def read_the_arrivals(self):
        answer, fine = self.rest("objects/never.jpg")
        return fine and not any("enqueue has logged" in one for one in answer["not_known"])

    def read_the_ticks(self):
        """Ours may be kept for some seconds."""
        time.sleep(6)
        answer, fine = self.rest("status")
        return fine and "error" not in (answer["last_tick"] or {})

    def where_is_an_object(self):
        self.upload("where.jpg")
        answer, fine = self.rest("objects/where.jpg")
        return fine and answer["object"]["exists"] is True

    def where_are_its_thumbnails(self):
        self.consume(self.upload("where.jpg"))
        answer, fine = self.rest("objects/where.jpg")
        return fine and len(answer["thumbnails"]) == 2


NEEDS = [
    ("enqueue", "sqs:SendMessage", "-source", "enqueue_good"),
    ("enqueue", "sqs:SendMessage", "-dead-letter", "enqueue_unreadable"),
    ("enqueue", "sqs:SendMessage", "-bulk", "enqueue_burst"),
    ("drain", "sqs:ReceiveMessage", "-bulk", "drain_bulk"),
    ("drain", "sqs:DeleteMessage", "-bulk", "drain_bulk"),
    ("drain", "sqs:SendMessage", "-bulk", "drain_several_in_one_of_bulk"),
    ("drain", "sqs:ChangeMessageVisibility", "-bulk", "drain_shows_a_refused_bulk_message_again"),
    ("drain", "sqs:ReceiveMessage", "-source", "drain_good"),
    ("drain", "sqs:DeleteMessage", "-source", "drain_good"),
    ("drain", "sqs:SendMessage", "-destination", "drain_good"),
    ("drain", "sqs:SendMessage", "-dead-letter", "drain_unreadable"),
    ("drain", "sqs:SendMessage", "-source", "drain_several_in_one"),
    ("drain", "sqs:ChangeMessageVisibility", "-source", "drain_shows_a_refused_message_again"),
    ("consume", "s3:GetObject", "-images-000000000000-us-east-1/*", "consume_good"),
    ("consume", "s3:GetObject", "-thumbnails-000000000000-us-east-1/*", "consume_duplicate"),
    ("consume", "s3:PutObject", "-thumbnails-000000000000-us-east-1/*", "consume_good"),
    ("consume", "s3:DeleteObject", "-thumbnails-000000000000-us-east-1/*", "consume_good"),
    ("consume", "sqs:SendMessage", "-dead-letter", "consume_bad"),
    ("consume", "sqs:DeleteMessage", "-destination", "consume_one_to_be_tried_again"),
    ("consume", "sqs:SendMessage", "-source", "consume_one_to_be_tried_again"),
    ("consume", "sqs:SendMessage", "-bulk", "consume_one_of_bulk_to_be_tried_again"),
    ("letters", "s3:PutObject", "-reports-000000000000-us-east-1/letters/*", "file_a_letter"),
    ("letters", "s3:PutObject", "-reports-000000000000-us-east-1/redrives/*", "redrive_letters"),
    ("letters", "s3:GetObject", "-reports-000000000000-us-east-1/redrives/*", "redrive_letters"),
    ("letters", "s3:GetObject", "-reports-000000000000-us-east-1/letters/*", "redrive_letters"),
    ("letters", "s3:DeleteObject", "-reports-000000000000-us-east-1/letters/*", "redrive_letters"),
    ("letters", "s3:ListBucket", "-reports-000000000000-us-east-1", "redrive_letters"),
    ("letters", "sqs:SendMessage", "-source", "redrive_letters"),
    ("letters", "sqs:SendMessage", "-bulk", "redrive_many_letters"),
    ("letters", "lambda:InvokeFunction", "-letters", "redrive_more_than_one_call_can"),
    ("backfill", "sqs:SendMessage", "-bulk", "backfill_enqueues"),
    (
        "backfill",
        "s3:GetObject",
        "-images-000000000000-us-east-1/*",
        "backfill_of_what_is_named_like_a_folder",
    ),
    ("backfill", "s3:GetObjectTagging", "-images-000000000000-us-east-1/*", "backfill_merges_tags"),
    ("backfill", "s3:PutObjectTagging", "-images-000000000000-us-east-1/*", "backfill_merges_tags"),
    ("api_handler", "s3:ListBucket", "-images-000000000000-us-east-1", "job_over_a_prefix"),
    ("api_handler", "s3:ListBucket", "-reports-000000000000-us-east-1", "job_to_its_report"),
    ("api_handler", "s3:PutObject", "-reports-000000000000-us-east-1/*", "job_over_a_prefix"),
    ("api_handler", "s3:GetObject", "-reports-000000000000-us-east-1/*", "job_of_a_manifest"),
    ("api_handler", "s3:GetObjectTagging", "-images-000000000000-us-east-1/*", "job_over_a_prefix"),
    ("drain", "ssm:GetParameter", "/capacity", "drain_in_a_new_process"),
    ("drain", "sqs:GetQueueAttributes", "-destination", "drain_under_back_pressure"),
    ("api_handler", "lambda:InvokeFunction", "-letters", "ask_for_a_redrive"),
    ("api_handler", "ssm:PutParameter", "/capacity", "set_the_capacity"),
    ("api_handler", "ssm:GetParameter", "/capacity", "status"),
    ("api_handler", "sqs:GetQueueAttributes", "-source", "status"),
    ("api_handler", "sqs:GetQueueAttributes", "-bulk", "status"),
    ("api_handler", "sqs:GetQueueAttributes", "-destination", "status"),
    ("api_handler", "sqs:GetQueueAttributes", "-dead-letter", "status"),
    ("api_handler", "cloudwatch:GetMetricData", "*", "plot"),
    ("api_handler", "logs:FilterLogEvents", "-consume:*", "read_the_log"),
    ("api_handler", "logs:FilterLogEvents", "-enqueue:*", "read_the_arrivals"),
    ("api_handler", "logs:FilterLogEvents", "-drain:*", "read_the_ticks"),
    ("api_handler", "s3:GetObject", "-images-000000000000-us-east-1/*", "where_is_an_object"),
    ("api_handler", "s3:GetObject", "-thumbnails-000000000000-us-east-1/*", "where_are_its_thumbnails"),
]

JOB_ACTIONS = (
    "s3:CreateJob",
    "s3:PutJobTagging",
    "s3:ListJobs",
    "s3:DescribeJob",
    "s3:UpdateJobStatus",
    "s3:UpdateJobPriority",
    "iam:PassRole",
)
# Lambda itself uses these in the function's name, and the local AWS does not check them.
NOT_ENFORCED = {
    ("consume", "sqs:ReceiveMessage"),
    ("consume", "sqs:GetQueueAttributes"),
    *(("letters", action) for action in policies.POLLER),
    # Only a version id asks for these, and the bucket keeps no versions unless VERSIONING says so.
    *(("backfill", f"s3:{action}ObjectVersionTagging") for action in ("Get", "Put")),
    ("api_handler", "s3:GetObjectVersionTagging"),
    ("backfill", "s3:GetObjectVersion"),
    # These go to the local S3 Batch Operations, which checks nobody.
    *(("api_handler", action) for action in JOB_ACTIONS),
    *((function, action) for function in policies.GRANTS for action in policies.LOGS),
}


@pytest.mark.aws
@pytest.mark.deploy
@pytest.mark.xdist_group("deployed_permissions")
@pytest.mark.parametrize(("function", "action", "resource", "work"), NEEDS)
def test_without_one_permission_the_work_fails_and_with_it_it_does_not(
    deployed, aws, photographs, function, action, resource, work
):
    works = Work(deployed, aws.url, photographs)
    with only_our_ticks(deployed), nobody_consumes(deployed):
        works.purge()
        assert getattr(works, work)(), "the work fails even with every permission"
        works.purge()
        with without(deployed, function, action, resource):
            assert not getattr(works, work)(), f"{work} does not need {action} on ...{resource}"
        works.purge()


@pytest.mark.aws
@pytest.mark.deploy
@pytest.mark.xdist_group("deployed_permissions")
def test_every_permission_that_is_enforced_has_such_a_test(deployed):
    tested = {(function, action, resource) for function, action, resource, _ in NEEDS}
    for function, policy in policies.documents(deployed.stage, deployed.stage.account()).items():
        for statement in policy["Statement"]:
            for action in statement["Action"]:
                for resource in statement["Resource"]:
                    assert (function, action) in NOT_ENFORCED or any(
                        resource.endswith(end)
                        for one, other, end in tested
                        if (one, other) == (function, action)
                    ), f"{function}: {action} on {resource}"
