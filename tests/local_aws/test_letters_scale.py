"""Ten thousand dead letters of six codes: page, API, command line and store agree to the letter, also in a redrive."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from playwright.sync_api import expect, sync_playwright

from chalicelib import times
from chalicelib.letters import browse, filing, resend, runs, store
from infra.__main__ import cli
from tests.support.letters import event
from tests.support.page import canned
from tests.support.page.stand_in import OfQuery, serve
from tests.support.page.visits import PATIENCE, find_chromium, visit_of

pytestmark = [pytest.mark.aws, pytest.mark.long, pytest.mark.xdist_group("jobs")]

CODES = ("gone", "damaged", "gave-up", "too-large", "not-an-image", "unreadable")
MANY = 10_000
SHOWN = """() => [
    [...document.querySelectorAll("#codes li")].map((row) => [row.querySelector("a.name").textContent, row.querySelector(".many").textContent]),
    document.getElementById("letters-note").textContent,
]"""
BEGAN = datetime(2026, 1, 31, 12, tzinfo=UTC)
ORDER = {
    "id": "0" * 8,
    "do": "redrive",
    "select": {"code": "gave-up"},
    "by": "a test",
    "note": None,
    "started": times.iso(BEGAN + timedelta(hours=1)),
    "at": times.iso(BEGAN + timedelta(hours=1)),
    "status": "asked",
    "part": 1,
    "after": "",
    "moved": 0,
    "left": None,
    "cut": 0,
    "says": "",
}


@pytest.fixture
def chromium():
    return find_chromium()


@pytest.fixture
def letters(chromium, stage):
    """The stage, with the letters in its store; not where there is no browser to look at them."""
    s3, config = stage.s3, stage.config
    stage.sqs.create_queue(QueueName=config.dead_letter_queue_url.rpartition("/")[2])

    def put(number):
        letter = filing.letter_of({"messageId": "m", "body": event(f"{number:05d}.jpg")}, BEGAN)
        letter.update(code=CODES[number % len(CODES)], reason="why")
        store.put(s3, config.reports_bucket, letter)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(put, range(MANY)))
    return stage


@pytest.fixture
def told():
    """Each answer about the letters, in the order of the questions."""
    return []


@pytest.fixture
def api(letters, told):
    """The API's own answers about them, at an address."""
    s3, sqs, config = letters.s3, letters.sqs, letters.config

    def page(query):
        told.append({})
        answer = told[-1]
        answer.update(browse.page(query, s3, sqs, config))
        return answer

    with serve() as server:
        server.answers |= {
            "GET status": lambda: canned.status(dead_letters=browse.counted(s3, sqs, config)),
            "GET dead-letters": OfQuery(page),
            "GET dead-letters/redrive": lambda: runs.latest(s3, config, times.now()),
        }
        yield server


def test_ten_thousand_letters_agree_to_the_letter_and_none_is_lost_in_a_redrive(
    chromium, letters, api, told, monkeypatch
):
    # Its line would be among what the command line prints, which is caught in this process.
    monkeypatch.setattr(resend.gauge, "write", lambda *line, **counts: None)
    s3, config = letters.s3, letters.config

    def listed():
        """What is in the store."""
        found = store.listing(s3, config.reports_bucket, within_s=60)
        assert found.complete
        return Counter(one.code for one in found.letters)

    def counts(answer):
        assert answer["complete"]
        assert answer["total"] == sum(one["letters"] for one in answer["codes"].values())
        return Counter({code: one["letters"] for code, one in answer["codes"].items()})

    def typed():
        """What the command line prints."""
        found = CliRunner().invoke(cli, ["letters", "list", "--json", "--limit", "1", "--url", api.url])
        return counts(json.loads(found.stdout))

    def shown(page):
        """What the page shows, once it has asked again."""
        before = len(told)
        page.click("#letters-again")
        end = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < end:
            page.wait_for_timeout(100)
            rows, note = page.evaluate(SHOWN)
            found = Counter({code: int(number.replace(",", "")) for code, number in rows})
            if any(answer and counts(answer) == found for answer in told[before:]):
                assert note == f"{found.total():,} dead letters."
                return found
        raise AssertionError(f"the page shows {found}, and was told {told[before:]}")

    expected = Counter(CODES[number % len(CODES)] for number in range(MANY))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        page = visit_of(browser, api.url).page
        assert shown(page) == typed() == listed() == expected
        expect(page.locator("#picture .node-dead_letter .value")).to_have_text("10,000")
        ended = []
        run = threading.Thread(
            target=lambda: ended.append(resend.run(ORDER, s3, letters.sqs, None, config, lambda: 600_000))
        )
        run.start()
        while run.is_alive():
            seen = [listed(), shown(page), typed(), listed()]
            going = [one["gave-up"] for one in seen]
            assert going == sorted(going, reverse=True)
            assert all(one[code] == expected[code] for one in seen for code in CODES if code != "gave-up")
        moved = expected.pop("gave-up")
        assert (ended[0]["status"], ended[0]["moved"]) == ("done", moved)
        assert shown(page) == typed() == listed() == expected
        expect(page.locator("#redrives")).to_contain_text(f"{moved:,} sent back")
        browser.close()
    (last,) = runs.latest(s3, config, times.now())["runs"]
    assert (last["moved"], last["left"]) == (moved, 0)
