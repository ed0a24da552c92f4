"""Ten thousand dead letters of six codes: API and listing agree to the letter before, during and after a redrive."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib import times
from chalicelib.letters import browse, filing, resend, runs, store
from tests.support.letters import event

pytestmark = [pytest.mark.aws, pytest.mark.long, pytest.mark.xdist_group("jobs")]

CODES = ("gone", "damaged", "gave-up", "too-large", "not-an-image", "unreadable")
MANY = 10_000
BEGAN = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_ten_thousand_letters_agree_to_the_letter_and_none_is_lost_in_a_redrive(stage):
    s3, sqs, config = stage.s3, stage.sqs, stage.config
    sqs.create_queue(QueueName=config.dead_letter_queue_url.rpartition("/")[2])

    def put(number):
        letter = filing.letter_of({"messageId": "m", "body": event(f"{number:05d}.jpg")}, BEGAN)
        letter.update(code=CODES[number % len(CODES)], reason="why")
        store.put(s3, config.reports_bucket, letter)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(put, range(MANY)))

    def counted():
        found = browse.page(None, s3, sqs, config)
        assert found["complete"]
        assert found["total"] == sum(one["letters"] for one in found["codes"].values())
        return Counter({code: one["letters"] for code, one in found["codes"].items()})

    def listed():
        found = store.listing(s3, config.reports_bucket, within_s=60)
        assert found.complete
        return Counter(one.code for one in found.letters)

    expected = Counter(CODES[number % len(CODES)] for number in range(MANY))
    assert counted() == listed() == expected

    order = {
        "id": "0" * 8,
        "do": "redrive",
        "select": {"code": "gave-up"},
        "by": "a test",
        "note": None,
        "started": times.iso(BEGAN + timedelta(hours=1)),
        "at": times.iso(times.now()),
        "status": "asked",
        "moved": 0,
        "left": None,
        "cut": 0,
        "says": "",
    }
    ended = []
    running = threading.Thread(
        target=lambda: ended.append(resend.run(order, s3, sqs, config, lambda: 600_000))
    )
    running.start()
    while running.is_alive():
        before, now, after = listed(), counted(), listed()
        assert before["gave-up"] >= now["gave-up"] >= after["gave-up"]
        assert all(now[code] == expected[code] for code in CODES if code != "gave-up")
    assert (ended[0]["status"], ended[0]["moved"]) == ("done", expected["gave-up"])
    del expected["gave-up"]
    assert counted() == listed() == expected
    (run,) = runs.latest(s3, config, times.now())["runs"]
    assert (run["moved"], run["left"]) == (ended[0]["moved"], 0)
