"""Every handler of the package under AWS's Runtime Interface Client, with nothing else of this machine."""

from __future__ import annotations

import io
import json
import shutil

import boto3
import pytest
from PIL import Image

from chalicelib import times
from chalicelib.letters import runs, store
from chalicelib.page import files
from dev.lambda_runtime import events
from dev.lambda_runtime.process import sandbox

pytestmark = [pytest.mark.aws, pytest.mark.long, pytest.mark.xdist_group("package")]

PROBE = """
import importlib.util, sys

def found(event, context):
    return {name: importlib.util.find_spec(name) is not None for name in event}
"""


@pytest.fixture
def queues(settings):
    """The three queues, empty."""
    names = {name: settings[f"{name.upper()}_QUEUE_URL"] for name in ("source", "destination", "dead_letter")}
    for url in names.values():
        boto3.client("sqs").purge_queue(QueueUrl=url)
    return names


@pytest.fixture
def thumbnails(settings):
    """What is in the thumbnails bucket, empty at first: the images by key."""
    s3, bucket = boto3.client("s3"), settings["THUMBNAILS_BUCKET"]

    def keys() -> list[str]:
        return [one["Key"] for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]

    def images() -> dict[str, Image.Image]:
        contents = {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys()}
        return {key: Image.open(io.BytesIO(data)) for key, data in contents.items()}

    for key in keys():
        s3.delete_object(Bucket=bucket, Key=key)
    return images


def bodies(url: str) -> list[dict]:
    found = boto3.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in found.get("Messages", [])]


def answer_of(function, event):
    answer = function.invoke(event)
    assert not answer.failed, answer.payload
    return answer.payload


def picture(format: str) -> bytes:
    file = io.BytesIO()
    Image.radial_gradient("L").convert("P" if format == "gif" else "RGB").save(file, format)
    return file.getvalue()


def test_a_function_sees_its_package_and_what_lambda_brings_and_nothing_of_the_development(package, tmp_path):
    (tmp_path / "probe.py").write_text(PROBE)
    with sandbox(package.python, tmp_path, "probe.found", {}, tmp_path / "log") as function:
        seen = function.invoke(["boto3", "awslambdaric", "pytest", "mypy", "ministack", "chalice", "PIL"])
    assert [name for name, there in seen.payload.items() if there] == ["boto3", "awslambdaric"]


def test_enqueue_puts_every_upload_on_the_source_queue(start, settings, queues):
    event = events.uploaded(settings["IMAGES_BUCKET"], ["a b.jpg", "ü.png"])
    assert answer_of(start("enqueue"), event) == {"enqueued": 2, "rejected": 0, "ignored": 0, "bulk": 0}
    assert {body["Key"] for body in bodies(queues["source"])} == {"a b.jpg", "ü.png"}


def test_drain_moves_exactly_capacity(start, package, queues, capsys):
    sqs = boto3.client("sqs")
    for number in range(5):
        sqs.send_message(QueueUrl=queues["source"], MessageBody=events.body("any", f"{number}.jpg"))
    function = start("drain", CAPACITY="3", SPREAD="off")  # all due at once
    answer = function.invoke(events.TICK)
    with capsys.disabled():
        print(
            f"\ndrain on Python {package.python.version}: cold import {function.import_s * 1e3:.0f} ms, "
            f"first call {(answer.ended - answer.began) * 1000:.0f} ms; `make bench-cold-start` has ratios"
        )
    result = answer.payload
    assert (result["forwarded"], result["stopped"]) == (3, "capacity")
    assert len(bodies(queues["destination"])) == 3


def test_consume_makes_thumbnails_of_jpeg_png_webp_avif_and_gif(start, settings, queues, thumbnails):
    s3, bucket = boto3.client("s3"), settings["IMAGES_BUCKET"]
    formats = ["jpeg", "png", "webp", "avif", "gif"]
    for format in formats:
        s3.put_object(Bucket=bucket, Key=f"a.{format}", Body=picture(format))
    messages = [events.body(bucket, f"a.{format}") for format in formats]
    made = answer_of(start("consume"), events.sqs_batch("package-destination", messages))
    assert made == {"done": 5, "rejected": 0, "retry": 0, "untried": 0, "ignored": 0}, bodies(
        queues["dead_letter"]
    )
    sizes = {key.rpartition("_")[0]: image.size for key, image in thumbnails().items()}
    assert sizes == {f"a.{format}": (64, 64) for format in formats}


@pytest.mark.parametrize("output", ["jpeg", "png", "webp", "avif"])
def test_consume_can_write_every_output_format(start, settings, thumbnails, output):
    s3, bucket = boto3.client("s3"), settings["IMAGES_BUCKET"]
    s3.put_object(Bucket=bucket, Key="b.png", Body=picture("png"))
    batch = events.sqs_batch("package-destination", [events.body(bucket, "b.png")])
    assert answer_of(start("consume", THUMBNAIL_OUTPUT=output), batch)["done"] == 1
    assert [image.format for image in thumbnails().values()] == [output.upper()]


def test_letters_files_a_dead_letter_and_sends_it_back(start, settings, queues):
    s3, bucket = boto3.client("s3"), settings["REPORTS_BUCKET"]
    for prefix in (store.PREFIX, runs.PREFIX):
        for one in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=one["Key"])
    function = start("letters")
    batch = events.sqs_batch("package-dead-letter", [events.body("any", "a b.jpg")])
    assert answer_of(function, batch) == {"filed": 1}
    api = start("app", STAGE="package")
    listed = json.loads(answer_of(api, events.rest("GET", "/dead-letters"))["body"])
    assert (listed["total"], listed["letters"][0]["key"]) == (1, "a b.jpg")
    order = {"id": "00000000", "do": "redrive", "select": {"all": True}, "by": "a test", "note": None}
    begun = {"started": times.iso(times.now()), "at": times.iso(times.now()), "status": "asked"}
    numbers = {"moved": 0, "left": None, "cut": 0, "says": ""}
    ended = answer_of(function, {runs.ORDER: {**order, **begun, **numbers}})
    assert (ended["status"], ended["moved"]) == ("done", 1)
    assert [body["Key"] for body in bodies(queues["source"])] == ["a b.jpg"]


def test_backfill_puts_an_existing_object_on_the_source_queue(start, settings, queues):
    answer = answer_of(start("backfill"), events.batch_task(settings["IMAGES_BUCKET"], "old one.jpg"))
    assert [result["resultCode"] for result in answer["results"]] == ["Succeeded"]
    assert [body["Key"] for body in bodies(queues["source"])] == ["old one.jpg"]


def test_the_rest_api_answers(start, settings, queues):
    function = start("app")
    health = answer_of(function, events.rest("GET", "/health"))
    assert (health["statusCode"], json.loads(health["body"])) == (200, {"status": "ok"})
    status = json.loads(answer_of(function, events.rest("GET", "/status"))["body"])
    assert status["queues"]["source"]["visible"] == 0
    document = json.loads(answer_of(function, events.rest("GET", "/openapi.json"))["body"])
    assert {"/status", "/jobs", "/health"} <= set(document["paths"])
    query = {"objects": "1e6", "per": "1h"}
    plan = json.loads(answer_of(function, events.rest("GET", "/plan", query=query))["body"])
    assert plan["cost_per_month_usd"]["total"] > 0


def test_the_rest_api_serves_the_page_and_every_file_of_it(start):
    function = start("app")
    start_page = answer_of(function, events.rest("GET", "/"))
    assert start_page["body"] == (files.WEB / files.START).read_text()
    assert start_page["headers"]["Content-Type"].startswith("text/html")
    for name in files.TYPES:
        found = answer_of(function, events.rest("GET", "/web/{file}", file=name))
        assert (found["statusCode"], found["body"]) == (200, (files.WEB / name).read_text()), name
    missing = answer_of(function, events.rest("GET", "/web/{file}", file="../app.py"))
    assert missing["statusCode"] == 404


def test_the_shipped_bytecode_is_what_runs(start, package, queues, tmp_path):
    """Every source is made useless: a module whose bytecode Python did not take would fail."""
    spoilt = tmp_path / "task"
    shutil.copytree(package.folder, spoilt)
    for source in spoilt.rglob("*.py"):
        source.write_text("raise ImportError('the source was compiled')")
    assert answer_of(start("drain", folder=spoilt), events.TICK)["stopped"] == "empty"
    health = answer_of(start("app", folder=spoilt), events.rest("GET", "/health"))
    assert health["statusCode"] == 200
