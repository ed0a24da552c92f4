"""The system's Chromium, and a visit that notices everything a page must not do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, Page, expect

from dev.workspace import ROOT

SCREENSHOTS = ROOT / ".cache" / "screenshots"
NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 60_000  # milliseconds, on a busy machine

expect.set_options(timeout=PATIENCE)


def find_chromium() -> str:
    """The system's Chromium; Playwright's own is not needed. Skips without one, but fails in CI."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    missing = "no Chromium here: `apt-get install chromium` (or your system's package) to test the page"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


@dataclass
class Visit:
    """A page that is looked at. `problems` gathers what no page of ours may do; a test may expect some."""

    page: Page
    host: str
    problems: list[str] = field(default_factory=list)
    tolerated: tuple[str, ...] = ()  # parts of the problems that a test provokes

    def watch(self) -> None:
        self.page.on("console", lambda one: self._note(one.type, f"{one.text} {one.location}"))
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.on("dialog", self._alerted)

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.problems.append(f"console: {text}")

    def _alerted(self, dialog: Dialog) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _asked(self, url: str) -> None:
        if urlsplit(url).scheme != "data" and urlsplit(url).netloc != self.host:
            self.problems.append(f"another host: {url}")

    def unexpected(self) -> list[str]:
        return [one for one in self.problems if not any(part in one for part in self.tolerated)]

    def accessible(self) -> list[str]:
        """What axe-core finds to be serious or critical."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{one['id']}: {[node['target'] for node in one['nodes']][:3]}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]

    def screenshot(self, name: str, *, full: bool = True) -> None:
        """For people: .cache/screenshots/NAME.png."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=full)


Visits = Callable[..., Visit]


def visit_of(
    browser: Browser, url: str, width: int = 1360, scheme: Any = "light", clock: bool = False
) -> Visit:
    """The page at the URL, opened; `clock` makes its time stand still until the test moves it."""
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE)
    visit = Visit(context.new_page(), urlsplit(url).netloc)
    visit.watch()
    if clock:
        visit.page.clock.install()
    visit.page.goto(url)
    return visit
