"""The photographs `make run` uploads: real ones, from a package that ships them, in many formats.

scikit-image's wheel carries photographs that are public domain (NASA's astronaut and Hubble's deep field)
or CC0 (chelsea the cat, coffee, SpaceX's rocket), as its skimage/data/README.txt says. The wheel is fetched
once, as an archive; nothing of it is installed or run.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import zipfile
from contextlib import suppress
from functools import partial
from pathlib import Path

from PIL import Image, ImageDraw

from infra.errors import CommandError

# One wheel for every machine: only its pictures are read.
WHEEL = ["scikit-image==0.26.0", "--platform", "manylinux_2_28_x86_64", "--python-version", "3.12"]
ORIENTATION = 0x0112  # the Exif tag


def photos(cache: Path) -> Path:
    """The folder with the photographs, made at the first call. Raises CommandError without an index."""
    folder = cache / "photographs"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as beside:
            made = Path(beside, folder.name)
            made.mkdir()
            _make(_wheel(cache), made)
            with suppress(OSError):  # another process was faster; its photographs are the same
                made.rename(folder)
    return folder


def photograph(cache: Path, name: str) -> Image.Image:
    """One of the package's own photographs, such as `coffee.png`. Raises CommandError, as photos does."""
    cache.mkdir(parents=True, exist_ok=True)
    return _photo(_wheel(cache), name)


def _photo(wheel: zipfile.ZipFile, name: str) -> Image.Image:
    return Image.open(io.BytesIO(wheel.read(f"skimage/data/{name}")))


def _wheel(cache: Path) -> zipfile.ZipFile:
    if not list(cache.glob("scikit_image-*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--dest", str(cache), *WHEEL]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise CommandError(
                f"no photographs: {WHEEL[0]} could not be fetched ({done.stderr.strip()[-200:]}); "
                "give a folder of your own with --images"
            )
    return zipfile.ZipFile(next(cache.glob("scikit_image-*.whl")))


def _make(wheel: zipfile.ZipFile, folder: Path) -> None:
    photo = partial(_photo, wheel)
    (folder / "rocket.jpg").write_bytes(wheel.read("skimage/data/rocket.jpg"))
    (folder / "astronaut.png").write_bytes(wheel.read("skimage/data/astronaut.png"))
    photo("hubble_deep_field.jpg").save(folder / "deep field.tiff", compression="tiff_lzw")
    photo("chelsea.png").save(folder / "chelsea.webp", quality=90)
    _as_a_phone_saves_it(photo("coffee.png")).save(
        folder / "coffee (held upright).jpg", quality=92, progressive=True, exif=_exif(6)
    )
    _as_a_phone_saves_it(photo("rocket.jpg")).save(
        folder / "rocket, held upright.avif", quality=80, exif=_exif(6)
    )
    _round(photo("astronaut.png")).save(folder / "astronaut, cut out.png")
    photo("chelsea.png").convert("CMYK").save(folder / "chelsea for print.jpg", quality=92)
    (folder / "not an image.jpg").write_text("Somebody renamed a letter.\n")


def _as_a_phone_saves_it(image: Image.Image) -> Image.Image:
    """The pixels lie on their side, and an Exif tag says so."""
    return image.convert("RGB").transpose(Image.Transpose.ROTATE_90)


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def _round(image: Image.Image) -> Image.Image:
    mask = Image.new("L", image.size)
    ImageDraw.Draw(mask).ellipse((0, 0, *image.size), fill=255)
    image.putalpha(mask)
    return image
