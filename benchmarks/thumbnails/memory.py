"""The peak of one 100-megapixel picture over the process as it was with the file read and Pillow warm."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from PIL import Image

from benchmarks.thumbnails import fetch
from benchmarks.thumbnails.workers import ALLOCATOR, ROOT
from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.errors import Reject
from chalicelib.thumbnails.make import estimate, make

SIZE = (11585, 8632)  # 100 megapixels
KINDS: dict[str, tuple[str, dict[str, object]]] = {
    "jpeg_baseline": ("jpeg", {"quality": 85}),
    "jpeg_progressive": ("jpeg", {"quality": 85, "progressive": True}),
    "png_rgb": ("png", {"compress_level": 1}),
    "png_rgba": ("png", {"compress_level": 1}),
}


def pictures(photograph: Path) -> dict[str, Path]:
    """The photograph enlarged to 100 megapixels, in every kind."""
    folder = fetch.CACHE / "large"
    folder.mkdir(parents=True, exist_ok=True)
    paths = {kind: folder / f"{kind}.{form}" for kind, (form, _) in KINDS.items()}
    missing = [kind for kind, path in paths.items() if not path.exists()]
    if missing:
        with Image.open(photograph) as image:
            large = image.convert("RGB").resize(SIZE, Image.Resampling.BICUBIC)
        for kind in missing:
            form, options = KINDS[kind]
            if kind == "png_rgba":
                large.putalpha(Image.linear_gradient("L").resize(SIZE))
            large.save(paths[kind], form, **options)
    return paths


def peak(path: Path, sizes: str) -> tuple[float | None, str]:
    """(MB over the baseline for `sizes` as in THUMBNAIL_SIZES, None where refused; what the child said)."""
    command = [sys.executable, "-m", "benchmarks.thumbnails.memory", str(path), sizes]
    said = subprocess.run(command, cwd=ROOT, env=ALLOCATOR, capture_output=True, text=True, check=True)
    words = said.stdout.strip()
    made = re.match(r"([\d.]+) MB", words)
    return (float(made[1]) if made else None), words


def _resident(field: str) -> int:
    """Bytes, of VmRSS (now) or VmHWM (the most since it was reset)."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


def _child(path: Path, sizes: str) -> None:
    settings = ThumbnailSettings.from_env({"THUMBNAIL_SIZES": sizes})
    warm = path.parent / f"warm{path.suffix}"
    if not warm.exists():
        Image.linear_gradient("L").convert("RGB").save(warm)
    make(warm.read_bytes(), settings)
    data = path.read_bytes()
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM (proc(5))
    needed = estimate(data, settings) - len(data)
    try:
        make(data, settings)
    except Reject as refused:
        print(f"refused: {refused.reason}")
        return
    print(f"{(_resident('VmHWM') - before) / 1e6:.1f} MB over the baseline, {needed / 1e6:.1f} MB estimated")


if __name__ == "__main__":
    _child(Path(sys.argv[1]), sys.argv[2])
