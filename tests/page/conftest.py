"""Headless Chromium, and pages that are looked at in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support.page.stand_in import StandIn, serve
from tests.support.page.visits import Visit, Visits, find_chromium, visit_of


@pytest.fixture(scope="module")  # while it is open, no other test of this process may run an event loop
def browser() -> Iterator[Browser]:
    chromium = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()


@pytest.fixture
def visits(browser: Browser) -> Iterator[Visits]:
    """Opens pages: visits(url, width=..., scheme="dark"); afterwards none may have had a problem."""
    made: list[Visit] = []

    def visit(url: str, **how: Any) -> Visit:
        made.append(visit_of(browser, url, **how))
        return made[-1]

    yield visit
    for one in made:
        one.page.context.close()
    for one in made:
        assert one.unexpected() == []


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with serve() as server:
        yield server
