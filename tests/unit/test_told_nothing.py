"""The API answers no contents: not of a manifest that is none, not of any object that looks like a thumbnail."""

from __future__ import annotations

import io
import json

import pytest
from chalice.test import Client

from chalicelib.api import views
from chalicelib.config import Config
from chalicelib.errors import BadRequest, NotFound, RestError
from chalicelib.jobs import commands, manifests, stored_manifests
from chalicelib.thumbnails import stored
from dev.workspace import ROOT
from tests.support.app import load_app
from tests.support.settings import GOOD

JOBS = {
    "REPORTS_BUCKET": "reports",
    "JOBS_ROLE_ARN": "arn:aws:iam::123456789012:role/r",
    "BACKFILL_FUNCTION_ARN": "arn:aws:lambda:eu-central-1:123456789012:function:f",
}
SECRETS = (
    b'Bucket,key\nimages,"salary of A, 81000 EUR"\npassword: hunter2\nimages,caf\xc3\xa9 hunter2\n'
    b"hunter2!,x\nimages,a,hunter2\nimages,+hunter2\n"
)
INVENTORIES = [
    {"fileFormat": "hunter2", "fileSchema": "Bucket, Key", "sourceBucket": "images"},
    {"fileFormat": "CSV", "fileSchema": "hunter2", "sourceBucket": "images"},
    {"fileFormat": "CSV", "fileSchema": "Bucket, Key", "sourceBucket": "hunter2"},
    {"fileFormat": {"hunter2": 1}, "fileSchema": "Bucket, Key", "sourceBucket": "images"},
    {"destinationBucket": "arn:aws:s3:::hunter2"},
    {"destinationBucket": {"hunter2": 1}},
]
GOOD_INVENTORY = {
    "fileFormat": "CSV",
    "fileSchema": "Bucket, Key",
    "sourceBucket": "images",
    "destinationBucket": "arn:aws:s3:::reports",
}


class S3:
    """One object, whichever is asked for, and how much of it was read."""

    def __init__(self, data=b"", length=None):
        self.data, self.length, self.asked, self.read = data, length, [], 0

    def get_object(self, **asked):
        self.asked.append(asked)
        s3 = self

        class Body(io.RawIOBase):
            at = 0

            def readable(self):
                return True

            def readinto(self, into):
                left = (s3.length or len(s3.data)) - self.at
                found = min(len(into), left)
                piece = s3.data[self.at : self.at + found] if s3.data else b" " * found
                into[: len(piece)] = piece
                self.at += len(piece)
                s3.read += len(piece)
                return len(piece)

        return {"Body": Body(), "ETag": '"e"', "ContentLength": self.length or len(self.data)}


def config(**more):
    return Config.from_env({**GOOD, **JOBS, **more})


def refused(s3, settings, *, in_request=True, **manifest):
    body = {"kind": "backfill", "check": True, "manifest": manifest}
    with pytest.raises(RestError) as e:
        commands.create_job(body, s3, None, settings, in_request=in_request)
    return json.dumps(e.value.as_dict())


@pytest.mark.parametrize("source", ["csv", "inventory"])
@pytest.mark.parametrize("bucket", ["images", "thumbnails", "somebodys"])
def test_a_manifest_where_the_jobs_role_may_not_read_is_refused_unread_with_what_to_do(source, bucket):
    s3 = S3(SECRETS)
    said = refused(s3, config(), **{source: f"s3://{bucket}/private/people.csv"})
    assert s3.asked == []
    assert f"may not read bucket '{bucket}'" in said
    assert "MANIFEST_BUCKETS" in said
    assert "'reports'" in said


@pytest.mark.parametrize("bucket", ["lists", "more-lists"])
def test_problems_of_a_manifest_outside_the_reports_bucket_quote_nothing_of_it(bucket):
    settings = config(MANIFEST_BUCKETS="lists, more-lists")
    said = refused(S3(SECRETS), settings, csv=f"s3://{bucket}/people.csv")
    assert "problems, the first: line 1" in said
    for secret in ("salary", "81000", "hunter2", "password", "caf"):
        assert secret not in said
    assert "the key (12 characters) is not URL-encoded" in said
    for inventory in INVENTORIES:
        contents = json.dumps({**GOOD_INVENTORY, **inventory}).encode()
        said = refused(S3(contents), settings, inventory=f"s3://{bucket}/manifest.json")
        assert "hunter2" not in said


def inventoried(delivered, settings):
    contents = json.dumps({**GOOD_INVENTORY, "destinationBucket": f"arn:aws-cn:s3:::{delivered}"}).encode()
    body = {"kind": "backfill", "check": True, "manifest": {"inventory": "s3://reports/copied/manifest.json"}}
    return commands.create_job(body, S3(contents), None, settings)


def test_an_inventory_whose_lists_are_where_the_jobs_role_may_not_read_is_refused_too():
    """Its manifest.json may be a copy in a bucket that the role may read; the job would fail on the lists."""
    with pytest.raises(BadRequest, match='lists, which are in bucket "lists": name it in MANIFEST_BUCKETS'):
        inventoried("lists", config())
    for delivered, settings in (("lists", config(MANIFEST_BUCKETS="lists")), ("reports", config())):
        assert inventoried(delivered, settings)["status"] == "checked"


def test_a_manifest_whose_objects_are_in_another_bucket_does_not_tell_which(monkeypatch):
    said = refused(S3(b"hunter2,x\n"), config(MANIFEST_BUCKETS="lists"), csv="s3://lists/m.csv")
    assert "its objects are in bucket (7 characters)" in said


def test_the_own_reports_bucket_and_the_command_quote_so_that_a_mistake_is_found():
    lists = config(MANIFEST_BUCKETS="lists")
    assert "hunter2" in refused(S3(SECRETS), config(), csv="s3://reports/manifests/m.csv")
    assert "hunter2" in refused(S3(SECRETS), lists, in_request=False, csv="s3://lists/m.csv")


@pytest.mark.parametrize("source", ["csv", "inventory"])
def test_four_hundred_megabytes_are_refused_unread(source):
    s3 = S3(length=400_000_000)
    assert "400,000,000 bytes" in refused(s3, config(), **{source: "s3://reports/m"})
    assert s3.read == 0


def test_one_line_of_forty_megabytes_is_not_held_in_memory():
    s3 = S3(length=40_000_000)
    said = refused(s3, config(), csv="s3://reports/m.csv")
    assert "line 1: is longer than the 16,384 bytes" in said
    assert s3.read < 2_000_000
    longest = b"b" * 63 + b"," + b"%C3" * 1024 + b"," + b"v" * 1024
    assert len(longest) < manifests.MAX_LINE_BYTES


def test_an_undos_restore_manifest_has_the_same_limit_in_a_request(monkeypatch):
    from chalicelib.jobs import sources

    job = type(
        "J", (), {"id": "j", "status": "Complete", "report_prefix": "jobs/x", "report_bucket": "reports"}
    )
    monkeypatch.setattr(sources, "job_of", lambda *asked: job)
    monkeypatch.setattr(stored_manifests, "exists", lambda *asked: True)
    with pytest.raises(BadRequest, match="400,000,000 bytes are too many to check within a request"):
        commands.create_job({"kind": "undo", "job": "jjjjj"}, S3(length=400_000_000), None, config())


@pytest.mark.parametrize(
    "key",
    ["private/passport scan.jpg", "cat.png_300.jpg", "_256.jpg", "cat_256.gif", "256.jpg", "cat.png_256"],
)
def test_what_has_not_the_layout_of_a_thumbnail_is_not_asked_for(key):
    s3 = S3(b"secret")
    with pytest.raises(NotFound, match="no thumbnail of this stage's settings"):
        stored.thumbnail(key, s3, config())
    assert s3.asked == []


def test_a_thumbnail_is_served_also_in_a_format_of_earlier_settings():
    for key in ("photos/cat.png_256.jpg", "a_b_1024.avif"):
        assert stored.has_layout(key, config())
    named = config(THUMBNAIL_SIZES="card=320x240 cover,1600", THUMBNAILS_PREFIX="t/")
    assert stored.has_layout("t/cat_card.webp", named)
    assert not stored.has_layout("cat_card.webp", named)


@pytest.fixture
def client(monkeypatch):
    with Client(load_app(monkeypatch), project_dir=str(ROOT)) as client:
        yield client


def shape(answer):
    body = answer.json_body
    assert "error" in body, body
    assert set(body) <= {"error", "field", "problems"}
    return answer.status_code, body["error"]


def test_every_refusal_has_the_documented_shape(client):
    json_headers = {"Content-Type": "application/json"}
    status, why = shape(client.http.put("/capacity", body=b"{", headers=json_headers))
    assert (status, why) == (400, "body: expected JSON")
    status, why = shape(client.http.put("/capacity", body=b"x", headers={"Content-Type": "text/plain"}))
    assert (status, "text/plain" in why) == (415, True)
    status, why = shape(client.http.request("DELETE", "/capacity"))
    assert (status, "DELETE" in why) == (405, True)
    long = b'{"note": "%s"}' % (b"x" * views.MAX_BODY_BYTES)
    status, why = shape(client.http.put("/capacity", body=long, headers=json_headers))
    assert (status, "at most 1,000,000" in why) == (413, True)
    # Of a path that is none Chalice says what API Gateway would, which our code never sees (docs/api.md).
    nowhere = client.http.get("/nowhere")
    assert (nowhere.status_code, list(nowhere.json_body)) == (403, ["message"])


def test_health_writes_no_line_that_anybody_on_the_internet_could_make_us_pay(monkeypatch, capsys):
    app = load_app(monkeypatch)

    def asked(path):
        context = {"httpMethod": "GET", "resourcePath": path, "apiId": "x", "identity": {}}
        event = {
            "requestContext": context,
            "headers": {"host": "h"},
            "multiValueQueryStringParameters": None,
            "pathParameters": {},
            "body": None,
            "stageVariables": None,
        }
        assert app(event, None)["statusCode"] == 200
        return capsys.readouterr().out

    assert asked("/health") == ""
    assert '"request"' in asked("/openapi.json")
