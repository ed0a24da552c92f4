"""A picture in some 25 bytes. The expected hashes are those of the format's own program (npm thumbhash 0.1.1)."""

import base64

import pytest
from PIL import Image

from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.thumbnails.make import make
from chalicelib.thumbnails.thumbhash import encoded, thumbhash
from dev.pictures import encoded as file_of
from dev.pictures import scene


def see_through():
    picture = scene(600, 400).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture


def at(picture, size):
    """Small, by a reduction that needs none of the code under test."""
    if picture.mode != "RGBA":
        return picture.resize(size, Image.Resampling.BOX)
    return picture.convert("RGBa").resize(size, Image.Resampling.BOX).convert("RGBA")


REFERENCE = {
    "landscape": (scene(600, 400), (100, 67), "HygKNZqAh4eSiXiIiHiId4DVOPqY"),
    "portrait": (scene(400, 600), (67, 100), "HygKNRqAh5GIh4h4iHd3h4DWOPqY"),
    "square": (scene(300, 300), (60, 60), "3ycKNxqAh4iRiHiIeHiIeHeHB2d8o48J"),
    "wide": (scene(500, 100), (100, 20), "HygKMZpwd3eSiYiHkNU3+pg="),
    "see-through": (see_through(), (60, 40), "ItiFK4g3cIe0iHpg1wjrWXh4cIiIeIg="),
}


def differences(one, other):
    """How far apart the half bytes are."""
    return [
        abs(a - b) for x, y in zip(one, other, strict=True) for a, b in ((x & 15, y & 15), (x >> 4, y >> 4))
    ]


@pytest.mark.parametrize("name", REFERENCE)
def test_the_hash_is_the_reference_programs(name):
    picture, size, expected = REFERENCE[name]
    made = encoded(at(picture, size))
    # Eight bits between our channels and its floating-point ones: a wave may be rounded to its neighbour.
    assert max(differences(made, base64.b64decode(expected))) <= 1


def test_few_pixels_are_enough():
    whole, few = (encoded(at(scene(600, 400), size)) for size in ((100, 67), (24, 16)))
    assert sum(map(bool, differences(whole, few))) <= 3


def test_pictures_of_every_mode_have_one():
    for mode in ("L", "LA", "RGB", "RGBA"):
        picture = scene(60, 40).convert(mode)
        assert 20 <= len(base64.b64decode(thumbhash(picture))) <= 25
    clear = Image.new("RGBA", (9, 7), (255, 0, 0, 0))
    assert thumbhash(clear)
    assert thumbhash(Image.new("RGB", (1, 1), "red"))


def test_all_sizes_of_a_picture_carry_the_same_one():
    made = make(file_of(scene(), "png"), ThumbnailSettings(sizes=(200, 30)))
    assert made[0].thumbhash == made[1].thumbhash
    expected = thumbhash(scene(600, 400).resize((30, 20), Image.Resampling.LANCZOS))
    assert max(differences(*map(base64.b64decode, (made[0].thumbhash, expected)))) <= 1
