"""Whether the mail about a failed bulk job can come: S3 tells of jobs through CloudTrail alone.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-event-bridge-cloud-trail.html
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

NEEDED = "the mail about a failed bulk job needs a CloudTrail trail that logs"


def missing(client: Any) -> str:
    """A line that says what is missing, or that it could not be asked; empty where a trail logs.

    `client` is boto3's of CloudTrail. Raises nothing: a deploy goes on without.
    """
    try:
        trails = client.describe_trails(includeShadowTrails=True)["trailList"]
        logging = any(client.get_trail_status(Name=one["TrailARN"])["IsLogging"] for one in trails)
    except (ClientError, BotoCoreError, KeyError) as e:
        return f"{NEEDED}: not checked, {e}"
    return "" if logging else f"{NEEDED}, and this region has none: look at the page, or at GET /jobs"
