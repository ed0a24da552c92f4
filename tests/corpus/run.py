"""make test-corpus: every file through the engine in a process of its own with 512 MB of address space.

Fails where one crashes, runs out of time or memory, comes out at the wrong size, or is refused although
Pillow can read it to its last frame and it fits the budget. Prints the counts. Then some thousand damaged
files (fuzz.py), each in its own process too.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

from PIL import Image, ImageOps

from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.errors import Reject
from chalicelib.thumbnails.imaging.box import Box
from chalicelib.thumbnails.imaging.header import load_plugin
from chalicelib.thumbnails.make import make
from tests.corpus import child, fetch, fuzz

SIZES = (256, 64)
SETTINGS = ThumbnailSettings(sizes=SIZES)
CASES = Path(__file__).parent / "cases"
MUTANTS = 3000
LIMIT = 512 * 1024 * 1024
_ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")
# Refused for what they would cost: not a sign of damage.
BY_CHOICE = ("more than the", "not done within", "scans in a progressive", "is not supported")


def thumbnails(path: Path) -> dict[str, object]:
    try:
        made = make(path.read_bytes(), SETTINGS)
    except Reject as refused:
        return {"refused": refused.reason}
    return {"sizes": [(each.width, each.height) for each in made], "format": made[0].format}


def expected(path: Path) -> list[tuple[int, int]] | None:
    """The sizes by Pillow alone; None where it cannot read the file to its end."""
    try:
        with Image.open(path, formats=[form.upper() for form in SETTINGS.formats]) as image:
            image.load()
            width, height = ImageOps.exif_transpose(image).size
            for number in range(1, getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1):
                image.seek(number)
                image.load()
    except Exception:  # noqa: BLE001 - whatever it raises, the file is not valid
        return None
    return [Box(size).thumbnail(width, height) for size in SETTINGS.named_sizes]


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()  # no option but --help
    warnings.simplefilter("ignore")
    for form in SETTINGS.formats:
        load_plugin(form)  # before the fork, so that every child has them
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    failures = []
    largest = slowest = 0.0
    for path in [*sorted(CASES.iterdir()), *fetch.files()]:
        started = time.monotonic()
        ended, answer, peak = child.run(lambda path=path: thumbnails(path), LIMIT)
        slowest = max(slowest, time.monotonic() - started)
        largest = max(largest, peak)
        outcome = verdict(path, ended, answer, reasons)
        counts[outcome] += 1
        if outcome not in ("made", "refused", "refused by choice"):
            failures.append(f"{path.name}: {outcome}: {answer}")
    failures += fuzz.run(MUTANTS)
    print("\n".join(failures))
    print(f"{counts.total()} files: " + ", ".join(f"{count} {name}" for name, count in counts.most_common()))
    for reason, count in reasons.most_common(8):
        print(f"  {count:4} {reason}")
    print(f"largest process {largest / 1e6:.0f} MB of {LIMIT / 1e6:.0f} MB, slowest file {slowest:.1f} s")
    return 1 if failures or largest > LIMIT else 0


def verdict(path: Path, ended: str, answer: object, reasons: Counter[str]) -> str:
    if ended or not isinstance(answer, dict):
        return ended or "silent"
    reason = answer.get("refused", "")
    if any(words in reason for words in BY_CHOICE):
        reasons["over the memory budget or the time limit, or by what it is"] += 1
        return "refused by choice"
    by_pillow = child.run(lambda: expected(path), child.PLENTY)[1]
    if reason:
        reasons[reason[:90]] += 1
        return "valid and refused" if by_pillow else "refused"
    if by_pillow and [list(size) for size in answer["sizes"]] != by_pillow:
        return f"wrong size, expected {by_pillow}"
    return "made"


if __name__ == "__main__":
    sys.exit(main())
