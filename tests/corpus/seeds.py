"""Small sound pictures of every format and kind, for mutants to be made of."""

from __future__ import annotations

import io
from collections.abc import Iterator

from PIL import Image

from dev.pictures import encoded, scene


def seeds() -> Iterator[tuple[str, bytes]]:
    """(name, contents). The names are the formats that the setting knows, and what is special."""
    photo = scene(72, 56)
    alpha = photo.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(photo.size))
    film = [photo, photo.rotate(90), photo.rotate(180)]
    moving = {"save_all": True, "append_images": film[1:], "duration": 80, "loop": 0}
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "jpeg", encoded(photo, "jpeg", exif=exif)
    yield "jpeg progressive", encoded(photo, "jpeg", progressive=True, quality=90)
    yield "jpeg cmyk", encoded(photo.convert("CMYK"), "jpeg", progressive=True)
    yield "jpeg restarts", encoded(photo, "jpeg", restart_marker_rows=1)
    for name, picture in (
        ("rgb", photo),
        ("rgba", alpha),
        ("palette", photo.quantize(32)),
        ("grey", photo.convert("L")),
    ):
        yield f"png {name}", encoded(picture, "png")
    yield "png 16", encoded(Image.new("I;16", photo.size, 30000), "png")
    yield "png moving", encoded(film[0], "png", **moving)
    yield "png transparent colour", encoded(photo.convert("L"), "png", transparency=30)
    yield "gif", encoded(photo.quantize(32), "gif")
    yield "gif moving", encoded(film[0], "gif", disposal=2, **moving)
    yield "webp", encoded(photo, "webp")
    yield "webp lossless", encoded(photo, "webp", lossless=True)
    yield "webp alpha", encoded(alpha, "webp", exif=exif)
    yield "webp moving", encoded(film[0], "webp", **moving)
    yield "avif", encoded(photo, "avif", exif=exif)
    yield "avif alpha", encoded(alpha, "avif")
    yield "avif moving", encoded(film[0], "avif", save_all=True, append_images=film[1:], duration=80)
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits", "zstd"):
        yield f"tiff {compression}", encoded(photo, "tiff", compression=compression, tiffinfo={274: 6})
    yield "tiff float", encoded(photo.convert("F"), "tiff")
    yield "tiff cmyk", encoded(photo.convert("CMYK"), "tiff", compression="tiff_lzw")
    yield "bmp", encoded(photo, "bmp")
    yield "bmp palette", encoded(photo.quantize(16), "bmp")
    yield from _heic(photo)


def _heic(photo: Image.Image) -> Iterator[tuple[str, bytes]]:
    """By pillow-heif, which brings the encoder that the deployed decoder lacks."""
    import pillow_heif

    from tests.support import heif

    for name, options in (("heic", {}), ("heic 4:4:4", {"chroma": 444})):
        out = io.BytesIO()
        pillow_heif.from_pillow(photo).save(out, quality=80, **options)
        yield name, out.getvalue()
    whole = photo.resize((144, 112))
    quarters = [heif.encoded(whole.crop((x, y, x + 72, y + 56))) for y in (0, 56) for x in (0, 72)]
    yield "heic tiles", heif.heif([*quarters, heif.grid(2, 2, (140, 110), range(1, 5))], primary=5)
    out = io.BytesIO()
    pillow_heif.encode("RGB;16", (72, 56), bytes(72 * 56 * 6), out)
    yield "heic 10 bits", out.getvalue()
