"""The quick ways of decoding give what the plain way gives."""

import zlib
from dataclasses import replace

import pytest
from PIL import Image, ImageCms

from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.errors import Reject
from chalicelib.thumbnails.imaging import deadline, header, jpeg, png, webp
from chalicelib.thumbnails.imaging.strategy import choose
from chalicelib.thumbnails.make import make
from dev.pictures import LAID_DOWN, array, decoded, encoded, lanczos, oriented, psnr, scene
from tests.support.profiles import swapped_profile

pytestmark = pytest.mark.slow

SETTINGS = ThumbnailSettings(sizes=(64,), output="png")


def route(data, settings=SETTINGS):
    limit = deadline.Deadline(60)
    image = webp.opened(data, limit) or header.open_image(data, settings.formats, limit)
    return choose(image, data, settings)


def picture(data, settings=SETTINGS):
    return array(decoded(make(data, settings)[0].data))


# --- PNG in strips ---------------------------------------------------------------------------------------


@pytest.fixture(params=["isal", "zlib"])
def inflater(request, monkeypatch):
    """Strips do not depend on isal being there."""
    if request.param == "zlib":
        monkeypatch.setattr(png, "_inflater", zlib.decompressobj)
        monkeypatch.setattr(png, "_DAMAGED", zlib.error)
    else:
        pytest.importorskip("isal")


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
@pytest.mark.parametrize("rows", [1, 7, 100, 301, 1000])
def test_strips_put_together_are_the_picture(mode, rows):
    whole = scene(211, 301).convert(mode)
    if mode in ("LA", "RGBA"):
        whole.putalpha(scene(211, 301).convert("L"))
    data = encoded(whole, "png")
    strips = [strip.crop((0, above, *strip.size)) for strip, above in png.Strips(data, rows)]
    strips = [png.with_alpha(strip) if strip.mode == "RGBX" else strip for strip in strips]
    assert [strip.height for strip in strips[:-1]] == [rows] * (len(strips) - 1)
    together = Image.new(mode, whole.size)
    for number, strip in enumerate(strips):
        together.paste(strip, (0, number * rows))
    if mode == "P":
        together.putpalette(strips[0].getpalette())
    assert together.convert("RGBA").tobytes() == decoded(data).convert("RGBA").tobytes()


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_a_large_png_goes_by_strips_and_looks_the_same(mode):
    data = encoded(scene(1203, 811).convert(mode), "png")
    assert route(data).kind == "strips"
    whole = ThumbnailSettings(sizes=(64,), output="png", accept_truncated=True)
    assert route(data, whole).kind == "whole"
    assert psnr(picture(data), picture(data, whole)) > 45


@pytest.mark.usefixtures("inflater")
def test_damage_and_the_end_of_the_file_are_noticed_in_strips():
    data = bytearray(encoded(scene(1203, 811), "png"))
    with pytest.raises(OSError, match="truncated"):
        list(png.Strips(bytes(data[: len(data) // 2]), 64))
    start = data.index(b"IDAT") + 4
    data[start : start + 2000] = b"\xff" * 2000
    with pytest.raises(OSError, match="broken data stream"):
        list(png.Strips(bytes(data), 64))


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_transparent_colour_is_transparent_in_strips(mode):
    key = (0, 0, 0) if mode == "RGB" else 0
    whole = Image.new(mode, (1200, 800), key)
    if mode == "P":
        whole.putpalette(bytes(range(256)) * 3)
    whole.paste((200, 10, 10) if mode == "RGB" else 200, (600, 0, 1200, 800))
    data = encoded(whole, "png", transparency=key)
    assert route(data).kind == "strips"
    result = decoded(make(data, SETTINGS)[0].data).convert("RGBA")
    assert (result.getpixel((5, 20))[3], result.getpixel((60, 20))[3]) == (0, 255)


def test_a_png_of_which_only_the_lower_half_is_transparent_is_so_in_strips():
    whole = scene(1203, 1811).convert("RGBA")
    whole.putalpha(
        Image.linear_gradient("L").resize(whole.size).point(lambda value: min(255, 510 - 2 * value))
    )
    data = encoded(whole, "png")
    kept = ThumbnailSettings(sizes=(64,), output="png", accept_truncated=True)
    assert (route(data).kind, route(data, kept).kind) == ("strips", "whole")
    ours, whole = picture(data), picture(data, kept)
    assert psnr(ours[..., 3], whole[..., 3]) > 45
    assert psnr(ours[..., :3] * ours[..., 3:] / 255, whole[..., :3] * whole[..., 3:] / 255) > 45
    assert (ours[0, 0, 3], ours[-1, -1, 3] < 20) == (255, True)


def test_what_cannot_be_split_goes_whole():
    deep = encoded(Image.new("I;16", (1200, 800)), "png")
    two_colours = encoded(Image.new("1", (1200, 800)), "png")
    film = encoded(scene(1200, 800), "png", save_all=True, append_images=[scene(1200, 800).rotate(180)])
    for data in (deep, two_colours, film):
        assert route(data).kind == "whole"


# --- progressive JPEG ------------------------------------------------------------------------------------


def progressive(width=1600, height=1200, mode="RGB", **options):
    return encoded(scene(width, height).convert(mode), "jpeg", progressive=True, quality=92, **options)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("size", [64, 128])
def test_a_progressive_jpeg_loses_its_refinements_and_not_its_looks(mode, subsampling, size):
    data = progressive(mode=mode, subsampling=subsampling)
    lighter = jpeg.without_refinements(data, 4)
    assert len(lighter) < 0.7 * len(data)
    settings = ThumbnailSettings(sizes=(size,), output="png")
    assert route(data, settings).shrink >= 4
    reference = lanczos(array(decoded(data).convert("RGB")), size, size * 3 // 4)
    result = array(decoded(make(data, settings)[0].data).convert("RGB"))
    assert psnr(result, reference) > 36


def test_at_half_size_every_scan_is_decoded(monkeypatch):
    monkeypatch.setattr(jpeg, "without_refinements", lambda *_: pytest.fail("left out"))
    data = progressive()
    settings = ThumbnailSettings(sizes=(500,), output="png")
    assert route(data, settings).shrink == 2
    make(data, settings)


def test_other_files_are_left_as_they_are():
    for data in (encoded(scene(), "jpeg"), progressive()[:-2], progressive()[:-5000], b"\xff\xd8\xff", b""):
        assert jpeg.without_refinements(data, 8) is data


def test_a_progressive_jpeg_cut_short_is_refused():
    with pytest.raises(Reject, match="truncated"):
        make(progressive()[:-20000], SETTINGS)


def test_thousands_of_scans_are_refused():
    data = progressive()
    scans = [segment for segment in jpeg.segments(data) if segment.marker in (0xDA, 0x00)]
    last = data[scans[-2].start : scans[-1].end]
    with pytest.raises(Reject, match="more than 100 scans"):
        make(data[:-2] + last * 200 + data[-2:], SETTINGS)


@pytest.mark.parametrize(
    ("subsampling", "sampling"), [(0, ((1, 1), (1, 1), (1, 1))), (2, ((2, 2), (1, 1), (1, 1)))]
)
def test_the_frame_tells_what_the_coefficients_will_take(subsampling, sampling):
    frame = jpeg.read_frame(progressive(1600, 1200, subsampling=subsampling))
    assert (frame.width, frame.height, frame.sampling) == (1600, 1200, sampling)
    assert frame.progressive
    assert frame.buffered
    assert frame.coefficient_bytes() == 1600 * 1200 * 2 * (3 if subsampling == 0 else 1.5)
    plain = jpeg.read_frame(encoded(scene(), "jpeg"))
    assert not plain.buffered
    assert plain.coefficient_bytes() == 0


def test_a_jpeg_whose_sides_eight_does_not_divide_keeps_its_edges():
    data = encoded(scene(1607, 1205), "jpeg", quality=98, subsampling=0)
    settings = ThumbnailSettings(sizes=(101,), output="png")
    assert route(data, settings).shrink == 8
    result = picture(data, settings)
    assert psnr(result, lanczos(array(decoded(data)), result.shape[1], result.shape[0])) > 38


# --- brightness and colour apart -------------------------------------------------------------------------

AS_JPEG = ThumbnailSettings(sizes=(600, 301, 64), jpeg_quality=100)


def planes(image):
    pixels = array(image.convert("RGB").convert("YCbCr"))
    return pixels[..., :1], pixels[..., 1:]


def assert_alike(data, settings=AS_JPEG):
    """A JPEG's thumbnails look as those that were never taken apart."""
    together = make(data, replace(settings, output="png"))
    for jpeg_made, png_made in zip(make(data, settings), together, strict=True):
        assert jpeg_made.format == "jpeg"
        made = decoded(jpeg_made.data)
        expected = decoded(encoded(decoded(png_made.data), "jpeg", quality=100))
        assert made.size == expected.size
        (luma, chroma), (expected_luma, expected_chroma) = planes(made), planes(expected)
        assert psnr(luma, expected_luma) > 42
        assert psnr(chroma, expected_chroma) > 33


@pytest.mark.parametrize("size", [(1200, 800), (1203, 811), (811, 1203)])
@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
def test_brightness_and_colour_reduced_apart_look_the_same(form, size):
    options = {"jpeg": {"quality": 95}, "png": {}, "webp": {"quality": 95}}[form]
    data = encoded(scene(*size), form, **options)
    assert route(data, AS_JPEG).apart
    assert_alike(data)


@pytest.mark.parametrize("number", LAID_DOWN)
def test_what_is_apart_is_turned_together(number):
    assert_alike(oriented(number, "jpeg", scene(1203, 811), quality=95))


def test_a_jpeg_that_holds_rgb_is_decoded_as_such():
    data = encoded(scene(1200, 800), "jpeg", quality=95, keep_rgb=True)
    assert decoded(data).info["adobe_transform"] == 0
    assert route(data, AS_JPEG).apart
    assert_alike(data)


def test_only_what_becomes_a_jpeg_in_its_own_colours_is_taken_apart():
    opaque = encoded(scene(1200, 800), "jpeg")
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert route(encoded(scene(1200, 800), "jpeg", icc_profile=srgb), AS_JPEG).apart
    for data, settings in (
        (opaque, replace(AS_JPEG, output="png")),
        (opaque, replace(AS_JPEG, fit="cover")),
        (opaque, replace(AS_JPEG, linear=True)),
        (encoded(scene(1200, 800), "jpeg", icc_profile=srgb), replace(AS_JPEG, icc="keep")),
        (encoded(scene(1200, 800), "png", icc_profile=swapped_profile()), AS_JPEG),
        (encoded(scene(1200, 800).convert("L"), "jpeg"), AS_JPEG),
        (encoded(scene(1200, 800).convert("CMYK"), "jpeg"), AS_JPEG),
        (encoded(scene(1200, 800).convert("RGBA"), "png"), AS_JPEG),
        (encoded(scene(1200, 800), "png", transparency=(0, 0, 0)), AS_JPEG),
    ):
        assert not route(data, settings).apart


@pytest.mark.parametrize(("sizes", "shrink"), [((256,), 4), ((1024,), 2), ((1100,), 1)])
def test_a_large_box_may_be_reached_with_less_to_spare(sizes, shrink):
    data = encoded(Image.new("RGB", (2048, 1024)), "jpeg")
    assert route(data, ThumbnailSettings(sizes=sizes)).shrink == shrink
