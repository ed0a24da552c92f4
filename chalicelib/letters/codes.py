"""What a dead letter's code means, and when sending it back helps; docs/troubleshooting.md has the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Code(NamedTuple):
    """One kind of dead letter. `send_back` says when that helps, one short sentence."""

    means: str
    send_back: str


CODES: Mapping[str, Code] = {
    "unreadable": Code(
        "The message is no event: not JSON, or neither S3's nor Bucket and Key.",
        "No: find out who writes such messages.",
    ),
    "gone": Code(
        "The object, or the version that the event names, is no longer there.",
        "No: a new upload is handled by itself.",
    ),
    "archived": Code("The object is archived and cannot be read.", "Once it is restored."),
    "too-large": Code("The object has more bytes than MAX_IMAGE_BYTES.", "Once MAX_IMAGE_BYTES is raised."),
    "not-an-image": Code(
        "The content is of none of the formats in THUMBNAIL_FORMATS, whatever its name says.",
        "No: a good one, once it is uploaded, is handled by itself.",
    ),
    "unsupported": Code(
        "An image of a kind that the decoder does not know.",
        "Once a version that knows it is deployed.",
    ),
    "damaged": Code(
        "The image is cut off or broken.",
        "No: a good one, once it is uploaded, is handled by itself. "
        "THUMBNAIL_ACCEPT_TRUNCATED makes what can be made.",
    ),
    "too-many-pixels": Code(
        "Decoding the image would take more memory than the function has.",
        "Once consume's lambda_memory_size is raised.",
    ),
    "too-slow": Code(
        "Decoding the image took longer than THUMBNAIL_TIME_LIMIT.",
        "Once THUMBNAIL_TIME_LIMIT or consume's lambda_memory_size is raised.",
    ),
    "key-too-long": Code(
        "S3 does not take the object's key, or that of its thumbnail: more than 1,024 bytes.",
        "No: the object, once it is uploaded under a shorter key, is handled by itself.",
    ),
    "refused-by-downstream": Code(
        "The action's downstream answered that this event is wrong; the reason has its words.",
        "Once the downstream would take it.",
    ),
    "gave-up": Code(
        "MAX_TRIES tries failed; the reason is the last one's.",
        "Yes, once what the reason names works again.",
    ),
    "too-long": Code(
        "The message is too long to carry its number of tries; the reason is the last try's.",
        "Yes, once what the reason names works again.",
    ),
    "refused": Code(
        "No queue will ever take the message: it is too long, or has characters that SQS does not take.",
        "No: find out who writes such messages.",
    ),
    "received-too-often": Code(
        "The queue's redrive policy moved it: received 1,000 times and never handled.",
        "Yes, after a look at the functions' logs: one dies, or is never allowed to run.",
    ),
    "enqueue-failed": Code(
        "Lambda's record of an upload's event that the enqueue function failed on three times.",
        "Yes, once what the reason names works again.",
    ),
    "rejected": Code("An action of your own rejected it without a code.", "As its reason says."),
    "unknown": Code(
        "Somebody else wrote it into the dead-letter queue, without a reason.",
        "Only if its body is an event.",
    ),
}


def kind(code: str) -> Code:
    """What is said of a code; one that is not ours was given by somebody's own action."""
    return CODES.get(code, CODES["rejected"])
