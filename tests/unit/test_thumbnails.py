"""Right in every orientation, mode and format, against references that share no code with the engine."""

import numpy as np
import pytest
from PIL import Image

from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.thumbnails.imaging import resample
from chalicelib.thumbnails.imaging.jpeg import segments
from chalicelib.thumbnails.make import estimate, make
from dev.pictures import array, decoded, encoded, lanczos, light, oriented, psnr, scene, unlight
from tests.support.profiles import profile, swapped_profile

FORMATS = ("jpeg", "png", "webp", "avif", "tiff")


def one(data, size=96, **settings):
    """The only thumbnail, and its picture."""
    (thumbnail,) = make(data, ThumbnailSettings(sizes=(size,), **settings))
    return thumbnail, decoded(thumbnail.data)


def lossless(data, size=96, **settings):
    """Its pixels as they were before encoding."""
    return one(data, size, output="png", **settings)[1]


@pytest.fixture(scope="module")
def expected():
    """The scene at 96 x 64 by the reference."""
    return lanczos(array(scene()), 96, 64)


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("form", FORMATS)
def test_every_orientation_comes_out_upright(form, number, expected):
    picture = lossless(oriented(number, form))
    assert picture.size == (96, 64)
    assert psnr(array(picture), expected) > 32


@pytest.mark.parametrize("number", range(1, 9))
def test_an_oriented_png_read_in_strips_comes_out_upright(number):
    big = scene(1200, 800)
    picture = lossless(oriented(number, "png", big))
    assert psnr(array(picture), lanczos(array(big), 96, 64)) > 40


@pytest.mark.parametrize("number", [0, 9, 77])
def test_an_orientation_that_makes_no_sense_is_none(number, expected):
    assert psnr(array(lossless(oriented(number, "jpeg"))), expected) > 32


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_the_reduction_agrees_with_lanczos_in_double_precision(form):
    big = scene(1500, 1000)
    data = encoded(big, form, **({"quality": 95} if form in ("jpeg", "webp", "avif") else {}))
    reference = lanczos(array(decoded(data).convert("RGB")), 128, 85)
    assert psnr(array(lossless(data, 128)), reference) > (36 if form == "jpeg" else 40)


def test_linear_light_agrees_with_the_reference_in_linear_light():
    dots = np.zeros((400, 600, 3), np.uint8)
    dots[::2, ::2] = 255
    dots[:, 300:] //= 2
    data = encoded(Image.fromarray(dots, "RGB"), "png")
    right = unlight(lanczos(light(array(decoded(data))), 96, 64))
    assert psnr(array(lossless(data, linear=True)), right) > 45
    assert psnr(array(lossless(data)), right) < 15, "the default averages sRGB values, which is darker here"


def test_linear_light_weighs_colours_by_their_alpha():
    picture = Image.new("RGBA", (64, 64), (255, 0, 0, 255))
    picture.paste((0, 255, 0, 0), (0, 0, 64, 31))
    result = array(lossless(encoded(picture, "png"), 8, linear=True))
    assert (result[:, :, 1] < 3).all(), "transparent green does not bleed"


@pytest.mark.parametrize("size", [(600, 400), (1200, 1200)])
def test_the_colour_of_transparent_pixels_does_not_bleed(size):
    picture = Image.new("RGBA", size, (255, 0, 0, 255))
    picture.paste((0, 255, 0, 0), (0, 0, size[0] // 2 - 3, size[1]))
    result = array(lossless(encoded(picture, "png"), 50))
    assert (result[:, :, 1][result[:, :, 3] > 8] < 6).all()
    assert (result[:, -1] == (255, 0, 0, 255)).all()


MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16", "I", "F"]


def in_mode(mode):
    """The scene in `mode`, in a file format that can hold it."""
    picture = scene()
    if mode == "PA":
        return encoded(picture.convert("RGBA").quantize(64), "png")
    if mode in ("I;16", "I", "F"):
        grey = np.asarray(picture.convert("L"))
        types = {"I;16": np.uint16(257), "I": np.int32(1000), "F": np.float32(0.01)}
        return encoded(Image.fromarray(grey * types[mode]), "png" if mode == "I;16" else "tiff")
    return encoded(picture.convert(mode), "tiff" if mode == "CMYK" else "png")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("output", ["jpeg", "png", "webp", "avif"])
def test_every_mode_looks_alike_in_every_output(mode, output, expected):
    _, picture = one(in_mode(mode), output=output)
    assert picture.size == (96, 64)
    grey = expected @ [0.299, 0.587, 0.114]
    assert psnr(array(picture.convert("L")), grey) > (20 if mode == "1" else 26)


def test_sixteen_bits_keep_their_white_and_their_middle():
    steps = np.repeat(np.array([0, 32896, 65535], np.uint16), 100)[None, :].repeat(300, axis=0)
    picture = array(lossless(encoded(Image.fromarray(steps), "png"), 30))
    assert [picture[15, x] for x in (3, 15, 26)] == [0, 128, 255]


def test_adobe_cmyk_is_not_inverted(expected):
    data = encoded(scene().convert("CMYK"), "jpeg", quality=95)
    assert b"Adobe" in data
    assert psnr(array(lossless(data).convert("RGB")), expected) > 28


def test_a_transparent_colour_is_transparent_in_grey_rgb_and_palette():
    for mode, key in (("L", 0), ("RGB", (0, 0, 0)), ("P", 0)):
        picture = Image.new(mode, (300, 300), key)
        picture.paste(200 if mode == "L" else 7 if mode == "P" else (200, 0, 0), (150, 0, 300, 300))
        result = lossless(encoded(picture, "png", transparency=key), 30).convert("RGBA")
        assert result.getpixel((3, 15))[3] == 0
        assert result.getpixel((26, 15))[3] == 255


def test_alpha_is_kept_where_the_output_can_and_flattened_where_it_cannot():
    picture = scene().convert("RGBA")
    picture.putalpha(0)
    data = encoded(picture, "png")
    assert one(data)[0].format == "webp"
    for output in ("webp", "png", "avif"):
        assert one(data, output=output)[1].getchannel("A").getextrema() == (0, 0)
    flat = one(data, output="jpeg", background=(10, 200, 30))[1]
    assert np.abs(array(flat) - (10, 200, 30)).max() <= 3


def test_an_alpha_channel_that_hides_nothing_makes_a_jpeg():
    assert one(encoded(scene().convert("RGBA"), "png"))[0].format == "jpeg"


def test_the_description_fits_the_bytes():
    for output in ("jpeg", "png", "webp", "avif"):
        thumbnail, picture = one(encoded(scene(), "png"), output=output)
        assert picture.format == output.upper()
        assert (thumbnail.size, thumbnail.width, thumbnail.height) == (96, *picture.size)
        assert (thumbnail.format, thumbnail.content_type) == (output, f"image/{output}")
        assert thumbnail.extension == ("jpg" if output == "jpeg" else output)


def test_sizes_come_in_the_order_asked_for_and_are_never_enlarged():
    made = make(encoded(scene(), "png"), ThumbnailSettings(sizes=(64, 2000, 300)))
    assert [(each.size, each.width, each.height) for each in made] == [
        (64, 64, 43),
        (2000, 600, 400),
        (300, 300, 200),
    ]


@pytest.mark.parametrize("linear", [False, True])
def test_cover_fills_the_box_with_the_middle(linear):
    stripes = Image.new("RGB", (600, 200), (255, 0, 0))
    stripes.paste((0, 0, 255), (200, 0, 400, 200))
    data = encoded(stripes, "png")
    made = make(data, ThumbnailSettings(sizes=(50, 100, 400), fit="cover", output="png", linear=linear))
    assert [(each.width, each.height) for each in made] == [(50, 50), (100, 100), (400, 200)]
    for each in made[:2]:
        assert np.abs(array(decoded(each.data))[:, 3:-3] - (0, 0, 255)).max() <= 2


def test_one_pixel_wide_and_ten_thousand_long_still_has_a_pixel_across():
    made = make(encoded(Image.new("RGB", (1, 10000)), "png"), ThumbnailSettings(sizes=(100, 999)))
    assert [(each.width, each.height) for each in made] == [(1, 100), (1, 999)]


@pytest.mark.slow
@pytest.mark.parametrize("vectors", [True, False])
@pytest.mark.parametrize(
    ("whole", "sizes"), [((1500, 1000), (300, 150, 75)), ((1499, 957), (403, 101)), ((1499, 957), (801, 83))]
)
def test_each_size_agrees_with_the_reference(whole, sizes, vectors, monkeypatch):
    """Also where the next larger one ends in part of a block."""
    if not vectors:
        monkeypatch.setattr(resample, "has_vectors", lambda: False)
    big = scene(*whole)
    made = make(encoded(big, "png"), ThumbnailSettings(sizes=sizes, output="png"))
    for each in made:
        reference = lanczos(array(big), each.width, each.height)
        assert psnr(array(decoded(each.data)), reference) > 38


# --- colour profiles -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "alpha"), [("jpeg", False), ("png", False), ("png", True), ("webp", False), ("webp", True)]
)
def test_a_profile_is_converted_to_srgb_and_gone(form, alpha):
    picture = Image.new("RGBA" if alpha else "RGB", (600, 400), (255, 0, 0, 128)[: 4 if alpha else 3])
    result = lossless(encoded(picture, form, icc_profile=swapped_profile()))
    assert np.abs(array(result.convert("RGBA"))[30, 30][:3] - (0, 0, 255)).max() <= 4
    assert "icc_profile" not in result.info


@pytest.mark.parametrize("output", ["jpeg", "png", "webp", "avif"])
def test_a_profile_is_kept_with_its_colours_where_asked(output):
    data = encoded(Image.new("RGB", (600, 400), (255, 0, 0)), "png", icc_profile=swapped_profile())
    _, picture = one(data, output=output, icc="keep")
    assert picture.info["icc_profile"] == swapped_profile()
    assert picture.convert("RGB").getpixel((30, 30))[0] > 240


# Named, for a profile holds the second in which it was made: two workers would not find the same tests.
@pytest.mark.parametrize(
    "broken", [b"no profile", profile("LAB"), profile("sRGB")[:200]], ids=["none", "of Lab", "cut off"]
)
def test_a_broken_or_foreign_profile_counts_as_none(broken):
    data = encoded(Image.new("RGB", (600, 400), (255, 0, 0)), "png", icc_profile=broken)
    for icc in ("srgb", "keep"):
        assert lossless(data, icc=icc).getpixel((30, 30)) == (255, 0, 0)


# --- metadata --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["jpeg", "png", "webp", "tiff"])
@pytest.mark.parametrize("output", ["jpeg", "png", "webp", "avif"])
def test_no_metadata_goes_along_least_of_all_the_place(form, output):
    exif = Image.Exif()
    exif[0x010F] = "SECRETCAMERA"
    exif.get_ifd(0x8825)[1] = "SECRETPLACE"
    options = {"comment": b"SECRETCOMMENT"} if form == "jpeg" else {}
    if form in ("jpeg", "webp"):
        options["xmp"] = b"<x:xmpmeta SECRETXMP/>"
    data = encoded(scene(), form, exif=exif, **options)
    assert b"SECRETCAMERA" in data
    thumbnail, picture = one(data, output=output)
    assert b"SECRET" not in thumbnail.data
    assert not picture.getexif()


# --- animation -------------------------------------------------------------------------------------------


def film(form, frames=4):
    shades = [Image.new("RGB", (300, 200), (60 * i, 255 - 60 * i, 40)) for i in range(frames)]
    return encoded(
        shades[0],
        form,
        save_all=True,
        append_images=shades[1:],
        duration=[100, 200, 300, 400][:frames],
        loop=0,
    )


@pytest.mark.parametrize("form", ["gif", "webp", "png"])
def test_an_animation_moves_on_at_its_own_pace(form):
    for thumbnail in make(film(form), ThumbnailSettings(sizes=(60, 30))):
        picture = decoded(thumbnail.data)
        assert (thumbnail.format, picture.size) == ("webp", (thumbnail.size, thumbnail.size * 2 // 3))
        assert picture.n_frames == 4
        assert picture.info["loop"] == 0
        for number, duration in enumerate((100, 200, 300, 400)):
            picture.seek(number)
            shown = array(picture.convert("RGB"))[10, 10]
            assert np.abs(shown - (60 * number, 255 - 60 * number, 40)).max() < 12
            assert picture.info["duration"] == duration


@pytest.mark.parametrize("settings", [{"animation": "first"}, {"output": "jpeg"}, {"output": "png"}])
def test_where_it_may_not_or_cannot_move_the_first_frame_stands(settings):
    thumbnail, picture = one(film("gif"), 60, **settings)
    assert not getattr(picture, "is_animated", False)
    assert np.abs(array(picture.convert("RGB"))[10, 10] - (0, 255, 40)).max() < 6
    assert thumbnail.format == settings.get("output", "jpeg")


def test_an_animation_over_the_budget_shows_its_first_frame():
    data = film("gif")
    enough_for_one = estimate(data, ThumbnailSettings(sizes=(60,), animation="first"))
    assert one(data, 60, memory_budget=enough_for_one)[0].format == "jpeg"


def tables(data):
    """The Huffman tables of a JPEG."""
    return [data[each.start : each.end] for each in segments(data) if each.marker == 0xC4]


STANDARD = tables(encoded(scene(), "jpeg"))


@pytest.mark.parametrize("sizes", [(600, 200), (600, 40), (600,)])
def test_a_smooth_jpeg_has_huffman_tables_of_its_own_in_every_size(sizes):
    for smooth in (Image.radial_gradient("L").resize((1200, 800)).convert("RGB"), scene(1200, 800)):
        made = make(encoded(smooth, "png"), ThumbnailSettings(sizes=sizes, output="jpeg"))
        assert all(tables(each.data) != STANDARD for each in made)


def test_a_busy_jpeg_has_them_in_its_smallest_size_alone():
    noise = Image.effect_noise((1200, 800), 90).convert("RGB")
    made = make(encoded(noise, "png"), ThumbnailSettings(sizes=(200, 600, 400), output="jpeg"))
    assert [tables(each.data) == STANDARD for each in made] == [False, True, True]
