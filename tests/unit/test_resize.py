"""resize: all thumbnails of an object, or the message stays; never twice the same work."""

import io
from datetime import UTC, datetime

import pytest
from PIL import Image

from chalicelib.config import Config
from chalicelib.consume.actions.memory import MemoryBudget
from chalicelib.consume.actions.resize import resize
from chalicelib.consume.outcomes import Delivery
from chalicelib.errors import Reject, Retry
from chalicelib.events import ObjectCreated
from chalicelib.thumbnails.keys import thumbnail_key
from dev.fake_boto3 import FakeS3, client_error
from tests.support.settings import GOOD

DELIVERY = Delivery(
    "message-1",
    tries=1,
    forwarded=datetime(2026, 1, 31, 12, 1, tzinfo=UTC),
    started=datetime(2026, 1, 31, 12, 1, 2, tzinfo=UTC),
)


def image(width=600, height=400, colour="red", format="PNG", mode="RGB"):
    file = io.BytesIO()
    Image.new(mode, (width, height), colour).save(file, format)
    return file.getvalue()


class Buckets:
    def __init__(self, **settings):
        self.s3 = FakeS3("images", "thumbnails")
        self.config = Config.from_env({**GOOD, "THUMBNAIL_SIZES": "64,256", **settings})
        self.waiting, self.decoding = MemoryBudget(10**8), MemoryBudget(10**9)

    def upload(self, key, contents, sequencer=None):
        etag = self.s3.put_object(Bucket="images", Key=key, Body=contents)["ETag"].strip('"')
        self.s3.requests.clear()
        return ObjectCreated("images", key, etag=etag, size=len(contents), sequencer=sequencer)

    def work(self, created):
        return resize(created, DELIVERY, self.s3, self.config, self.waiting, self.decoding)

    def resize(self, created):
        return self.work(created).result

    @property
    def thumbnails(self):
        return self.s3.buckets["thumbnails"]

    def calls(self, action):
        return [key for called, key in self.s3.requests if called == action]


@pytest.fixture
def buckets():
    return Buckets()


def test_every_size_is_written_with_what_it_was_made_from(buckets):
    created = buckets.upload("photos/a.png", image(), sequencer="0A")
    assert buckets.resize(created) == "made"
    assert list(buckets.thumbnails) == ["photos/a.png_64.jpg", "photos/a.png_256.jpg"]
    small = buckets.thumbnails["photos/a.png_64.jpg"]
    assert small["ContentType"] == "image/jpeg"
    assert small["Metadata"]["source-etag"] == created.etag
    assert small["Metadata"]["source-sequencer"] == "0A"
    with Image.open(io.BytesIO(small["Body"])) as made:
        assert made.size == (64, 43)


def test_the_work_names_what_it_wrote_and_how_much_it_read(buckets):
    contents = image()
    work = buckets.work(buckets.upload("a.png", contents))
    assert work.thumbnails == ("a.png_64.jpg", "a.png_256.jpg")
    assert work.bytes_in == len(contents)
    assert work.bytes_out == sum(len(one["Body"]) for one in buckets.thumbnails.values())
    again = buckets.work(buckets.upload("a.png", contents))
    assert (again.result, again.thumbnails) == ("unchanged", work.thumbnails)
    assert (again.bytes_in, again.bytes_out) == (0, 0)


def test_a_thumbnail_tells_the_way_of_its_upload(buckets):
    created = buckets.upload("a.png", image(), sequencer="0A")
    buckets.resize(created)
    metadata = buckets.thumbnails["a.png_64.jpg"]["Metadata"]
    assert metadata["upload-id"] == created.identity
    assert metadata["forwarded-at"] == "2026-01-31T12:01:00.000Z"
    assert metadata["started-at"] == "2026-01-31T12:01:02.000Z"


def test_a_png_and_a_jpg_of_one_name_never_meet(buckets):
    buckets.resize(buckets.upload("a.png", image()))
    buckets.resize(buckets.upload("a.jpg", image(format="JPEG")))
    assert len(buckets.thumbnails) == 4


def test_a_duplicate_costs_one_head(buckets):
    created = buckets.upload("a.png", image())
    buckets.resize(created)
    buckets.s3.requests.clear()
    assert buckets.resize(created) == "unchanged"
    assert buckets.s3.requests == [("HeadObject", "a.png_256.jpg")]


def test_a_duplicate_that_knows_only_bucket_and_key_writes_nothing(buckets):
    buckets.resize(buckets.upload("a.png", image()))
    assert buckets.resize(ObjectCreated("images", "a.png")) == "unchanged"
    assert len(buckets.calls("PutObject")) == 2


def test_changed_contents_are_made_again(buckets):
    buckets.resize(buckets.upload("a.png", image(colour="red")))
    assert buckets.resize(buckets.upload("a.png", image(colour="blue"))) == "made"


def test_changed_settings_make_the_same_object_again(buckets):
    created = buckets.upload("a.png", image())
    buckets.resize(created)
    buckets.config = Config.from_env({**GOOD, "THUMBNAIL_SIZES": "64,256", "THUMBNAIL_FIT": "cover"})
    assert buckets.resize(created) == "made"


def test_an_older_event_after_a_newer_one_leaves_the_newer_thumbnails(buckets):
    older = buckets.upload("a.png", image(colour="red"), sequencer="0A")
    buckets.resize(buckets.upload("a.png", image(colour="blue"), sequencer="0B"))
    before = buckets.thumbnails["a.png_256.jpg"]["Body"]
    assert buckets.resize(older) == "superseded"
    assert buckets.thumbnails["a.png_256.jpg"]["Body"] == before


def test_when_one_size_cannot_be_written_the_next_try_writes_all_lost_none(buckets):
    created = buckets.upload("a.png", image())

    def fail(action, request):
        if action == "PutObject" and request["Key"].endswith("_256.jpg"):
            raise client_error("SlowDown", "Please reduce your request rate.", 503, "PutObject")

    buckets.s3.before = fail
    with pytest.raises(Retry, match="SlowDown"):
        buckets.resize(created)
    buckets.s3.before = lambda action, request: None
    assert buckets.resize(created) == "made"
    assert len(buckets.thumbnails) == 2


@pytest.mark.parametrize(
    ("contents", "reason"),
    [(b"Somebody renamed a letter.", "formats taken"), (b"", "formats taken"), (image()[:300], "")],
    ids=["text", "empty", "truncated"],
)
def test_what_is_no_image_is_rejected_in_one_line(buckets, contents, reason):
    with pytest.raises(Reject) as rejected:
        buckets.resize(buckets.upload("a.png", contents))
    assert reason in rejected.value.reason
    assert rejected.value.reason
    assert "\n" not in rejected.value.reason


def test_an_object_that_is_gone_is_rejected(buckets):
    with pytest.raises(Reject, match="the object is gone"):
        buckets.resize(ObjectCreated("images", "gone.png"))


def test_an_object_larger_than_allowed_is_rejected_before_it_is_read():
    buckets = Buckets(MAX_IMAGE_BYTES="100")
    created = buckets.upload("a.png", image())
    with pytest.raises(Reject, match=r"too large: [\d,]+ bytes; MAX_IMAGE_BYTES allows 100"):
        buckets.resize(created)
    assert buckets.s3.requests == []
    with pytest.raises(Reject, match="too large"):
        buckets.resize(ObjectCreated("images", "a.png"))


def test_a_refused_permission_is_tried_again_since_it_can_be_mended(buckets):
    created = buckets.upload("a.png", image())

    def refuse(action, request):
        if action == "GetObject":
            raise client_error("AccessDenied", "Access Denied", 403, action)

    buckets.s3.before = refuse
    with pytest.raises(Retry, match="AccessDenied"):
        buckets.resize(created)


def test_a_key_too_long_for_its_thumbnail_is_rejected():
    with pytest.raises(Reject, match="longer than the 1024 bytes"):
        thumbnail_key("a" * 1020, 256, "jpg")


def test_memory_is_shared_and_more_than_all_of_it_means_alone():
    memory = MemoryBudget(100)
    with memory.reserved(60), memory.reserved(40):
        assert memory.free == 0
    with memory.reserved(1000):
        assert memory.free == 0
    assert memory.free == 100
