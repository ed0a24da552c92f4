"""resize: all thumbnails of an object, or the message stays; never twice the same work."""

import base64
import io
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event

import pytest
from PIL import Image

from chalicelib.config import Config
from chalicelib.consume.actions.resize import resize
from chalicelib.consume.memory import MemoryBudget
from chalicelib.consume.outcomes import Delivery
from chalicelib.errors import Reject, Retry
from chalicelib.events import ObjectCreated
from chalicelib.thumbnails import make
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

    def work(self, created, delivery=DELIVERY):
        return resize(created, delivery, self.s3, self.config, self.waiting, self.decoding)

    def etag(self, key):
        return self.s3.buckets["images"][key]["ETag"].strip('"')

    def sources(self):
        """What the thumbnails that are there were made of."""
        return {one["Metadata"]["source-etag"] for one in self.thumbnails.values()}

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


def test_a_new_upload_is_read_written_and_looked_at_once(buckets):
    created = buckets.upload("a.png", image(), sequencer="0A")
    buckets.resize(created)
    others = [f"a.png_{size}.{ending}" for ending in ("png", "webp", "avif") for size in (64, 256)]
    assert buckets.s3.requests == [
        ("GetObject", "a.png"),
        ("PutObject", "a.png_64.jpg"),
        ("PutObject", "a.png_256.jpg"),
        *(("DeleteObject", key) for key in others),  # one request
        ("HeadObject", "a.png"),
    ]


@pytest.mark.parametrize(("sequencer", "tries"), [(None, 1), ("0A", 2)])
def test_what_comes_again_is_looked_at_in_every_size_and_not_read(buckets, sequencer, tries):
    created = buckets.upload("a.png", image(), sequencer)
    buckets.resize(created)
    buckets.s3.requests.clear()
    assert buckets.work(created, replace(DELIVERY, tries=tries)).result == "unchanged"
    assert buckets.s3.requests == [
        ("GetObject", "a.png"),  # its body is left unread
        ("HeadObject", "a.png_64.jpg"),
        ("HeadObject", "a.png_256.jpg"),
    ]


def test_a_size_that_is_missing_is_made_again(buckets):
    created = buckets.upload("a.png", image(), "0A")
    buckets.resize(created)
    for key in list(buckets.thumbnails):
        removed = buckets.thumbnails.pop(key)
        assert buckets.work(created, replace(DELIVERY, tries=2)).result == "made"
        assert buckets.thumbnails[key]["Body"] == removed["Body"]


def test_a_slow_run_over_old_contents_leaves_the_new_ones(buckets):
    first = buckets.upload("a.jpg", image(colour="red", format="JPEG"), "0A")
    second = []

    def overwritten_meanwhile(action, request):
        if action == "PutObject" and request["Bucket"] == "thumbnails" and not second:
            second.append("begun")
            blue = buckets.upload("a.jpg", image(colour="blue", format="JPEG"), "0B")
            second.append(buckets.resize(blue))

    buckets.s3.before = overwritten_meanwhile
    assert buckets.resize(first) == "made"
    assert second == ["begun", "made"]
    assert buckets.sources() == {buckets.etag("a.jpg")}


@pytest.mark.parametrize("place", range(12))
@pytest.mark.parametrize("modes", [("RGB", "RGB"), ("RGB", "RGBA"), ("RGBA", "RGB")])
def test_however_two_runs_interleave_only_the_newest_contents_are_left(place, modes):
    """The second upload and its whole run happen before the first run's request number `place`."""
    buckets = Buckets()
    colours = [
        {"RGB": "red", "RGBA": (10, 20, 30, 90)}[modes[0]],
        {"RGB": "blue", "RGBA": (1, 2, 3, 9)}[modes[1]],
    ]
    first = buckets.upload("a.png", image(colour=colours[0], mode=modes[0]), "0A")
    seen = []

    def interrupted(action, request):
        seen.append(action)
        if len(seen) == place + 1:
            newer = buckets.upload("a.png", image(colour=colours[1], mode=modes[1]), "0B")
            buckets.resize(newer)

    buckets.s3.before = interrupted
    buckets.resize(first)
    buckets.s3.before = lambda action, request: None
    if len(seen) <= place:
        buckets.resize(buckets.upload("a.png", image(colour=colours[1], mode=modes[1]), "0B"))
    assert buckets.sources() == {buckets.etag("a.png")}
    ending = "jpg" if modes[1] == "RGB" else "webp"
    assert sorted(buckets.thumbnails) == [f"a.png_256.{ending}", f"a.png_64.{ending}"]


def test_two_runs_between_each_others_sizes_leave_no_mixed_set(buckets):
    """The newer writes 64, the older 64 and 256, the newer 256; a set taken for whole would stay mixed."""
    older = buckets.upload("a.png", image(colour="red"), "0A")
    runs, state = ThreadPoolExecutor(1), {}
    first_written, go_on = Event(), Event()

    def order(action, request):
        if action != "PutObject" or request["Bucket"] != "thumbnails":
            return
        if not state:
            state["newer"] = buckets.upload("a.png", image(colour="blue"), "0B")
            state["run"] = runs.submit(lambda: buckets.resize(state["newer"]))
            assert first_written.wait(10)
        elif request["Key"].endswith("_256.jpg") and not first_written.is_set():
            first_written.set()
            assert go_on.wait(10)

    buckets.s3.before = order
    buckets.resize(older)
    go_on.set()
    state["run"].result(10)
    assert buckets.sources() == {buckets.etag("a.png")}


def test_nothing_of_older_contents_or_settings_stays_in_another_format(buckets):
    buckets.resize(buckets.upload("a.png", image(), "0A"))
    buckets.resize(buckets.upload("a.png", image(colour=(10, 20, 30, 90), mode="RGBA"), "0B"))
    assert sorted(buckets.thumbnails) == ["a.png_256.webp", "a.png_64.webp"]
    buckets.config = Config.from_env({**GOOD, "THUMBNAIL_SIZES": "64,256", "THUMBNAIL_OUTPUT": "avif"})
    buckets.resize(buckets.upload("a.png", image(), "0C"))
    assert sorted(buckets.thumbnails) == ["a.png_256.avif", "a.png_64.avif"]


def test_contents_that_never_rest_are_left_to_the_next_try(buckets):
    numbers = itertools.count(1)

    def restless(action, request):
        if action == "HeadObject" and request["Bucket"] == "images":
            buckets.s3.before = lambda *_: None
            buckets.upload("a.png", image(width=600 + next(numbers)))
            buckets.s3.before = restless

    created = buckets.upload("a.png", image(), "0A")
    buckets.s3.before = restless
    with pytest.raises(Retry, match="changed each time"):
        buckets.resize(created)


def test_a_delete_that_is_refused_is_tried_again(buckets, monkeypatch):
    answer = {"Errors": [{"Key": "a.png_64.webp", "Code": "AccessDenied"}]}
    monkeypatch.setattr(buckets.s3, "delete_objects", lambda **_: answer)
    with pytest.raises(Retry, match=r"a.png_64.webp could not be deleted: AccessDenied"):
        buckets.resize(buckets.upload("a.png", image(), "0A"))


def test_a_later_upload_with_a_shorter_sequencer_is_made(buckets):
    buckets.resize(buckets.upload("a.png", image(colour="red"), "0062E99A88DC407460"))
    assert buckets.resize(buckets.upload("a.png", image(colour="blue"), "0062E99A88DC4075")) == "made"


def test_a_thumbnail_tells_a_page_its_size_and_its_hash(buckets):
    work = buckets.work(buckets.upload("a.png", image(), "0A"))
    assert (work.width, work.height) == (600, 400)
    for key, size in (("a.png_64.jpg", ("64", "43")), ("a.png_256.jpg", ("256", "171"))):
        metadata = buckets.thumbnails[key]["Metadata"]
        assert (metadata["width"], metadata["height"]) == size
        assert metadata["thumbhash"] == work.thumbhash
    assert len(base64.b64decode(work.thumbhash)) in range(18, 26)


def test_how_long_caches_keep_a_thumbnail_is_a_setting():
    buckets = Buckets(THUMBNAIL_CACHE_CONTROL="public, max-age=31536000, immutable")
    buckets.resize(buckets.upload("a.png", image(), "0A"))
    assert buckets.thumbnails["a.png_64.jpg"]["CacheControl"] == "public, max-age=31536000, immutable"


def test_a_size_has_its_name_in_the_key():
    buckets = Buckets(THUMBNAIL_SIZES="card=32x24 cover,full=160")
    buckets.resize(buckets.upload("a.png", image(), "0A"))
    sizes = {key: Image.open(io.BytesIO(one["Body"])).size for key, one in buckets.thumbnails.items()}
    assert sizes == {"a.png_card.jpg": (32, 24), "a.png_full.jpg": (160, 107)}


def test_a_cut_keeps_what_lies_at_the_objects_focal_point():
    buckets = Buckets(THUMBNAIL_SIZES="32", THUMBNAIL_FIT="cover")
    stripes = Image.new("RGB", (600, 200), "red")
    stripes.paste("blue", (400, 0, 600, 200))
    file = io.BytesIO()
    stripes.save(file, "PNG")
    shown = []
    for point in ("0.9,0.5", "0.1,0.5", "nonsense", "7,7"):
        created = buckets.upload("a.png", file.getvalue(), "0A")
        buckets.s3.buckets["images"]["a.png"]["Metadata"] = {"focal-point": point}
        assert buckets.resize(created) == "made"
        made = Image.open(io.BytesIO(buckets.thumbnails["a.png_32.jpg"]["Body"]))
        shown.append(made.getpixel((4, 16))[0] > 128)
    assert shown == [False, True, True, True]


def test_another_focal_point_makes_the_same_contents_again(buckets):
    created = buckets.upload("a.png", image())
    buckets.resize(created)
    buckets.s3.buckets["images"]["a.png"]["Metadata"] = {"focal-point": "0.9,0.5"}
    assert buckets.resize(created) == "made"


def test_what_ran_out_of_memory_beside_others_is_made_alone(buckets, monkeypatch):
    tried = []

    def short_of_memory(source):
        tried.append(buckets.decoding.free)
        if len(tried) == 1:
            raise make.OutOfMemory("decoding it takes more memory than there is")
        return made(source)

    made = make.made
    monkeypatch.setattr(make, "made", short_of_memory)
    assert buckets.resize(buckets.upload("a.png", image(), "0A")) == "made"
    assert tried[0] > 0
    assert tried[1] == 0


def test_what_the_whole_memory_is_too_small_for_is_rejected(buckets, monkeypatch):
    def never(source):
        raise make.OutOfMemory("decoding it takes more memory than there is")

    monkeypatch.setattr(make, "made", never)
    with pytest.raises(Reject, match="more memory than there is"):
        buckets.resize(buckets.upload("a.png", image(), "0A"))


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
