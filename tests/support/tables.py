"""A stage with an action table."""

from __future__ import annotations

from pathlib import Path

from chalicelib.config import Config
from chalicelib.config.stage import ACTIONS
from tests.support.settings import GOOD

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:invoices"
FOUR = f"""
[[line]]
prefix = "avatars/"
action = "resize"
THUMBNAIL_SIZES = "64"
THUMBNAIL_FIT = "cover"

[[line]]
pattern = "invoices/*.pdf"
action = "start_execution"
STATE_MACHINE_ARN = "{MACHINE}"

[[line]]
prefix = "tmp/"
action = "ignore"

[[line]]
action = "resize"
"""


def with_table(folder: Path, text: str = FOUR, **settings: str) -> Config:
    """The settings of a stage whose table this is; `folder` is empty."""
    actions = folder / "consume" / "actions"
    actions.parent.mkdir(parents=True, exist_ok=True)
    if not actions.exists():
        actions.symlink_to(ACTIONS)
    (folder / f"actions.{GOOD['STAGE']}.toml").write_text(text)
    return Config.from_env({**GOOD, "THUMBNAIL_SIZES": "256,1024", **settings}, str(actions))
