"""`python -m tests.page.screenshots`: the README's pictures of the page, over answers like a busy stage's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from dev import photos
from dev.workspace import ROOT
from tests.support.page import canned
from tests.support.page.stand_in import serve
from tests.support.page.visits import find_chromium, visit_of

DOCS = ROOT / "docs"
PICTURES: dict[str, dict[str, Any]] = {
    "status-page": {},
    "status-page-dark": {"scheme": "dark"},
    "status-page-phone": {"width": 390},
}
HEIGHTS = {1360: 1640, 390: 1500}  # pixels; from there on it is more of the same


def status() -> dict[str, Any]:
    return canned.status(dead_letters=canned.dead_letters(6), groups=canned.groups("holidays"))


def letters() -> dict[str, Any]:
    return canned.letters(6, being_filed=0)


def recent() -> dict[str, Any]:
    """With names such as people give."""
    found = canned.recent()
    named = zip((canned.HOSTILE, canned.DISGUISED), ("photos/scan-0041.tif", "photos/notes.jpg"), strict=True)
    for hostile, plain in named:
        for one in found["objects"]:
            one["key"] = plain if one["key"] == hostile else one["key"]
    return {**found, "waiting": canned.waiting("photos/rocket.jpg", "photos/hubble deep field.jpg")}


def main() -> None:
    """Writes docs/status-page*.png."""
    with serve() as server, sync_playwright() as playwright:
        server.photographs = sorted(photos.photos(ROOT / ".cache").iterdir())
        server.answers |= {"GET status": status, "GET dead-letters": letters, "GET recent": recent}
        browser = playwright.chromium.launch(executable_path=find_chromium())
        for name, how in PICTURES.items():
            page = visit_of(browser, server.url, **how).page
            page.locator("#codes li").first.wait_for()
            page.set_viewport_size(
                {"width": how.get("width", 1360), "height": HEIGHTS[how.get("width", 1360)]}
            )
            page.wait_for_load_state("networkidle")
            page.screenshot(path=DOCS / f"{name}.png")
            print(shrink(DOCS / f"{name}.png"))
        browser.close()


def shrink(file: Path) -> str:
    """256 colours are enough for it. Says what it weighs."""
    with Image.open(file) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
    return f"{file.relative_to(ROOT)} {file.stat().st_size // 1000} kB"


if __name__ == "__main__":
    main()
