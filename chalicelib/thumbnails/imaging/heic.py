"""HEIC, by libheif in pi-heif's wheel: loaded with the first one, and only where the settings take it.

It turns and cuts the picture itself (irot, imir, clap), puts tiles together and brings 10 bits down to 8.
Of a burst, or a picture with depth, the primary image is shown.
"""

from __future__ import annotations

from PIL import ImageFile

from chalicelib.errors import Reject
from chalicelib.thumbnails.imaging import bmff
from chalicelib.thumbnails.imaging.deadline import Deadline, TimedFile


def opened(data: bytes, deadline: Deadline) -> ImageFile.ImageFile:
    """The primary image, not decoded. Raises Reject where there is none, or pi-heif is not installed."""
    try:
        import pi_heif
    except ImportError as error:
        raise Reject("heic cannot be decoded here: pi-heif is not installed", "unsupported") from error
    if bmff.is_sequence(data):
        raise Reject("a HEIC sequence without a still picture is not supported", "unsupported")
    pi_heif.options.THUMBNAILS = False
    pi_heif.options.DECODE_THREADS = 1  # a function of 512 MB has a third of a processor
    image: ImageFile.ImageFile = pi_heif.HeifImageFile(TimedFile(data, deadline))
    if not image.info["primary"]:  # libheif 1.23 leaves out what it cannot read, and pi-heif shows another
        raise Reject("damaged or unsupported: its primary picture cannot be read", "damaged")
    return image
