"""What a message carries of its earlier tries."""

import pytest

from chalicelib.queues import letters
from chalicelib.queues.tries import NONE, Tries, entry
from tests.support.drained import Stage


def test_a_letter_that_is_sent_back_begins_anew_though_sqs_leaves_its_attributes_on_it():
    letter = letters.message(
        "{}", "gave up after 6 tries", "consume", tries=Tries(6, "refused", "2026-01-31")
    )
    assert letter["MessageAttributes"]["Tries"]["StringValue"] == "6"
    assert Tries.read(letter["MessageAttributes"]) == NONE


def test_tries_are_read_as_they_were_written():
    tried = Tries(3, "the downstream does not answer", "2026-01-31T12:00:00.000Z")
    sent = entry("{}", tried, 0, 0)
    assert sent
    assert Tries.read(sent["MessageAttributes"]) == tried


@pytest.mark.parametrize("characters", [1000, 1_048_500])
def test_attributes_that_fill_a_message_leave_room_for_its_letter(characters):
    """Somebody else's `FirstFailure` is no time, and would else take the place of the body."""
    stage = Stage()
    attribute = {"DataType": "String", "StringValue": "x" * characters}
    stage.sqs.queues.put(stage.source, "no event", {"FirstFailure": attribute})
    assert stage.tick().rejected == 1
    assert stage.dead.bodies() == ["no event"]


@pytest.mark.parametrize(
    ("wait_s", "delay"), [(0.0, None), (0.2, 1), (15.0, 15), (299.1, 300), (9000.0, 900)]
)
def test_a_delay_is_whole_seconds_and_never_too_short(wait_s, delay):
    sent = entry("{}", Tries(1), wait_s, 1000.0)
    assert sent
    assert sent.get("DelaySeconds") == delay
