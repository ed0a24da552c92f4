"""HEIC as phones write it: turned, in tiles, of ten bits, with depth and in bursts. The files are made by
pillow-heif, whose encoder is not deployed, and what it cannot write by hand (tests/support/heif.py)."""

import functools
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from chalicelib.config.thumbnails import FORMATS, ThumbnailSettings
from chalicelib.errors import Reject
from chalicelib.thumbnails.make import make
from dev.pictures import LAID_DOWN, array, decoded, encoded, psnr, scene
from tests.support.profiles import swapped_profile

pillow_heif = pytest.importorskip("pillow_heif")
from tests.support import heif  # noqa: E402  it needs pillow-heif

pytestmark = pytest.mark.slow
SMALL = ThumbnailSettings(sizes=(60,), output="png")
WHOLE = ThumbnailSettings(sizes=(4096,), output="png", formats=FORMATS)
HEIC = ThumbnailSettings(sizes=(60,), output="png", formats=FORMATS)


def pixels(data, settings=HEIC):
    return array(decoded(make(data, settings)[0].data).convert("RGBA"))


def refused(data, settings=HEIC):
    with pytest.raises(Reject) as error:
        make(data, settings)
    return error.value.reason


def heic(picture, **options):
    out = io.BytesIO()
    pillow_heif.from_pillow(picture).save(out, quality=95, **options)
    return out.getvalue()


def test_heic_is_off_and_its_reason_says_how_it_is_switched_on():
    reason = refused(heic(scene(64, 48)), ThumbnailSettings())
    assert reason.startswith("heic is not among the formats taken (jpeg")
    assert reason.endswith("; add heic to THUMBNAIL_FORMATS")


def test_a_heic_is_made_where_it_is_taken():
    (made,) = make(heic(scene(300, 200)), HEIC)
    assert (made.width, made.height) == (60, 40)
    assert psnr(array(decoded(made.data)), pixels(encoded(scene(300, 200), "png"), SMALL)[..., :3]) > 30


@pytest.mark.parametrize("number", range(1, 9))
def test_a_heic_is_turned_once(number):
    exif = Image.Exif()
    exif[0x0112] = number
    picture = scene(300, 200)
    if number in LAID_DOWN:
        picture = picture.transpose(LAID_DOWN[number])
    (made,) = make(heic(picture, exif=exif.tobytes()), HEIC)
    assert (made.width, made.height) == (60, 40)
    assert psnr(array(decoded(made.data)), pixels(encoded(scene(300, 200), "png"), SMALL)[..., :3]) > 28


def test_the_profile_and_the_code_points_of_a_heic_count():
    red = Image.new("RGB", (64, 64), (255, 0, 0))
    red.info["icc_profile"] = swapped_profile()
    assert np.abs(pixels(heic(red))[30, 30] - (0, 0, 255, 255)).max() <= 6
    p3 = Image.new("RGB", (64, 64), (234, 51, 35))
    made = pixels(heic(p3, color_primaries=12, transfer_characteristics=13, matrix_coefficients=6))
    assert np.abs(made[30, 30] - (255, 0, 0, 255)).max() <= 8


def test_alpha_and_a_second_picture_of_a_heic():
    see_through = scene(300, 200).convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(see_through.size))
    made = pixels(heic(see_through))
    assert made[2, 30, 3] < 20 < 230 < made[-2, 30, 3]
    burst = pillow_heif.from_pillow(Image.new("RGB", (64, 64)))
    burst.add_from_pillow(scene(300, 200))
    out = io.BytesIO()
    burst.save(out, primary_index=1)
    assert pixels(out.getvalue()).shape == (40, 60, 4), "its primary picture"


def test_a_heic_over_the_budget_is_refused_before_any_pixel():
    small = ThumbnailSettings(sizes=(60,), formats=FORMATS, memory_budget=2_000_000)
    assert refused(heic(scene(600, 400)), small).startswith("600 x 400 pixels would take")


def test_a_damaged_heic_is_refused():
    data = heic(scene(300, 200))
    assert refused(data[: len(data) // 2])


def test_ten_bits_become_eight():
    values = array(scene(300, 200)).astype(np.uint16) * 257
    out = io.BytesIO()
    pillow_heif.encode("RGB;16", (300, 200), values.tobytes(), out, quality=95)
    data = out.getvalue()
    assert data[data.index(b"pixi") + 8 :][:4] == b"\x03\x0a\x0a\x0a", "three channels of ten bits"
    assert psnr(pixels(data, WHOLE)[..., :3], array(scene(300, 200))) > 36


@functools.cache
def tiles(width, height, side=256):
    """The scene in tiles, row by row; the last ones are filled up with black."""
    picture = scene(width, height)
    return [
        heif.encoded(picture.crop((left, top, left + side, top + side)))
        for top in range(0, picture.height, side)
        for left in range(0, picture.width, side)
    ]


@pytest.mark.parametrize("settings", [WHOLE, HEIC])
def test_tiles_are_put_together(settings):
    whole = scene(600, 400)
    data = heif.heif([*tiles(*whole.size), heif.grid(3, 2, whole.size, range(1, 7))], primary=7)
    (made,) = make(data, settings)
    assert (made.width, made.height) == (whole.size if settings is WHOLE else (60, 40))
    expected = whole.resize((made.width, made.height), Image.Resampling.LANCZOS)
    assert psnr(array(decoded(made.data)), array(expected)) > 38


@pytest.mark.parametrize(
    ("size", "numbers", "reason"),
    [
        ((60000, 60000), range(1, 7), "60000 ?x ?60000"),
        ((600, 4000), range(1, 7), "Grid tiles do not cover whole image"),
        ((600, 400), range(1, 6), "only 5 tile images in file|its primary picture cannot be read"),
        ((600, 400), (1, 2, 3, 4, 5, 9), "Tile image ID=9 is not a proper image"),
        ((600, 400), (1, 2, 3, 4, 5, 7), "damaged or unsupported"),  # a grid of itself
    ],
)
def test_tiles_that_do_not_make_a_picture_are_refused(size, numbers, reason):
    data = heif.heif([*tiles(600, 400), heif.grid(3, 2, size, numbers)], primary=7)
    assert re.search(reason, refused(data))  # the two pinned versions differ


def test_a_depth_map_beside_the_picture_changes_nothing():
    depth = heif.encoded(Image.linear_gradient("L").resize((150, 100)).convert("RGB"))
    beside = replace(depth, auxiliary=b"urn:mpeg:hevc:2015:auxid:2", refers=((b"auxl", (1,)),))
    alone, with_depth = (
        heif.heif([heif.encoded(scene(300, 200)), *more], primary=1) for more in ((), (beside,))
    )
    assert (pixels(with_depth) == pixels(alone)).all()


def test_of_a_burst_the_primary_picture_is_shown():
    shots = [scene(300, 200).rotate(90 * number) for number in range(4)]
    burst = [heif.encoded(shot) for shot in shots]
    for primary in (1, 3, 4):
        made = pixels(heif.heif(burst, primary), WHOLE)
        close = [psnr(made[..., :3], array(shot)) for shot in shots]
        assert int(np.argmax(close)) == primary - 1
        assert max(close) > 35


def test_a_sequence_without_a_still_is_refused_by_its_name():
    head = heif.box(b"ftyp", b"hevc", bytes(4), b"msf1hevc")
    data = head + heif.box(b"moov", heif.box(b"mvhd", bytes(100))) + heif.box(b"mdat", bytes(100))
    assert refused(data) == "a HEIC sequence without a still picture is not supported"
