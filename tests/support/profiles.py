"""ICC profiles made for the tests."""

from __future__ import annotations

import functools

from PIL import ImageCms


def profile(kind):
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes()


@functools.cache  # a profile holds the second it was made
def swapped_profile():
    """sRGB with the red and the blue primary exchanged: a conversion that happened cannot be overlooked."""
    data = bytearray(profile("sRGB"))
    tags = {
        bytes(data[132 + 12 * i : 136 + 12 * i]): 136 + 12 * i
        for i in range(int.from_bytes(data[128:132], "big"))
    }
    red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
    data[red : red + 8], data[blue : blue + 8] = data[blue : blue + 8], data[red : red + 8]
    return bytes(data).replace("sRGB".encode("utf-16-be"), "GRBs".encode("utf-16-be"))
