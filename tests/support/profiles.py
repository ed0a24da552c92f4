"""ICC profiles made for the tests."""

from __future__ import annotations

import functools

from PIL import ImageCms


def profile(kind):
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes()


def named_profile(name):
    """sRGB under another name of at most as many letters."""
    data = profile("sRGB")
    called = "sRGB built-in".encode("utf-16-be")
    assert called in data
    return data.replace(called, name.ljust(13)[:13].encode("utf-16-be"))


@functools.cache  # a profile holds the second it was made
def swapped_profile(name="swapped"):
    """sRGB with the red and the blue primary exchanged: a conversion that happened cannot be overlooked."""
    data = bytearray(named_profile(name))
    tags = {
        bytes(data[132 + 12 * i : 136 + 12 * i]): 136 + 12 * i
        for i in range(int.from_bytes(data[128:132], "big"))
    }
    red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
    data[red : red + 8], data[blue : blue + 8] = data[blue : blue + 8], data[red : red + 8]
    return bytes(data)
