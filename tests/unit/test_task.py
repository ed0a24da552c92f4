"""One task: what it does, and what it says about trying again. boto3's own clients, answered by Stubber."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import ANY, Stubber
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import events
from chalicelib.config import Config
from chalicelib.consume.actions.start_execution import execution_name
from chalicelib.errors import BadRequest, Reject
from chalicelib.jobs import task, undo
from chalicelib.jobs.manifests import encode_key

QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/source"
CONFIG = Config(
    images_bucket="photos",
    thumbnails_bucket="thumbs",
    source_queue_url=QUEUE,
    destination_queue_url=QUEUE + "2",
    dead_letter_queue_url=QUEUE + "3",
    stage="dev",
)
SENT = {"MessageId": "m-1"}


@pytest.fixture
def sqs() -> Iterator[Stubber]:
    with Stubber(_client("sqs")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def s3() -> Iterator[Stubber]:
    with Stubber(_client("s3")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@cache  # a client reads its service's model, which takes a second
def _client(service: str) -> Any:
    return boto3.client(
        service, region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


def invocation(
    key: str, *, bucket: str = "photos", version: str | None = None, arguments: dict[str, str] | None = None
) -> dict[str, Any]:
    return {
        "invocationSchemaVersion": "2.0",
        "invocationId": "i-1",
        "job": {"id": "job-1", "userArguments": arguments or {}},
        "tasks": [{"taskId": "t-1", "s3Key": encode_key(key), "s3VersionId": version, "s3Bucket": bucket}],
    }


def result(payload: dict[str, Any], s3: Stubber, sqs: Stubber) -> tuple[str, str]:
    answer = task.handle(payload, s3.client, sqs.client, CONFIG)
    assert (answer["invocationSchemaVersion"], answer["invocationId"]) == ("2.0", "i-1")
    (only,) = answer["results"]
    assert only["taskId"] == "t-1"
    return only["resultCode"], only["resultString"]


def queued(sqs: Stubber, **body: str) -> None:
    """The body names its job: a second try makes the same event, a second job another."""
    body["Id"] = "backfill job-1"
    sqs.add_response("send_message", SENT, {"QueueUrl": QUEUE, "MessageBody": events.json_text(body)})


def test_an_object_is_queued_as_the_pipeline_reads_it(s3: Stubber, sqs: Stubber) -> None:
    queued(sqs, Bucket="photos", Key="a +%é\n.png", VersionId="v1")
    assert result(invocation("a +%é\n.png", version="v1"), s3, sqs) == ("Succeeded", "queued as m-1")


def test_schema_1_names_the_bucket_by_its_arn(s3: Stubber, sqs: Stubber) -> None:
    queued(sqs, Bucket="photos", Key="my image.png")
    payload = {
        "invocationSchemaVersion": "1.0",
        "invocationId": "i-2",
        "job": {"id": "job-1"},
        "tasks": [
            {
                "taskId": "t",
                "s3Key": "my+image.png",
                "s3VersionId": None,
                "s3BucketArn": "arn:aws:s3:::photos",
            }
        ],
    }
    assert task.handle(payload, s3.client, sqs.client, CONFIG) == {
        "invocationSchemaVersion": "1.0",
        "treatMissingKeysAs": "TemporaryFailure",
        "invocationId": "i-2",
        "results": [{"taskId": "t", "resultCode": "Succeeded", "resultString": "queued as m-1"}],
    }


def test_aws_own_example_is_answered(s3: Stubber, sqs: Stubber) -> None:
    """The bucket in it is not ours: that is a permanent failure, not an exception."""
    sample = Path(__file__).parents[1] / "samples" / "s3-batch-invocation.json"
    answer = task.handle(json.loads(sample.read_text()), s3.client, sqs.client, CONFIG)
    assert answer["results"] == [
        {
            "taskId": "dGFza2lkZ29lc2hlcmUK",
            "resultCode": "PermanentFailure",
            "resultString": 'bucket "examplebucket" is not the images bucket, "photos"',
        }
    ]


@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=100).filter(lambda key: not key.endswith("/"))
)
def test_any_key_reaches_the_queue_as_it_is(key: str) -> None:
    sent: list[str] = []

    class Sqs:
        def send_message(self, QueueUrl: str, MessageBody: str) -> dict[str, str]:  # noqa: N803
            sent.append(MessageBody)
            return SENT

    sqs: Any = Sqs()
    answer = task.handle(invocation(key), sqs, sqs, CONFIG)
    assert answer["results"][0]["resultCode"] == "Succeeded"
    assert [created.key for body in sent for created in events.parse_body(body)] == [key]


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("InternalError", 500, "TemporaryFailure"),
        ("ServiceUnavailable", 503, "TemporaryFailure"),
        ("SlowDown", 503, "TemporaryFailure"),
        ("ThrottlingException", 400, "TemporaryFailure"),
        ("TooManyRequestsException", 429, "TemporaryFailure"),
        ("AccessDenied", 403, "PermanentFailure"),
        ("AWS.SimpleQueueService.NonExistentQueue", 400, "PermanentFailure"),
    ],
)
def test_only_what_may_pass_is_temporary(
    s3: Stubber, sqs: Stubber, code: str, status: int, expected: str
) -> None:
    sqs.add_client_error("send_message", code, "why", http_status_code=status)
    assert result(invocation("a"), s3, sqs) == (expected, f"{code}: why")


def test_no_answer_is_temporary(s3: Stubber) -> None:
    class Silent:
        def send_message(self, **_: Any) -> None:
            raise ConnectTimeoutError(endpoint_url=QUEUE)

    silent: Any = Silent()
    (only,) = task.handle(invocation("a"), s3.client, silent, CONFIG)["results"]
    assert only["resultCode"] == "TemporaryFailure"


def test_what_is_no_upload_is_not_queued(s3: Stubber, sqs: Stubber) -> None:
    s3.add_response("head_object", {"ContentLength": 0}, {"Bucket": "photos", "Key": "p/"})
    assert result(invocation("p/"), s3, sqs) == ("Succeeded", "ignored: a folder marker: nothing to do")
    assert result(invocation("a", bucket="thumbs"), s3, sqs) == (
        "Succeeded",
        "ignored: our own output: nothing to do",
    )
    assert result(invocation("a", bucket="other"), s3, sqs) == (
        "PermanentFailure",
        'bucket "other" is not the images bucket, "photos"',
    )


def test_an_object_with_contents_is_queued_whatever_its_name_ends_in(s3: Stubber, sqs: Stubber) -> None:
    found = {"Bucket": "photos", "Key": "scans/page-1/", "VersionId": "v1"}
    s3.add_response("head_object", {"ContentLength": 2_000_000}, found)
    body = {"Bucket": "photos", "Key": "scans/page-1/", "VersionId": "v1", "Size": 2_000_000}
    sent = json.dumps({**body, "Id": "backfill job-1"})
    sqs.add_response("send_message", SENT, {"QueueUrl": QUEUE, "MessageBody": sent})
    assert result(invocation("scans/page-1/", version="v1"), s3, sqs) == ("Succeeded", "queued as m-1")


def test_a_backfill_leaves_out_what_an_upload_would(s3: Stubber, sqs: Stubber) -> None:
    """By the same code: Config.why_ignored."""
    narrow = replace(CONFIG, images_prefix="photos/", images_suffix=".jpg")
    for key in ("invoices/secret.jpg", "photos/secret.pdf"):
        (only,) = task.handle(invocation(key), s3.client, sqs.client, narrow)["results"]
        assert (only["resultCode"], only["resultString"]) == (
            "Succeeded",
            "ignored: IMAGES_PREFIX or IMAGES_SUFFIX leaves such keys out",
        )


def test_two_jobs_of_one_version_make_two_events_and_two_tries_of_one_job_make_one() -> None:
    sent: list[str] = []

    class Sqs:
        def send_message(self, QueueUrl: str, MessageBody: str) -> dict[str, str]:  # noqa: N803
            sent.append(MessageBody)
            return SENT

    sqs: Any = Sqs()
    for job in ("job-1", "job-1", "job-2"):
        task.handle({**invocation("a", version="v1"), "job": {"id": job}}, sqs, sqs, CONFIG)
    names = [execution_name(created) for body in sent for created in events.parse_body(body)]
    assert names[0] == names[1] != names[2]


def test_a_task_without_key_fails_alone(s3: Stubber, sqs: Stubber) -> None:
    queued(sqs, Bucket="photos", Key="b")
    payload = invocation("b")
    payload["tasks"].insert(0, {"taskId": "t-0", "s3Key": "", "s3VersionId": None, "s3Bucket": "photos"})
    results = task.handle(payload, s3.client, sqs.client, CONFIG)["results"]
    assert [(r["taskId"], r["resultCode"]) for r in results] == [
        ("t-0", "PermanentFailure"),
        ("t-1", "Succeeded"),
    ]


def test_a_payload_of_an_unknown_schema_or_operation_is_refused(s3: Stubber, sqs: Stubber) -> None:
    with pytest.raises(Reject) as e:
        task.handle({"invocationSchemaVersion": "3.0"}, s3.client, sqs.client, CONFIG)
    assert e.value.reason == "invocation schema '3.0', expected 1.0 or 2.0"
    with pytest.raises(Reject) as e:
        task.handle(invocation("a", arguments={"operation": "drop"}), s3.client, sqs.client, CONFIG)
    assert e.value.reason == "operation 'drop', expected backfill, merge or restore"


def had(s3: Stubber, tags: dict[str, str], **version: str) -> None:
    tag_set = [{"Key": key, "Value": value} for key, value in tags.items()]
    s3.add_response("get_object_tagging", {"TagSet": tag_set}, {"Bucket": "photos", "Key": "a", **version})


def gets(s3: Stubber, tags: dict[str, str], **version: str) -> None:
    tag_set = [{"Key": key, "Value": value} for key, value in tags.items()]
    expected = {"Bucket": "photos", "Key": "a", "Tagging": {"TagSet": tag_set}, **version}
    s3.add_response("put_object_tagging", {}, expected)


MERGE = task.user_arguments("merge", {"phototype": "finished"})


def test_a_merge_whose_tag_another_job_has_written_over_is_made_again(s3: Stubber, sqs: Stubber) -> None:
    """S3 replaces the whole set: the other job had read it before our write."""
    had(s3, {"owner": "ann"})
    gets(s3, {"owner": "ann", "phototype": "finished"})
    had(s3, {"owner": "ann", "second": "y"})
    gets(s3, {"owner": "ann", "second": "y", "phototype": "finished"})
    had(s3, {"owner": "ann", "second": "y", "phototype": "finished"})
    assert result(invocation("a", arguments=MERGE), s3, sqs) == ("Succeeded", "1 tags before, 3 now")


def test_a_merge_that_never_holds_is_tried_again_by_the_service(s3: Stubber, sqs: Stubber) -> None:
    had(s3, {})
    for _ in range(task.MERGES):
        gets(s3, {"phototype": "finished"})
        had(s3, {})
    assert result(invocation("a", arguments=MERGE), s3, sqs)[0] == "TemporaryFailure"


def test_merge_keeps_the_tags_an_object_has(s3: Stubber, sqs: Stubber) -> None:
    had(s3, {"owner": "ann", "phototype": "raw"}, VersionId="v1")
    gets(s3, {"owner": "ann", "phototype": "finished"}, VersionId="v1")
    had(s3, {"owner": "ann", "phototype": "finished"}, VersionId="v1")
    assert result(invocation("a", version="v1", arguments=MERGE), s3, sqs) == (
        "Succeeded",
        "2 tags before, 2 now",
    )


def test_merge_writes_nothing_where_nothing_changes(s3: Stubber, sqs: Stubber) -> None:
    had(s3, {"phototype": "finished", "owner": "ann"})
    assert result(invocation("a", arguments=MERGE), s3, sqs) == (
        "Succeeded",
        "unchanged: it has these tags",
    )


def test_merge_beyond_ten_tags_can_never_work(s3: Stubber, sqs: Stubber) -> None:
    had(s3, {f"k{n}": "v" for n in range(10)})
    assert result(invocation("a", arguments=MERGE), s3, sqs) == (
        "PermanentFailure",
        "it would have 11 tags, S3 allows 10",
    )


def test_merge_of_an_object_that_is_gone_can_never_work(s3: Stubber, sqs: Stubber) -> None:
    s3.add_client_error("get_object_tagging", "NoSuchKey", "gone", http_status_code=404)
    assert result(invocation("a", arguments=MERGE), s3, sqs) == ("PermanentFailure", "NoSuchKey: gone")


def test_merge_is_tried_again_when_another_writer_was_faster(s3: Stubber, sqs: Stubber) -> None:
    had(s3, {})
    s3.add_client_error("put_object_tagging", "OperationAborted", "conflict", http_status_code=409)
    assert result(invocation("a", arguments=MERGE), s3, sqs)[0] == "TemporaryFailure"


def test_restore_puts_back_what_a_restore_row_says(s3: Stubber, sqs: Stubber) -> None:
    gets(s3, {"owner": "ann"})
    row = undo.restore_line(("photos", "a", None), {"owner": "ann"})
    payload = invocation("ignored", arguments={"operation": "restore"})
    payload["tasks"][0]["s3Key"] = row.rstrip("\n").split(",")[1]
    assert result(payload, s3, sqs) == ("Succeeded", "1 tags put back")


def test_restore_of_an_ordinary_row_can_never_work(s3: Stubber, sqs: Stubber) -> None:
    assert result(invocation("a", arguments={"operation": "restore"}), s3, sqs) == (
        "PermanentFailure",
        "not a row of a restore manifest: a",
    )


@given(
    st.dictionaries(
        st.text(st.characters(categories=["L", "N", "Zs"]), min_size=1, max_size=128),
        st.text(st.characters(categories=["L", "N", "Zs"]), max_size=256),
        max_size=10,
    )
)
def test_any_ten_tags_fit_into_the_arguments_of_a_job(tags: dict[str, str]) -> None:
    arguments = task.user_arguments("merge", tags)
    assert len(arguments) <= 10
    assert all(len(key) <= 64 and len(value) <= 1024 for key, value in arguments.items())
    assert task.read_user_arguments(arguments) == ("merge", tags)


def test_ten_tags_of_full_length_fit_too() -> None:
    tags = {f"{n}" + "k" * 127: "v" * 256 for n in range(10)}
    arguments = task.user_arguments("merge", tags)
    assert max(map(len, arguments.values())) == 1024
    assert task.read_user_arguments(arguments) == ("merge", tags)


@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=60),
    st.dictionaries(st.text("ab é:"), st.text("x=1")),
)
def test_a_restore_row_reads_back(key: str, tags: dict[str, str]) -> None:
    from chalicelib.jobs.manifests import check, read

    row = undo.restore_line(("photos", key, None), tags)
    assert check([row.encode()]).problem_count == 0
    ((_, text, _),) = read([row])
    assert undo.parse_restore_key(text) == (key, tags)


def test_a_restore_row_longer_than_a_key_is_refused() -> None:
    with pytest.raises(BadRequest) as e:
        undo.restore_line(("photos", "a", None), {"k": "v" * 256, **{f"{n}": "v" * 250 for n in range(3)}})
    assert str(e.value) == (
        "keep_old_tags: s3://photos/a and its tags need 1,054 bytes in the restore manifest, "
        "which has room for 1,024; leave the object out, or do without undo"
    )


def test_objects_that_are_gone_have_no_restore_row(s3: Stubber) -> None:
    s3.add_client_error("get_object_tagging", "NoSuchKey", "gone", http_status_code=404)
    assert list(undo.restore_lines(s3.client, [("photos", "a", None)])) == []


def test_an_error_while_old_tags_are_read_stops_it_all(s3: Stubber) -> None:
    """A restore manifest with holes would be an undo that does not undo."""
    s3.add_client_error(
        "get_object_tagging", "AccessDenied", "no", 403, expected_params={"Bucket": "photos", "Key": ANY}
    )
    with pytest.raises(s3.client.exceptions.ClientError, match="AccessDenied"):
        list(undo.restore_lines(s3.client, [("photos", "a", None)]))


def test_a_key_whose_bytes_are_no_text_is_refused_and_not_queued_as_another(s3: Stubber, sqs: Stubber):
    """Decoded with a replacement it would name an object that nobody meant; the others go on."""
    payload = invocation("a.jpg")
    payload["tasks"].append({**payload["tasks"][0], "taskId": "t-2", "s3Key": "%FF.jpg"})
    sqs.add_response("send_message", SENT)
    results = task.handle(payload, s3.client, sqs.client, CONFIG)["results"]
    assert [(one["taskId"], one["resultCode"]) for one in results] == [
        ("t-1", "Succeeded"),
        ("t-2", "PermanentFailure"),
    ]
    assert "not URL-encoded UTF-8" in results[1]["resultString"]
