"""docs/thumbnails-grid.png: one photograph in every orientation, mode and kind, as the engine shows it.

python -m benchmarks.thumbnails.grid; the photograph is CC0, from scikit-image's package (dev/photos.py).
"""

from __future__ import annotations

import io

import numpy as np
import pillow_heif
from PIL import Image, ImageCms, ImageDraw
from PIL.ImageCms import ImageCmsProfile

from benchmarks.thumbnails.workers import ROOT
from chalicelib.config.thumbnails import FORMATS, ThumbnailSettings
from chalicelib.thumbnails.imaging import colour
from chalicelib.thumbnails.make import make
from dev import photos
from dev.pictures import LAID_DOWN, encoded, oriented

PHOTOGRAPH = "coffee.png"
SIZE = 160
GAP = 8
COLUMNS = 6
CAPTION = 16


def main() -> None:
    small = photos.photograph(ROOT / ".cache", PHOTOGRAPH).convert("RGB")
    photograph = small.resize((1200, 1200 * small.height // small.width), Image.Resampling.LANCZOS)
    shown = [(caption, shown_by(data, **options)) for caption, data, options in kinds(photograph)]
    rows = [shown[start : start + COLUMNS] for start in range(0, len(shown), COLUMNS)]
    heights = [max(picture.height for _, picture in row) + CAPTION + GAP for row in rows]
    sheet = Image.new("RGB", (COLUMNS * (SIZE + GAP) + GAP, sum(heights) + GAP), "white")
    pen = ImageDraw.Draw(sheet)
    top = GAP
    for row, height in zip(rows, heights, strict=True):
        for column, (caption, picture) in enumerate(row):
            left = GAP + column * (SIZE + GAP)
            sheet.paste(picture, (left, top))
            pen.text((left, top + picture.height + 1), caption, fill="black")
        top += height
    sheet.save(ROOT / "docs" / "thumbnails-grid.png", optimize=True)


def kinds(photograph: Image.Image) -> list[tuple[str, bytes, dict[str, object]]]:
    """(caption, file, settings) for every cell."""
    grey = photograph.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    see_through = photograph.convert("RGBA")
    see_through.putalpha(Image.radial_gradient("L").resize(photograph.size).point(lambda value: 255 - value))
    palette = photograph.quantize(256)
    film = [photograph.resize((600, 375)).rotate(90 * quarter) for quarter in range(3)]
    moving: dict[str, object] = {"save_all": True, "append_images": film[1:], "duration": 400, "loop": 0}
    heic = io.BytesIO()
    pillow_heif.from_pillow(photograph).save(heic, quality=70)
    p3 = colour.coded_profile(12, 13)
    in_p3 = ImageCms.profileToProfile(
        photograph, ImageCms.createProfile("sRGB"), ImageCmsProfile(io.BytesIO(p3))
    )
    assert in_p3 is not None
    found: list[tuple[str, bytes, dict[str, object]]] = [
        (f"JPEG, orientation {number}", oriented(number, "jpeg", photograph, quality=92), {})
        for number in [1, *LAID_DOWN]
    ]
    return [
        *found,
        ("progressive JPEG", encoded(photograph, "jpeg", progressive=True, quality=92), {}),
        ("CMYK, Adobe-inverted", encoded(photograph.convert("CMYK"), "jpeg", quality=92), {}),
        ("CMYK, TIFF", encoded(photograph.convert("CMYK"), "tiff"), {}),
        ("grey JPEG", encoded(grey, "jpeg"), {}),
        ("16 bits, PNG", encoded(deep, "png"), {}),
        ("16 bits, TIFF", encoded(deep, "tiff"), {}),
        ("float, TIFF", encoded(grey.convert("F"), "tiff"), {}),
        ("bilevel, PNG", encoded(photograph.convert("1"), "png"), {}),
        ("palette, PNG", encoded(palette, "png"), {}),
        ("palette, GIF", encoded(palette, "gif"), {}),
        ("PNG in strips", encoded(photograph, "png"), {}),
        ("WebP", encoded(photograph, "webp"), {}),
        ("AVIF", encoded(photograph, "avif"), {}),
        ("alpha kept, WebP", encoded(see_through, "png"), {}),
        ("alpha on #204080", encoded(see_through, "png"), {"output": "jpeg", "background": (32, 64, 128)}),
        ("grey and alpha", encoded(see_through.convert("LA"), "png"), {}),
        ("HEIC", heic.getvalue(), {"formats": FORMATS}),
        ("BMP", encoded(photograph, "bmp"), {}),
        ("Display P3, JPEG", encoded(in_p3, "jpeg", quality=92, icc_profile=p3), {}),
        ("P3 taken for sRGB", encoded(in_p3, "jpeg", quality=92), {}),
        *(
            (f"GIF, frame {number + 1} of 3", encoded(film[0], "gif", **moving), {"frame": number})
            for number in range(3)
        ),
        *(
            (f"APNG, frame {number + 1} of 3", encoded(film[0], "png", **moving), {"frame": number})
            for number in range(3)
        ),
        ("linear light", encoded(photograph, "png"), {"linear": True}),
        ("AVIF output", encoded(photograph, "png"), {"output": "avif"}),
        ("PNG output", encoded(photograph, "png"), {"output": "png"}),
        ("cover", encoded(photograph, "png"), {"fit": "cover"}),
        ("cover, focal point 0, 0.5", encoded(photograph, "png"), {"fit": "cover", "focus": (0.0, 0.5)}),
    ]


def shown_by(
    data: bytes, frame: int = 0, focus: tuple[float, float] = (0.5, 0.5), **options: object
) -> Image.Image:
    """The thumbnail, or a frame of it, over a chequerboard where it lets something through."""
    (made,) = make(data, ThumbnailSettings(sizes=(SIZE,), **options), focus=focus)  # type: ignore[arg-type]
    with Image.open(io.BytesIO(made.data)) as image:
        image.seek(frame)
        picture = image.convert("RGBA")
    y, x = np.mgrid[0 : picture.height, 0 : picture.width]
    board = Image.fromarray(np.where((x // 8 + y // 8) % 2, 200, 240).astype(np.uint8)).convert("RGBA")
    board.alpha_composite(picture)
    return board.convert("RGB")


if __name__ == "__main__":
    main()
