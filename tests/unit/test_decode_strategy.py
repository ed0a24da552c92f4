"""The quick ways of decoding give what the plain way gives."""

import zlib

import numpy as np
import pytest
from PIL import Image

from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.errors import Reject
from chalicelib.thumbnails.imaging import colour, deadline, header, jpeg, png, resample
from chalicelib.thumbnails.make import make, opened
from dev.pictures import array, decoded, encoded, lanczos, psnr, scene

pytestmark = pytest.mark.slow

SETTINGS = ThumbnailSettings(sizes=(64,), output="png")


def route(data, settings=SETTINGS):
    return opened(data, settings).route


def header_of(data):
    return header.open_image(data, ("png",), deadline.Deadline(60))


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
    strips = [strip.crop((0, above, *strip.size)) for strip, above in png.strips(data, rows, header_of(data))]
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
        list(png.strips(bytes(data[: len(data) // 2]), 64, header_of(bytes(data))))
    start = data.index(b"IDAT") + 4
    data[start : start + 2000] = b"\xff" * 2000
    with pytest.raises(OSError, match="broken data stream"):
        list(png.strips(bytes(data), 64, header_of(bytes(data))))


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


# --- resampling ------------------------------------------------------------------------------------------


@pytest.fixture(params=["vectors", "Pillow"])
def resampler(request, monkeypatch):
    """arm64 has no wheel of the vectors; Pillow does the same there."""
    if request.param == "Pillow":
        monkeypatch.setattr(resample, "has_vectors", lambda: False)
    elif not resample.has_vectors():
        pytest.skip("no vectors here")


@pytest.mark.usefixtures("resampler")
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "CMYK", "F"])
@pytest.mark.parametrize("part", [None, (0.4, 1.25, 1201.5, 800.0)])
def test_both_resamplers_agree_with_lanczos_in_double_precision(mode, part):
    whole = scene(1203, 811).convert(mode)
    if mode in ("LA", "RGBA"):
        whole.putalpha(Image.linear_gradient("L").resize(whole.size))
    whole = colour.premultiplied(whole)
    made = resample.resized(whole, (101, 68), part)
    assert (made.mode, made.size) == (whole.mode, (101, 68))
    expected = whole.convert(whole.mode).resize((101, 68), Image.Resampling.LANCZOS, box=part)
    assert psnr(raw(made), raw(expected)) > 50
    if part is None and mode in ("L", "RGB"):
        exact = np.clip(lanczos(array(whole).reshape(811, 1203, -1), 101, 68), 0, 255)
        assert psnr(array(made).reshape(68, 101, -1), exact) > 50


@pytest.mark.usefixtures("resampler")
def test_alpha_is_multiplied_in_and_out_alike():
    values = np.random.default_rng(1).integers(0, 256, (67, 101, 4), dtype=np.uint8)
    image = Image.fromarray(values, "RGBA")
    made, expected = colour.premultiplied(image), image.convert("RGBa")
    assert made.mode == "RGBa"
    assert (raw(made) == raw(expected)).all()
    again = colour.straight(made)
    assert again.mode == "RGBA"
    assert np.abs(raw(again) - raw(expected.convert("RGBA"))).max() <= 1


@pytest.mark.usefixtures("resampler")
def test_both_resamplers_agree_when_they_are_soft():
    whole = scene(1203, 811).convert("L")
    expected = whole.resize((101, 68), Image.Resampling.BICUBIC)
    assert psnr(raw(resample.resized(whole, (101, 68), soft=True)), raw(expected)) > 50


def raw(image):
    return np.frombuffer(image.tobytes(), np.float32 if image.mode == "F" else np.uint8).astype(np.float64)


def test_what_keeps_its_size_is_not_touched():
    whole = scene(60, 40)
    assert resample.resized(whole, (60, 40)) is whole
    assert resample.resized(whole, (60, 40), (0, 0, 60, 40)) is whole


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(
    ("width", "shrink"), [(1500, 1), (3071, 1), (3072, 2), (5119, 2), (5120, 4), (10239, 4), (12288, 8)]
)
def test_libjpeg_halves_down_to_one_and_a_half_times_the_thumbnail_and_quarters_a_little_earlier(
    width, shrink, progressive
):
    data = encoded(Image.new("RGB", (width, width // 3)), "jpeg", progressive=progressive)
    assert route(data, ThumbnailSettings(sizes=(1024, 64))).shrink == shrink


def test_a_progressive_jpeg_goes_to_an_eighth_a_little_earlier():
    for progressive in (False, True):
        data = encoded(Image.new("RGB", (10240, 2560)), "jpeg", progressive=progressive)
        assert route(data, ThumbnailSettings(sizes=(1024,))).shrink == (8 if progressive else 4)


def test_a_small_webp_is_reduced_to_twice_its_size_and_a_large_one_to_its_own():
    data = encoded(scene(1300, 900), "webp")
    for output in ("jpeg", "png"):
        assert route(data, ThumbnailSettings(sizes=(256,), output=output)).scaled == (512, 354)
        assert route(data, ThumbnailSettings(sizes=(1024, 256), output=output)).scaled == (1024, 709)


@pytest.mark.usefixtures("resampler")
def test_a_webp_is_decoded_in_planes_where_they_are_a_jpegs_small_enough_and_reduced_with_vectors():
    lossy, lossless = (encoded(scene(1300, 900), "webp", lossless=lossless) for lossless in (False, True))

    def kind(data, **settings):
        return route(data, ThumbnailSettings(**settings)).kind

    assert kind(lossy) == kind(lossy, output="jpeg") == ("planes" if resample.has_vectors() else "scaled")
    assert kind(lossy, memory_budget=9_000_000) == "scaled"
    assert kind(lossy, output="png") == kind(lossy, output="avif") == kind(lossless) == "scaled"


@pytest.mark.parametrize("sizes", [(600, 301, 64), (64,)])
@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
def test_the_jpeg_delivered_is_close_to_the_original_in_brightness_and_colour(form, sizes):
    options = {"jpeg": {"quality": 95}, "png": {}, "webp": {"quality": 95}}[form]
    data = encoded(scene(1203, 811), form, **options)
    for each in make(data, ThumbnailSettings(sizes=sizes, jpeg_quality=100)):
        exact = np.clip(lanczos(array(decoded(data).convert("RGB")), each.width, each.height), 0, 255)
        best = decoded(encoded(Image.fromarray(np.round(exact).astype(np.uint8)), "jpeg", quality=100))
        for ours, expected in zip(
            decoded(each.data).convert("YCbCr").split(), best.convert("YCbCr").split(), strict=True
        ):
            assert psnr(array(ours), array(expected)) > (34 if form == "webp" else 38)


# --- a JPEG that lacks its end ---------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 2}])
@pytest.mark.parametrize("sizes", [(64,), (500,)])
def test_a_jpeg_that_lacks_only_its_end_marker_is_made(options, sizes):
    data = encoded(scene(1200, 800), "jpeg", **options)
    settings = ThumbnailSettings(sizes=sizes, output="png")
    # The one is decoded whole, so that every pixel tells whether more is missing.
    assert psnr(picture(data[:-2], settings), picture(data, settings)) > 30


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("missing", [40, 3000])
def test_a_jpeg_that_lacks_more_is_refused(options, missing):
    data = encoded(scene(1200, 800), "jpeg", **options)
    with pytest.raises(Reject, match="truncated"):
        make(data[:-missing], ThumbnailSettings(sizes=(900,), output="png"))


@pytest.mark.parametrize("stray", [b"\0", b"\0\x12\x34", b"\xff\xff\xff", b"\xff\xd3"])
def test_the_parser_finds_the_frame_that_libjpeg_finds(stray):
    data = progressive(400, 300)
    frame = data.index(b"\xff\xc2")
    odd = data[:frame] + stray + data[frame:]
    assert jpeg.read_frame(odd) == jpeg.read_frame(data)
    assert decoded(odd).size == (400, 300), "libjpeg finds it"


def test_where_no_frame_is_found_as_much_is_reckoned_as_there_can_be():
    assert jpeg.coefficient_bytes(b"\xff\xd8", (100, 50), 3) == 2 * 3 * 100 * 50
