"""Settings of a stage for tests that need one, and its three queues' URLs."""

from __future__ import annotations

QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012/"


GOOD = {
    "IMAGES_BUCKET": "images",
    "THUMBNAILS_BUCKET": "thumbnails",
    "SOURCE_QUEUE_URL": f"{QUEUE}source",
    "DESTINATION_QUEUE_URL": f"{QUEUE}destination",
    "DEAD_LETTER_QUEUE_URL": f"{QUEUE}dead",
    "STAGE": "dev",
}
