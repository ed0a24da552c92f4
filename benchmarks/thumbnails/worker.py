"""One engine in a process of its own: a JSON job a line on stdin, its CPU seconds on stdout.

A job is {"path", "sizes", "format", "repeat"}; with "out", thumbnails are written there, their number in the
list of sizes behind it. The format "fine" is a JPEG of quality 100: everything of a JPEG but its losses.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

Engine = Callable[[bytes, list[int], str], list[bytes]]


def ours() -> Engine:
    from chalicelib.config.thumbnails import FORMATS, ThumbnailSettings
    from chalicelib.thumbnails.make import make

    plain = ThumbnailSettings(memory_budget=2_000_000_000, formats=FORMATS)

    def thumbnails(data: bytes, sizes: list[int], form: str) -> list[bytes]:
        settings = replace(plain, sizes=tuple(sizes), output=form)  # type: ignore[arg-type]
        if form == "fine":
            settings = replace(settings, output="jpeg", jpeg_quality=100)
        return [each.data for each in make(data, settings)]

    return thumbnails


def pillow() -> Engine:
    """What most people write."""
    from PIL import Image, ImageOps

    def thumbnails(data: bytes, sizes: list[int], form: str) -> list[bytes]:
        made = []
        for size in sizes:
            image = Image.open(io.BytesIO(data))
            image.thumbnail((size, size))
            image = ImageOps.exif_transpose(image)
            if form == "jpeg" and image.mode not in ("L", "RGB"):
                image = image.convert("RGB")
            out = io.BytesIO()
            image.save(out, form.upper(), **({"quality": 80} if form != "png" else {}))
            made.append(out.getvalue())
        return made

    return thumbnails


def vips() -> Engine:
    import pyvips

    pyvips.cache_set_max(0)
    options = {"jpeg": ".jpg[Q=80]", "webp": ".webp[Q=80]", "png": ".png"}

    def thumbnails(data: bytes, sizes: list[int], form: str) -> list[bytes]:
        made = []
        for size in sizes:
            image = pyvips.Image.thumbnail_buffer(data, size, height=size, size="down")
            made.append(image.write_to_buffer(options[form], keep="none"))
        return made

    return thumbnails


def floor() -> Engine:
    """The least a decoder needs: libjpeg and libwebp at our route's scale, an inflate of a PNG."""
    import zlib

    from PIL import Image

    from chalicelib.config.thumbnails import ThumbnailSettings
    from chalicelib.thumbnails.imaging import png
    from chalicelib.thumbnails.imaging.webp import ReducibleWebp
    from chalicelib.thumbnails.make import opened

    def decode(data: bytes, sizes: list[int], form: str) -> list[bytes]:
        source = opened(data, ThumbnailSettings(sizes=tuple(sizes)))
        image = source.image
        assert image is not None
        if isinstance(image, ReducibleWebp):
            image.reduced(source.route.scaled, source.deadline)
            return []
        if image.format == "PNG":
            inflate = zlib.decompressobj()
            for kind, body in png.chunks(data):
                if kind == b"IDAT":
                    inflate.decompress(body)
            return []
        if image.format == "JPEG":
            shrink = source.route.shrink
            image.draft(None, (image.width // shrink, image.height // shrink))
        image.load()
        assert isinstance(image, Image.Image)
        return []

    return decode


ENGINES: dict[str, Callable[[], Engine]] = {"ours": ours, "pillow": pillow, "pyvips": vips, "floor": floor}


def main() -> None:
    engine = ENGINES[sys.argv[1]]()
    for line in sys.stdin:
        job: dict[str, Any] = json.loads(line)
        data = Path(job["path"]).read_bytes()
        started = time.process_time()
        for _ in range(job["repeat"]):
            made = engine(data, job["sizes"], job["format"])
        spent = (time.process_time() - started) / job["repeat"]
        if job.get("out"):
            for number, each in enumerate(made):
                Path(f"{job['out']}{number}").write_bytes(each)
        print(json.dumps({"cpu": spent}), flush=True)


if __name__ == "__main__":
    main()
