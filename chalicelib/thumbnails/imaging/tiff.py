"""What Pillow takes from a TIFF's tags without a word, or wrongly. Tags: TIFF 6.0, sections 8 to 15."""

from __future__ import annotations

from threading import Lock

from PIL import Image, TiffImagePlugin

from chalicelib.errors import Reject
from chalicelib.thumbnails.imaging.colour import MIN_IS_WHITE
from chalicelib.thumbnails.imaging.deadline import TimedFile

_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _ROWS = 258, 259, 262, 277, 278
_PLANAR, _TILE_WIDTH, _TILE_LENGTH, _SUB_IFDS, _SAMPLE_FORMAT = 284, 322, 323, 330, 339
_SUBFILE, _DNG_VERSION, _ORIENTATION = 254, 50706, 274
_opening = Lock()  # Pillow's switch is one for the process
# What libtiff in Pillow's wheels decodes, by Pillow's names.
_CODECS = {
    "raw", "tiff_ccitt", "group3", "group4", "tiff_lzw", "tiff_jpeg", "jpeg", "tiff_adobe_deflate",
    "tiff_deflate", "packbits", "lzma", "zstd",
}  # fmt: skip


def opened(file: TimedFile) -> TiffImagePlugin.TiffImageFile:
    """Its first picture, not decoded. Raises Reject for what cannot be shown as it is meant."""
    head = file.read(16)
    if head[:4] == b"MM\0+":
        raise Reject("a big-endian BigTIFF is not supported", "unsupported")
    file.seek(0)
    tags = TiffImagePlugin.ImageFileDirectory_v2(head if 43 in head[2:4] else head[:8])
    file.seek(tags.next)
    tags.load(file)
    file.seek(0)
    if _DNG_VERSION in tags or (_number(tags, _SUBFILE, 0) == 1 and _SUB_IFDS in tags):
        raise Reject("a camera's raw picture (a kind of TIFF) is not supported", "unsupported")
    codec = _number(tags, _COMPRESSION, 1)
    name = TiffImagePlugin.COMPRESSION_INFO.get(codec, str(codec))
    bits, kind = _number(tags, _BITS, 1), _number(tags, _SAMPLE_FORMAT, 1)
    said = f"a TIFF of {bits}-bit {'floating-point ' if kind == 3 else ''}channels"
    if name not in _CODECS:
        raise Reject(f"{said} with {name} compression is not supported", "unsupported")
    if bits == 32 and kind == 1:
        raise Reject(f"{said} without a sign is not supported", "unsupported")
    planes = bits == 16 and _number(tags, _PLANAR, 1) == 2
    try:
        with _opening:
            # Pillow reads each plane of 16 bits as one of 8; libtiff knows better.
            TiffImagePlugin.READ_LIBTIFF = planes
            image = TiffImagePlugin.TiffImageFile(file)
    except SyntaxError as error:
        raise Reject(f"{said} is not supported: {error}", "unsupported") from error
    image.info.pop("xmp", None)  # Pillow would turn the picture by it
    if bits > 8 and _number(tags, _PHOTOMETRIC, 1) == 0:
        image.info[MIN_IS_WHITE] = True
    return image


def block_bytes(image: Image.Image) -> int:
    """Bytes of one tile or strip, which is decoded as a whole: its size is not the picture's."""
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    tags = image.tag_v2
    if _TILE_WIDTH in tags:
        width, height = _number(tags, _TILE_WIDTH, 1), _number(tags, _TILE_LENGTH, 1)
    else:
        width, height = image.width, min(image.height, _number(tags, _ROWS, image.height))
    bits = _number(tags, _SAMPLES, 4) * _number(tags, _BITS, 8)
    return width * height * max(4, -(-bits // 8))


def odd_orientation(image: Image.Image) -> int:
    """The orientation where it is stored as a BYTE: Pillow turns a picture by a SHORT alone."""
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    value = image.tag_v2.get(_ORIENTATION)
    return value[0] if isinstance(value, bytes) and value else 1


def _number(tags: TiffImagePlugin.ImageFileDirectory_v2, tag: int, default: int) -> int:
    """The largest of a tag's numbers."""
    value = tags.get(tag, default)
    numbers = [int(each) for each in (value if isinstance(value, tuple) else (value,)) if each is not None]
    return max(numbers, default=default)
