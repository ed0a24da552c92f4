"""What a cold start imports: each function what it needs, and nothing another one needs."""

from __future__ import annotations

import io
import re

import boto3
import pytest
from PIL import Image

from dev.lambda_runtime import events
from dev.workspace import ROOT

pytestmark = [pytest.mark.aws, pytest.mark.long, pytest.mark.xdist_group("package")]


@pytest.fixture
def imported(start, settings, tmp_path):
    """The modules that a function has imported after its first call."""

    def modules(function: str, event: object, **more: str) -> set[str]:
        running = start(function, PYTHONVERBOSE="1", **more)
        answer = running.invoke(event)
        assert not answer.failed, answer.payload
        return set(re.findall(r"^import '([\w.]+)' #", running.log.read_text(), re.MULTILINE))

    return modules


def test_the_drain_needs_neither_boto3_nor_pillow_nor_another_functions_code(imported, settings):
    url = settings["SOURCE_QUEUE_URL"]
    boto3.client("sqs").send_message(QueueUrl=url, MessageBody=events.body("any", "a.jpg"))
    modules = imported("drain", events.TICK, CAPACITY="1")
    assert "chalicelib.drain.tick" in modules
    assert not modules & {"boto3", "botocore", "PIL", "isal"}
    assert not modules & {
        "chalicelib.consume.batch",
        "chalicelib.consume.outcomes",
        "chalicelib.enqueue",
        "chalicelib.jobs.commands",
        "chalicelib.jobs.task",
    }


def test_every_function_pays_for_the_routes_alone_and_not_for_what_they_answer_with(imported):
    """app.py imports the routes in each of the functions; a view imports what it needs when it is called."""
    modules = imported("drain", events.TICK)
    routes = {name for name in modules if name.startswith("chalicelib.") and name.endswith(".routes")}
    features = ("control", "jobs", "letters", "monitoring", "page", "planning")
    assert routes == {f"chalicelib.{feature}.routes" for feature in features}
    answering = {
        f"chalicelib.{feature}.{file.stem}"
        for feature in features
        for file in (ROOT / "chalicelib" / feature).glob("*.py")
        if file.stem not in ("__init__", "routes")
    }
    assert len(answering) > 20
    assert not answering & modules
    assert "uvloop" in modules
    assert "pathlib" not in modules, "two of the 46 milliseconds that app.py takes, for one route"


def test_only_the_drain_has_an_event_loop_and_its_json(imported, settings):
    bucket = settings["IMAGES_BUCKET"]
    batch = events.sqs_batch("destination", [events.body("any", "a.jpg")])
    for modules in (
        imported("enqueue", events.uploaded(bucket, ["a.jpg"])),
        imported("consume", batch, ACTION="log"),
        imported("backfill", events.batch_task(bucket, "a.jpg")),
        imported("app", events.rest("GET", "/health")),
    ):
        assert not modules & {"uvloop", "asyncio", "orjson"}


def test_consume_that_only_logs_needs_no_pillow(imported):
    batch = events.sqs_batch("destination", [events.body("any", "a.jpg")])
    modules = imported("consume", batch, ACTION="log")
    assert "chalicelib.consume.actions.log" in modules
    assert not modules & {
        "PIL",
        "asyncio",
        "chalicelib.drain.tick",
        "chalicelib.jobs.commands",
        "chalicelib.jobs.task",
    }


def test_consume_loads_no_codec_of_a_format_it_does_not_meet(imported, settings, package):
    """Beyond the five common formats, which Pillow always loads."""
    bucket, file = settings["IMAGES_BUCKET"], io.BytesIO()
    Image.new("RGB", (200, int(package.python.version[2:]))).save(
        file, "JPEG"
    )  # new to this Python's consume
    boto3.client("s3").put_object(Bucket=bucket, Key="a.jpg", Body=file.getvalue())
    modules = imported("consume", events.sqs_batch("destination", [events.body(bucket, "a.jpg")]))
    plugins = {name for name in modules if name.startswith("PIL.") and name.endswith("Plugin")}
    assert "PIL.JpegImagePlugin" in plugins
    assert not plugins & {"PIL.AvifImagePlugin", "PIL.WebPImagePlugin", "PIL.TiffImagePlugin"}
    assert not modules & {"chalicelib.drain.tick", "chalicelib.jobs.commands", "chalicelib.jobs.task"}


def test_backfill_needs_no_pillow_and_no_rest(imported, settings):
    modules = imported("backfill", events.batch_task(settings["IMAGES_BUCKET"], "a.jpg"))
    assert "chalicelib.jobs.task" in modules
    assert not modules & {"PIL", "asyncio", "chalicelib.jobs.commands", "chalicelib.consume.batch"}


def test_letters_needs_no_pillow_no_event_loop_and_no_rest(imported):
    modules = imported("letters", events.sqs_batch("dead-letter", [events.body("any", "a.jpg")]))
    assert "chalicelib.letters.filing" in modules
    assert not modules & {"PIL", "asyncio", "chalicelib.drain.tick", "chalicelib.jobs.commands"}


def test_enqueue_needs_no_boto3_no_pillow_no_drain_and_no_jobs(imported, settings):
    modules = imported("enqueue", events.uploaded(settings["IMAGES_BUCKET"], ["a.jpg"]))
    assert "chalicelib.enqueue" in modules
    others = {
        "boto3",
        "PIL",
        "asyncio",
        "chalicelib.drain.tick",
        "chalicelib.jobs.commands",
        "chalicelib.consume.batch",
    }
    assert not modules & others


def test_health_needs_no_client(imported):
    assert not imported("app", events.rest("GET", "/health")) & {"boto3", "PIL", "chalicelib.jobs.commands"}
