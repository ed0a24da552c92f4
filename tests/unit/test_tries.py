"""What a message carries of its earlier tries."""

from chalicelib.queues import letters
from chalicelib.queues.tries import NONE, Tries, entry


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
