"""Where one object is: said from what is known, and what is not known is said too."""

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.monitoring.object_state import Evidence, decide, legs
from chalicelib.thumbnails.stored import StoredThumbnail

NOW = datetime(2026, 1, 31, 13, 0, tzinfo=UTC)
UPLOADED = NOW - timedelta(minutes=10)
GONE = Evidence(exists=False)


def known(**more):
    return Evidence(exists=True, etag="new", last_modified=UPLOADED, sizes=2, **more)


def thumbnail(size, etag="new"):
    return StoredThumbnail(
        key=f"a.jpg_{size}.jpg",
        size=1000,
        made_at="2026-01-31T12:52:00.500Z",
        source_etag=etag,
        event_time="2026-01-31T12:50:00Z",
        forwarded="2026-01-31T12:51:58Z",
        started="2026-01-31T12:51:59.500Z",
    )


def line(outcome, minutes_ago=5, **more):
    at = (NOW - timedelta(minutes=minutes_ago)).isoformat()
    return {"at": at, "outcome": outcome, "uploaded": "2026-01-31T12:50:00Z", **more}


def test_all_thumbnails_of_the_present_contents_are_done_with_the_times_of_its_way():
    found = decide(known(thumbnails=[thumbnail(64), thumbnail(256)]), NOW)
    assert (found.state, found.known_from) == ("done", "the thumbnails' metadata")
    assert legs(found.times) == {
        "uploaded": "2026-01-31T12:50:00Z",
        "forwarded": "2026-01-31T12:51:58Z",
        "started": "2026-01-31T12:51:59.500Z",
        "done": "2026-01-31T12:52:00.500Z",
        "waited_in_source": 118.0,
        "waited_in_destination": 1.5,
        "worked": 1.0,
    }
    assert found.not_known == []


def test_thumbnails_of_older_contents_are_not_an_answer_for_the_new_ones():
    found = decide(known(thumbnails=[thumbnail(64, "old"), thumbnail(256, "old")]), NOW)
    assert found.state == "waiting"
    assert "whether S3 has told of it" in found.not_known


def test_one_of_two_sizes_is_not_yet_done():
    assert decide(known(thumbnails=[thumbnail(64)]), NOW).state == "waiting"


@pytest.mark.parametrize(
    ("outcome", "state"), [("done", "done"), ("rejected", "rejected"), ("retry", "retrying")]
)
def test_without_thumbnails_the_log_says_what_became_of_it(outcome, state):
    found = decide(known(outcomes=[line(outcome, reason="why"), line("retry", 8)]), NOW)
    assert (found.state, found.reason, found.known_from) == (state, "why", "consume's log")
    assert (legs(found.times)["done"] is not None) == (outcome == "done")


def test_what_became_of_an_earlier_upload_is_not_said_of_this_one():
    assert decide(known(outcomes=[line("rejected", minutes_ago=11)]), NOW).state == "waiting"


def test_a_rejected_object_whose_dead_letter_is_gone_says_so():
    found = decide(known(outcomes=[line("rejected", reason="not an image")]), NOW)
    assert any("sent back or discarded" in one for one in found.not_known)
    letters = [{"reason": "not an image"}]
    there = decide(known(outcomes=[line("rejected", reason="not an image")], letters=letters), NOW)
    assert there.not_known == []


def test_a_dead_letter_without_a_log_line_is_rejected_with_its_reason():
    found = decide(known(letters=[{"reason": "received too often"}]), NOW)
    assert (found.state, found.reason) == ("rejected", "received too often")
    assert found.known_from == "the dead letters"


def test_an_object_that_waits_says_how_that_is_known():
    assert decide(known(enqueued=[{}]), NOW).known_from == "enqueue's log"
    assert decide(known(), NOW).known_from == "the object alone"
    assert "SQS cannot be searched" in decide(known(), NOW).not_known[0]


def test_an_object_older_than_any_event_was_never_seen_and_what_helps_is_said():
    old = Evidence(exists=True, etag="e", last_modified=NOW - timedelta(days=15), sizes=2)
    found = decide(old, NOW)
    assert found.state == "not seen"
    assert "backfill" in found.reason


def test_what_the_stage_leaves_alone_is_ignored_and_not_waiting():
    why = "IMAGES_PREFIX or IMAGES_SUFFIX leaves such keys out"
    found = decide(Evidence(exists=True, last_modified=UPLOADED, ignored=why), NOW)
    assert (found.state, found.reason, found.known_from) == ("ignored", why, "the settings")


def test_a_folder_marker_is_one_and_not_waiting():
    marker = Evidence(exists=True, last_modified=UPLOADED, ignored="nothing to do", folder_marker=True)
    assert decide(marker, NOW).state == "folder marker"


def test_what_was_handled_before_the_settings_left_it_out_is_still_done():
    found = decide(known(thumbnails=[thumbnail(64), thumbnail(256)], ignored="left out"), NOW)
    assert found.state == "done"


def test_an_upload_that_a_newer_one_overtook_says_nothing_of_the_present_contents():
    found = decide(
        known(thumbnails=[thumbnail(64, "old")], outcomes=[line("done", result="superseded")]), NOW
    )
    assert found.state == "waiting"


def test_a_delivery_that_did_not_run_leaves_it_waiting():
    assert decide(known(outcomes=[line("untried", reason="no time left")]), NOW).state == "waiting"


def test_a_deleted_object_whose_event_waits_says_what_will_become_of_it():
    enqueued = [{"message": "enqueued", "at": line("", 3)["at"]}]
    found = decide(Evidence(exists=False, sizes=2, enqueued=enqueued), NOW)
    assert (found.state, found.known_from) == ("waiting", "enqueue's log")
    assert "ends as gone" in found.reason
    again = Evidence(exists=False, sizes=2, enqueued=enqueued, outcomes=[line("done", 5)])
    assert decide(again, NOW).state == "waiting"  # uploaded once more since it was done
    ended = Evidence(exists=False, sizes=2, enqueued=enqueued, outcomes=[line("done", 1)])
    assert decide(ended, NOW).state == "deleted"


def test_an_action_without_thumbnails_is_done_by_its_log_line():
    logged = Evidence(exists=True, last_modified=UPLOADED, sizes=0, outcomes=[line("done")])
    assert decide(logged, NOW).state == "done"
    assert decide(Evidence(exists=True, last_modified=UPLOADED, sizes=0), NOW).state == "waiting"


def test_what_is_nowhere_was_not_seen():
    assert decide(GONE, NOW).state == "not seen"


def test_an_object_that_is_gone_has_what_was_made_of_it():
    found = decide(Evidence(exists=False, thumbnails=[thumbnail(64)], sizes=2), NOW)
    assert (found.state, found.reason) == ("deleted", "it was done before it was deleted")
    assert legs(found.times)["done"]


def test_what_could_not_be_asked_is_named():
    blind = Evidence(exists=None, thumbnails=None, outcomes=None, enqueued=None, letters=None)
    found = decide(blind, NOW)
    assert found.state == "not seen"
    assert len([one for one in found.not_known if one.endswith("it could not be asked")]) == 5


def test_a_log_too_long_to_be_read_is_not_one_that_says_nothing():
    found = decide(known(read_since=datetime(2026, 1, 31, 12, 55, tzinfo=UTC)), NOW)
    assert any("what consume logged before 2026-01-31 12:55 UTC" in one for one in found.not_known)


def test_more_dead_letters_than_are_read_leave_it_open():
    found = decide(known(letters_complete=False), NOW)
    assert any("more than can be listed in time" in one for one in found.not_known)


def test_clocks_that_disagree_make_no_negative_wait():
    times = {"uploaded": "2026-01-31T12:00:01Z", "forwarded": "2026-01-31T12:00:00Z"}
    assert legs(times)["waited_in_source"] == 0


def test_a_time_in_the_future_is_no_negative_wait_and_no_wait_of_nothing():
    times = {"uploaded": "2099-01-01T00:00:00Z", "forwarded": "2026-01-31T12:00:00Z"}
    assert legs(times)["waited_in_source"] is None
