"""docs/thumbnails-grid.png: one photograph in every orientation, mode and kind, as the engine shows it.

python -m benchmarks.thumbnails.grid; the photograph is CC0, from scikit-image's package (dev/photos.py).
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.thumbnails.workers import ROOT
from chalicelib.config.thumbnails import ThumbnailSettings
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
    film = [photograph.resize((600, 375)), photograph.resize((600, 375)).rotate(180)]
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
        ("GIF, first frame of 2", encoded(film[0], "gif", save_all=True, append_images=film[1:]), {}),
        ("linear light", encoded(photograph, "png"), {"linear": True}),
        ("AVIF output", encoded(photograph, "png"), {"output": "avif"}),
        ("PNG output", encoded(photograph, "png"), {"output": "png"}),
        ("cover", encoded(photograph, "png"), {"fit": "cover"}),
    ]


def shown_by(data: bytes, **options: object) -> Image.Image:
    """The thumbnail, over a chequerboard where it lets something through."""
    (made,) = make(data, ThumbnailSettings(sizes=(SIZE,), **options))  # type: ignore[arg-type]
    with Image.open(io.BytesIO(made.data)) as image:
        picture = image.convert("RGBA")
    y, x = np.mgrid[0 : picture.height, 0 : picture.width]
    board = Image.fromarray(np.where((x // 8 + y // 8) % 2, 200, 240).astype(np.uint8)).convert("RGBA")
    board.alpha_composite(picture)
    return board.convert("RGB")


if __name__ == "__main__":
    main()
