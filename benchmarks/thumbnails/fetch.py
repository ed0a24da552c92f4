"""The photographs, and the engines that pip does not bring. All in .cache/bench, not committed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from PIL import Image

from chalicelib.thumbnails.imaging import jpeg

CACHE = Path(__file__).parents[2] / ".cache" / "bench"
SHARP = "sharp@0.35.5"
DEBIAN = ("mate-backgrounds", "gnome-backgrounds", "plasma-workspace-wallpapers")

KINDS = ("jpeg_baseline", "jpeg_progressive", "png", "webp")
_MEGAPIXEL = 1_000_000
_OF_A_KIND = 10  # enough for a mean; the wallpapers of one series are much alike


def sharp() -> Path:
    """The folder in which node finds sharp."""
    folder = CACHE / "node"
    if not (folder / "node_modules" / "sharp").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "install", "--silent", "--no-audit", "--no-fund", SHARP], cwd=folder, check=True
        )
    return folder


def photographs() -> dict[str, list[Path]]:
    """Real pictures of a megapixel or more, by kind."""
    folder = CACHE / "debs"
    folder.mkdir(parents=True, exist_ok=True)
    for package in DEBIAN:
        if not list(folder.glob(f"{package}_*.deb")):
            subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True)
        unpacked = folder / package
        if not unpacked.exists():
            (archive,) = folder.glob(f"{package}_*.deb")
            subprocess.run(["dpkg", "-x", archive, unpacked], check=True)
    found: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for path in sorted(folder.rglob("*.*")):
        if path.suffix in (".jpg", ".png", ".webp") and path.is_file() and not path.is_symlink():
            kind = _kind(path)
            if kind:
                found[kind].append(path)
    chosen = {kind: _spread(paths) for kind, paths in found.items()}
    # GNOME's WebP files are flat drawings: half of the kind is photographs, encoded as most tools would.
    chosen["webp"] = chosen["webp"][::2] + [_as_webp(path) for path in chosen["jpeg_baseline"][::2]]
    return chosen


def as_phones_make_them(paths: list[Path]) -> list[Path]:
    """The photographs at 12 megapixels, 4:2:0 and quality 88, which is some megabyte a piece."""
    folder = CACHE / "phone"
    folder.mkdir(exist_ok=True)
    return [_as_a_phone_makes_it(path, folder / f"{path.parts[-4]}-{path.stem}.jpg") for path in paths]


def _as_a_phone_makes_it(path: Path, made: Path) -> Path:
    if not made.exists():
        with Image.open(path) as image:
            share = max(4032 / image.width, 3024 / image.height)
            size = round(image.width * share), round(image.height * share)
            large = image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
            large.crop((0, 0, 4032, 3024)).save(made, quality=88, subsampling=2)
    return made


def as_heic(paths: list[Path]) -> list[Path]:
    """The same pictures as HEIC."""
    import pillow_heif

    found = []
    for path in paths:
        found.append(path.with_suffix(".heic"))
        if not found[-1].exists():
            with Image.open(path) as image:
                pillow_heif.from_pillow(image).save(found[-1], quality=60)
    return found


def _as_webp(path: Path) -> Path:
    folder = CACHE / "webp"
    folder.mkdir(exist_ok=True)
    made = folder / f"{path.parts[-4]}-{path.stem}.webp"
    if not made.exists():
        with Image.open(path) as image:
            image.convert("RGB").save(made, quality=85)
    return made


def _kind(path: Path) -> str:
    with Image.open(path) as image:
        if image.width * image.height < _MEGAPIXEL:
            return ""
        if image.format != "JPEG":
            return (image.format or "").lower()
    frame = jpeg.read_frame(path.read_bytes())
    return "jpeg_progressive" if frame and frame.progressive else "jpeg_baseline"


def _spread(paths: list[Path]) -> list[Path]:
    step = max(1.0, len(paths) / _OF_A_KIND)
    return [paths[int(number * step)] for number in range(min(len(paths), _OF_A_KIND))]
