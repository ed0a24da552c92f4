"""Nothing of what is in an object reaches a log, a dead letter's reason or a thumbnail's metadata."""

from __future__ import annotations

import base64

import boto3
import pytest
from PIL import Image, PngImagePlugin

from dev.pictures import encoded, scene
from tests.support.deployment import finish, only_our_ticks, rest, wait_for

pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.xdist_group("deployed")]

ARTIST, SERIAL, COMMENT, LETTER = "Alice Liddell", "SN-4711-0815", "taken at the clinic", "Dear Dr. Who"
LATITUDE = (48.0, 51.0, 29.6234)  # degrees, minutes, seconds
SECRETS = [ARTIST, SERIAL, COMMENT, LETTER, "29.6234", "48.8582", "GPSInfo"]


def photograph() -> bytes:
    """With its owner, the camera's number, and where it was taken."""
    exif = Image.Exif()
    exif[0x013B] = ARTIST
    exif.get_ifd(0x8769)[0xA431] = SERIAL
    exif.get_ifd(0x8825).update({1: "N", 2: LATITUDE, 3: "E", 4: (2.0, 17.0, 40.1)})
    return encoded(scene(), "jpeg", exif=exif, comment=COMMENT.encode())


def annotated() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", ARTIST)
    text.add_itxt("Comment", COMMENT)
    return encoded(scene(), "png", pnginfo=text)


def contents() -> dict[str, bytes]:
    """By key: good ones, and those that are refused in every way: no image, broken off, broken inside."""
    good = photograph()
    middle = len(good) // 2
    return {
        "private/good.jpg": good,
        "private/good.png": annotated(),
        "private/letter.jpg": LETTER.encode() * 20,
        "private/broken off.jpg": good[:middle],
        "private/broken off.png": annotated()[:2000],
        "private/no picture.webp": b"RIFF" + LETTER.encode() * 20,
    }


def every_line(pipeline) -> str:
    """All that any function of the stage has logged."""
    logs = boto3.client("logs")
    prefix = f"/aws/lambda/{pipeline.stage.stack_name}"
    groups = logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
    return "\n".join(
        event["message"]
        for group in groups
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        for event in page["events"]
    )


def told(text: str, data: bytes) -> list[str]:
    """What of the contents is in the text: what people wrote into it, or its bytes in any usual writing."""
    piece = data[64:76]  # not the signature that all files of the format share
    writings = [piece.hex(), base64.b64encode(data[63:75]).decode(), repr(piece)[2:-1]]
    return [secret for secret in (*SECRETS, *writings) if secret in text]


def test_no_contents_in_any_log_reason_or_thumbnail(deployed, aws):
    files = contents()
    assert ARTIST.encode() in files["private/good.jpg"], "the photograph does hold what is looked for"
    with only_our_ticks(deployed):
        uploads = [deployed.upload(key, data) for key, data in files.items()]
        finish(deployed, uploads)
        wait_for(lambda: "private/good.jpg" in every_line(deployed), "the last lines")
    assert rest(deployed, aws.url, "dead-letters")[0] == 200
    by_key = {upload.key: upload for upload in uploads}
    assert {key for key, upload in by_key.items() if not upload.rejected} == {
        "private/good.jpg",
        "private/good.png",
    }
    lines = every_line(deployed)
    for key, data in files.items():
        assert key in lines, "it was logged by its name"
        assert told(lines, data) == []
        assert told(by_key[key].rejected, data) == []
        for thumbnail in by_key[key].thumbnails.values():
            assert told(thumbnail.decode("latin-1"), data) == []
