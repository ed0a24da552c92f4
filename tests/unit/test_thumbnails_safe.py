"""Safe on anything: refused with one plain reason, before it costs memory or time."""

import io
import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.errors import Reject
from chalicelib.thumbnails.make import estimate, make
from dev.pictures import decoded, encoded, png_claiming, scene, webp_claiming

SMALL = ThumbnailSettings(sizes=(64,))


def reason(data, settings=SMALL, **options):
    with pytest.raises(Reject) as refused:
        make(data, settings, **options)
    assert "\n" not in refused.value.reason
    return refused.value.reason


@pytest.fixture
def no_pixels(monkeypatch):
    """Fails the test as soon as anything is decoded."""

    def never(*_):
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", never)
    monkeypatch.setattr("chalicelib.thumbnails.imaging.png.strips", never)


def test_a_webp_of_34_bytes_and_169_megapixels_costs_nothing(monkeypatch):
    monkeypatch.setattr("PIL.Image.open", lambda *_, **__: pytest.fail("opened: that allocates the canvases"))
    bomb = webp_claiming(13000, 13000)
    assert len(bomb) == 34
    assert reason(bomb).startswith("13000 x 13000 pixels would take 686 MB of memory, more than the 307 MB")
    monkeypatch.setattr("chalicelib.thumbnails.imaging.webp.opened", lambda *_: None)
    assert reason(bomb).startswith("13000 x 13000 pixels would take 2,704 MB of memory, more than the 307 MB")


@pytest.mark.parametrize("settings", [{"sizes": (64,), "linear": True}, {"sizes": (8192,)}])
def test_a_png_over_the_budget_is_refused_before_any_pixel(no_pixels, settings):
    refused = reason(png_claiming(16000, 16000), ThumbnailSettings(**settings))
    assert refused.startswith("16000 x 16000 pixels would take")


def test_a_palette_image_without_its_palette_is_refused():
    assert reason(png_claiming(60, 60, colour_type=3)).endswith("a palette image without its palette")


@pytest.mark.parametrize("form", ["jpeg", "png", "gif", "webp", "avif", "tiff"])
def test_the_budget_holds_for_every_format(no_pixels, form):
    assert "more than the 1 MB an image may take" in reason(
        encoded(scene(), form), ThumbnailSettings(memory_budget=1_000_000)
    )


def test_the_frames_of_an_animation_count():
    frames = [Image.new("RGB", (60, 60), (number, 0, 0)) for number in range(50)]
    data = encoded(frames[0], "gif", save_all=True, append_images=frames[1:])
    still = estimate(data, ThumbnailSettings(sizes=(64,), animation="first"))
    assert estimate(data, SMALL) - still >= 50 * 60 * 60 * 4


def test_a_gif_whose_second_frame_is_far_larger_than_its_canvas_shows_the_first_in_little_memory():
    frames = [Image.new("RGB", (100, 100), colour) for colour in ("red", "blue")]
    data = bytearray(encoded(frames[0], "gif", save_all=True, append_images=frames[1:]))
    second = data.rindex(b"\x2c\0\0\0\0")  # its image descriptor: left, top, width, height
    data[second + 5 : second + 9] = b"\xff\xff\xff\xff"
    (made,) = make(bytes(data), SMALL)
    assert (made.width, made.height, made.format) == (64, 64, "jpeg")
    assert estimate(bytes(data), SMALL) < 6_000_000


def test_the_format_is_told_by_content_and_only_those_set_are_opened():
    unknown = "the content is not among the formats taken (jpeg, png, gif, webp, avif, tiff, bmp)"
    assert reason(b"") == unknown
    for foreign in ("dds", "ico", "ppm", "pdf"):
        assert " is not among the formats taken" in reason(encoded(scene(64, 64), foreign))
    only = ThumbnailSettings(sizes=(64,), formats=("png",))
    assert (
        reason(encoded(scene(), "jpeg"), only)
        == "jpeg is not among the formats taken (png); add jpeg to THUMBNAIL_FORMATS"
    )
    assert make(encoded(scene(), "png"), only)


@pytest.mark.parametrize("form", ["jpeg", "png", "gif", "webp", "avif", "tiff"])
def test_a_file_cut_short_is_refused(form):
    whole = encoded(scene(1200, 800), form)
    for share in (0.02, 0.3, 0.6, 0.95):
        assert reason(whole[: int(len(whole) * share)])


@pytest.mark.parametrize("form", ["jpeg", "png"])
def test_a_file_cut_short_is_accepted_where_set(form):
    whole = encoded(scene(1200, 800), form)
    accepting = ThumbnailSettings(sizes=(64,), accept_truncated=True)
    (made,) = make(whole[: len(whole) // 2], accepting)
    assert (made.width, made.height) == (64, 43)
    reason(whole[: len(whole) // 2])  # and refused again: the switch does not stick


@pytest.mark.parametrize(
    "error",
    [
        UnidentifiedImageError("x"),
        OSError("broken data stream"),
        ValueError("bad\nvalue"),
        SyntaxError("not a file"),
        NotImplementedError("DXT9"),
        Image.DecompressionBombError("large"),
        MemoryError(),
        RuntimeError("Failed to decode frame 0"),
        IndexError("index out of range"),
        OverflowError("too large"),
        EOFError("failed to decode next frame"),
    ],
)
def test_everything_pillow_raises_becomes_one_plain_reason(monkeypatch, error):
    def broken(_):
        raise error

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", broken)
    assert reason(encoded(scene(), "jpeg"))


def test_a_mistake_of_our_own_is_not_blamed_on_the_file(monkeypatch):
    monkeypatch.setattr("chalicelib.thumbnails.imaging.encode.format_for", lambda *_: {}["mistake"])
    with pytest.raises(KeyError):
        make(encoded(scene(), "jpeg"), SMALL)


def ticking():
    """A clock on which every look costs a second."""
    ticks = itertools.count()
    return lambda: float(next(ticks))


@pytest.mark.parametrize("form", ["jpeg", "png", "gif", "webp", "avif", "tiff"])
def test_a_file_over_the_time_limit_is_refused(form):
    limited = ThumbnailSettings(sizes=(64,), time_limit=2)
    assert reason(encoded(scene(), form), limited, clock=ticking()) == "not done within 2 s"


@pytest.mark.parametrize("form", ["jpeg", "png"])
def test_a_decoder_is_stopped_in_the_midst_of_the_picture(form):
    data = encoded(scene(2000, 1500), form, **({"quality": 98} if form == "jpeg" else {}))
    looks = []

    def clock():
        looks.append(1)
        return 0.0

    make(data, ThumbnailSettings(sizes=(1500,)), clock=clock)
    assert len(looks) > 20, "every 64 kB of a file, every strip of a PNG"


def test_flipped_bytes_never_raise_anything_but_reject():
    for form in ("jpeg", "png", "gif", "webp", "avif", "tiff"):
        data = encoded(scene(120, 80), form)
        for place in range(0, len(data), max(1, len(data) // 60)):
            damaged = bytearray(data)
            damaged[place] ^= 0xFF
            try:
                made = make(bytes(damaged), SMALL)
            except Reject:
                continue
            assert decoded(made[0].data).size == (made[0].width, made[0].height)


def test_the_estimate_reads_no_pixels(no_pixels):
    for form in ("jpeg", "png", "gif", "webp", "avif", "tiff"):
        data = encoded(scene(), form)
        assert estimate(data, SMALL) > len(data)


def test_threads_do_not_disturb_each_other():
    files = [
        encoded(scene(300 + number, 200), form) for number in range(4) for form in ("jpeg", "png", "webp")
    ]
    alone = [make(data, SMALL) for data in files]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda data: make(data, SMALL), files)) == alone


def test_bytes_that_are_not_copied_are_not_changed():
    data = encoded(scene(), "png")
    before = io.BytesIO(data).getvalue()
    make(data, SMALL)
    assert data == before
