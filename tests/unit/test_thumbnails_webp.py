"""WebP: reduced by libwebp where it can be, by Pillow otherwise, and nobody sees the difference."""

import subprocess
import sys

import pytest
from PIL import Image, ImageCms

from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.errors import Reject
from chalicelib.thumbnails.imaging import deadline, libwebp, webp
from chalicelib.thumbnails.imaging.strategy import choose
from chalicelib.thumbnails.make import estimate, make
from dev.pictures import LAID_DOWN, array, decoded, encoded, lanczos, oriented, psnr, scene, webp_claiming

SETTINGS = ThumbnailSettings(sizes=(64,), output="png")
OPTIONS = [{}, {"lossless": True}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"}]
FOREVER = deadline.Deadline(3600)


@pytest.fixture
def by_pillow(monkeypatch):
    """make() as it works where no libwebp can be asked."""

    def made(data, settings=SETTINGS):
        with monkeypatch.context() as patch:
            patch.setattr(webp, "opened", lambda *_: None)
            return make(data, settings)

    return made


@pytest.fixture
def fresh():
    """The library is looked for again, in this test and after it."""
    libwebp.library.cache_clear()
    yield
    libwebp.library.cache_clear()


def picture(data, settings=SETTINGS):
    return array(decoded(make(data, settings)[0].data))


def animated():
    return encoded(scene(300, 200), "webp", save_all=True, append_images=[scene(300, 200).rotate(180)])


def see_through(**options):
    whole = scene(300, 200).convert("RGBA")
    whole.putalpha(Image.linear_gradient("L").resize(whole.size))
    return encoded(whole, "webp", **options)


def test_the_pinned_pillow_brings_a_libwebp_that_can_be_asked():
    opened = webp.opened(encoded(scene(211, 97), "webp"), FOREVER)
    assert (opened.size, opened.mode, opened.simple, opened.lossless) == ((211, 97), "RGB", True, False)


def test_a_lossless_webp_at_its_own_size_is_the_picture():
    whole = scene(211, 97)
    opened = webp.opened(encoded(whole, "webp", lossless=True), FOREVER)
    assert opened.reduced((211, 97), FOREVER).tobytes() == whole.tobytes()


@pytest.mark.parametrize("options", [{"quality": 95}, {"lossless": True}])
@pytest.mark.parametrize(("width", "height"), [(1200, 800), (1203, 811), (97, 1500)])
def test_a_reduced_webp_looks_as_reduced_by_lanczos(options, width, height):
    data = encoded(scene(width, height), "webp", **options)
    assert choose(webp.opened(data, FOREVER), data, (64, 43), SETTINGS).kind == "scaled"
    result = picture(data)
    assert psnr(result, lanczos(array(decoded(data)), result.shape[1], result.shape[0])) > 38


@pytest.mark.parametrize("sizes", [(64,), (600, 64)])
@pytest.mark.parametrize(("width", "height"), [(1200, 800), (1203, 811), (97, 1500)])
def test_what_becomes_a_jpeg_keeps_its_brightness_and_colour(by_pillow, width, height, sizes):
    data = encoded(scene(width, height), "webp", quality=95)
    settings = ThumbnailSettings(sizes=sizes, output="jpeg", jpeg_quality=100)
    for ours, pillows in zip(make(data, settings), by_pillow(data, settings), strict=True):
        assert (ours.width, ours.height) == (pillows.width, pillows.height)
        ycc, expected = (decoded(each.data).convert("YCbCr") for each in (ours, pillows))
        close = [psnr(array(a), array(b)) for a, b in zip(ycc.split(), expected.split(), strict=True)]
        assert min(close) > 34


@pytest.mark.parametrize("size", [(1, 1), (1, 3), (3, 1), (2, 2)])
def test_the_smallest_pictures_are_made_too(size):
    (made,) = make(encoded(scene(*size), "webp"), ThumbnailSettings(sizes=(64,), output="jpeg"))
    assert (made.width, made.height) == size


@pytest.mark.parametrize("colour", ["white", "black", "red", "lime", "blue", "gray"])
def test_a_plain_colour_stays_what_it_is(colour):
    data = encoded(Image.new("RGB", (301, 203), colour), "webp", quality=100)
    made = decoded(make(data, ThumbnailSettings(sizes=(64,), output="jpeg", jpeg_quality=100))[0].data)
    expected = Image.new("RGB", (1, 1), colour).getpixel((0, 0))
    assert all(abs(a - b) <= 4 for a, b in zip(made.convert("RGB").getpixel((30, 20)), expected, strict=True))


@pytest.mark.parametrize("settings", [{"sizes": (64,)}, {"sizes": (5000, 100)}, {"fit": "cover"}])
def test_sizes_are_those_that_pillow_gives(by_pillow, settings):
    data = encoded(scene(1203, 811), "webp")
    settings = ThumbnailSettings(**settings)
    sizes = [(made.width, made.height) for made in make(data, settings)]
    assert sizes == [(made.width, made.height) for made in by_pillow(data, settings)]


@pytest.mark.parametrize("number", LAID_DOWN)
def test_exif_turns_it(by_pillow, number):
    data = oriented(number, "webp", quality=95)
    assert webp.opened(data, FOREVER)
    (made,) = by_pillow(data)
    assert psnr(picture(data), array(decoded(made.data))) > 38


@pytest.mark.parametrize("icc", ["srgb", "keep"])
def test_its_profile_is_converted_or_kept(by_pillow, icc):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    settings = ThumbnailSettings(sizes=(64,), output="png", icc=icc)
    data = encoded(scene(), "webp", icc_profile=profile, quality=95)
    assert webp.opened(data, FOREVER).info["icc_profile"] == profile
    ours, pillows = (decoded(each[0].data) for each in (make(data, settings), by_pillow(data, settings)))
    assert ours.info.get("icc_profile") == pillows.info.get("icc_profile")
    assert psnr(array(ours), array(pillows)) > 38


def test_alpha_and_animations_are_left_to_pillow():
    for data in (see_through(), see_through(lossless=True), animated()):
        assert webp.opened(data, FOREVER) is None
        (made,) = make(data, ThumbnailSettings(sizes=(64,)))
        assert (made.width, made.height, made.format) == (64, 43, "webp")


def test_linear_light_and_formats_not_taken_are_left_to_pillow(monkeypatch):
    monkeypatch.setattr(webp, "opened", lambda *_: pytest.fail("asked"))
    data = encoded(scene(), "webp")
    assert make(data, ThumbnailSettings(sizes=(64,), linear=True))
    with pytest.raises(Reject, match="webp is not among the formats taken"):
        make(data, ThumbnailSettings(formats=("jpeg",)))


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("trouble", ["no library", "two libraries", "another library", "another ABI"])
def test_pillow_does_it_where_the_library_is_not_as_expected(monkeypatch, tmp_path, by_pillow, trouble):
    data = encoded(scene(), "webp")
    expected = by_pillow(data)
    if trouble == "another ABI":
        monkeypatch.setattr(libwebp, "ABI_VERSION", 0x0900)
    else:
        beside = tmp_path / "pillow.libs"
        beside.mkdir()
        names = {"no library": "", "two libraries": "ab", "another library": "a"}[trouble]
        for name in names:
            (beside / f"libwebp-{name}.so.7").symlink_to(libwebp_of_another_name())
        monkeypatch.setattr(libwebp, "PILLOW", tmp_path / "PIL" / "__init__.py")
    assert webp.opened(data, FOREVER) is None
    assert make(data, SETTINGS) == expected


def libwebp_of_another_name():
    """A shared library without libwebp's functions."""
    return next(iter(libwebp.PILLOW.parents[1].glob("pillow.libs/libsharpyuv-*")))


@pytest.mark.parametrize("options", OPTIONS)
def test_damage_has_the_reasons_that_pillow_gives(by_pillow, options):
    whole = encoded(scene(120, 80), "webp", **options)

    def outcome(make, data):
        try:
            return [(made.width, made.height) for made in make(data, SETTINGS)]
        except Reject as refused:
            return refused.reason

    for place in range(0, len(whole), max(1, len(whole) // 300)):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        assert outcome(make, bytes(damaged)) == outcome(by_pillow, bytes(damaged)), place
    for end in range(0, len(whole), max(1, len(whole) // 50)):
        assert outcome(make, whole[:end]) == outcome(by_pillow, whole[:end]), end


def test_the_decoder_is_stopped_in_the_midst_of_the_picture():
    data = encoded(scene(2000, 1500), "webp")
    looks = []

    def clock():
        looks.append(1)
        return 0.0

    make(data, SETTINGS, clock=clock)
    assert len(looks) > 30


@pytest.mark.slow
def test_a_hundred_megapixels_are_within_a_small_functions_means():
    data = encoded(Image.new("RGB", (11585, 8632), "teal"), "webp", method=0)
    assert estimate(data, SETTINGS) < 20_000_000


def test_ctypes_is_not_imported_for_a_jpeg(tmp_path):
    for form, imported in (("jpeg", False), ("webp", True)):
        (tmp_path / form).write_bytes(encoded(scene(), form))
        code = (
            "import sys; from pathlib import Path\n"
            "from chalicelib.thumbnails.make import make\n"
            "from chalicelib.config.thumbnails import ThumbnailSettings\n"
            "make(Path(sys.argv[1]).read_bytes(), ThumbnailSettings(sizes=(64,)))\n"
            "print('chalicelib.thumbnails.imaging.libwebp' in sys.modules, 'ctypes' in sys.modules)"
        )
        said = subprocess.run([sys.executable, "-c", code, tmp_path / form], capture_output=True, text=True)
        assert said.stdout.split() == [str(imported)] * 2


@pytest.mark.parametrize("options", OPTIONS)
def test_the_canvas_of_a_webp_is_in_its_first_30_bytes(options):
    assert webp.canvas_size(encoded(scene(211, 97), "webp", **options)[:30]) == (211, 97)


def test_a_claimed_canvas_is_read_as_claimed():
    assert webp.canvas_size(webp_claiming(16384, 9)) == (16384, 9)
    assert webp.canvas_size(b"RIFF") == (0, 0)
