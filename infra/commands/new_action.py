"""`make new-action NAME=index`: an action of one's own, and its test, to be filled in (docs/actions.md)."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from infra.errors import CommandError
from infra.permissions import own_actions

ACTION = '''"""What this stage does with each event; docs/actions.md tells all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.config import Config
from chalicelib.consume.outcomes import ActionResult, Delivery
from chalicelib.events import ObjectCreated

if TYPE_CHECKING:
    from chalicelib.consume.actions import Action

NEEDS: dict[str, str] = {}  # IAM action -> the setting with the ARN: {"dynamodb:PutItem": "TABLE_ARN"}
SETTINGS: tuple[str, ...] = ()  # what else has to be set: ("API_URL",)


def action(config: Config) -> Action:
    """Called once a process: what is made once, such as a client, is made here."""
    return NAME


def NAME(created: ObjectCreated, delivery: Delivery) -> ActionResult:
    """Done when it returns. It may run twice for one event (created.identity is the same), also at once.

    Raise Reject(reason, code) for what never works: a letter. Retry(reason, after=60), or any other
    exception, comes again after RETRY_DELAYS.
    """
    return ActionResult("done", says=f"{created.size} bytes")
'''

TEST = """from datetime import UTC, datetime

from chalicelib.consume.actions.NAME import NAME
from chalicelib.consume.outcomes import Delivery
from chalicelib.events import ObjectCreated

DELIVERY = Delivery("message-1", tries=1, forwarded=None, started=datetime(2026, 1, 31, tzinfo=UTC))


def test_an_event_is_done():
    created = ObjectCreated("images", "photos/a.jpg", size=2000)
    assert NAME(created, DELIVERY).result == "done"
"""


# Names that mean something else: of both files, of the action table, and what pytest takes for a test.
TAKEN = re.compile(r"action|config|created|delivery|datetime|ignore|test.*")


def write(root: Path, name: str) -> list[Path]:
    """Write both files; returns them. Raises CommandError for a name that is none, or is taken."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or keyword.iskeyword(name) or TAKEN.fullmatch(name):
        raise CommandError(
            f"NAME is {name!r}: expected a lower-case letter, then up to 39 lower-case letters, digits or _, "
            "and neither a word of Python's, nor action, config, created, delivery, datetime, ignore, test..."
        )
    action = own_actions.folder(root) / f"{name}.py"
    test = root / "tests" / "unit" / f"test_action_{name}.py"
    for file in (action, test):
        if file.exists():
            raise CommandError(f"NAME is {name!r}: {file.relative_to(root)} is there already")
    for file, text in ((action, ACTION), (test, TEST)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("NAME", name))
    return [action, test]
