"""What an action's file says of itself, read and never run: NEEDS and SETTINGS (docs/actions.md)."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from infra.errors import CommandError

FOLDER = ("chalicelib", "consume", "actions")
_IAM_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")
_SETTING = re.compile(r"[A-Za-z][A-Za-z0-9_]+")  # as Lambda takes them


def folder(root: Path) -> Path:
    return root.joinpath(*FOLDER)


def needs(root: Path, action: str) -> dict[str, tuple[str, ...]]:
    """IAM action -> the settings that name on what it is needed, or `*`. Raises CommandError."""
    written = _literal(root, action, "NEEDS")
    expected = (
        'expected NEEDS = {"dynamodb:PutItem": "TABLE_ARN"}: an IAM action and the setting with the ARN'
    )
    if not isinstance(written, dict):
        raise CommandError(f"{_name(action)}: {expected}")
    found = {}
    for one, names in written.items():
        listed = (names,) if isinstance(names, str) else names
        if (
            not (isinstance(one, str) and _IAM_ACTION.fullmatch(one))
            or not (isinstance(listed, tuple | list) and listed)
            or not all(name == "*" or _is_setting(name) for name in listed)
        ):
            raise CommandError(f"{_name(action)}: NEEDS has {one!r}: {names!r}; {expected}")
        found[one] = tuple(listed)
    return found


def settings(root: Path, action: str) -> tuple[str, ...]:
    """The settings without which the action cannot work. Raises CommandError."""
    written = _literal(root, action, "SETTINGS", ())
    if not isinstance(written, tuple | list) or not all(map(_is_setting, written)):
        raise CommandError(f'{_name(action)}: expected SETTINGS = ("API_URL",), the names of settings')
    asked = [name for names in needs(root, action).values() for name in names if name != "*"]
    return tuple(dict.fromkeys([*written, *asked]))


def _is_setting(name: object) -> bool:
    return isinstance(name, str) and bool(_SETTING.fullmatch(name))


_REQUIRED: Any = object()


def _literal(root: Path, action: str, name: str, default: Any = _REQUIRED) -> Any:
    file = folder(root) / f"{action}.py"
    try:
        tree = ast.parse(file.read_text())
    except (OSError, SyntaxError, ValueError) as e:
        raise CommandError(f"{_name(action)} cannot be read: {e}") from e
    written = [node for node in tree.body if name in _written_to(node)]
    if len(written) > 1:
        raise CommandError(f"{_name(action)}: {name} is written {len(written)} times: expected once, whole")
    if written:
        value = getattr(written[0], "value", None)
        try:
            return ast.literal_eval(value) if value else None
        except (ValueError, TypeError) as e:  # what is no constant, or no key of a dictionary
            raise CommandError(f"{_name(action)}: {name} is not written out: {e}") from e
    if default is _REQUIRED:
        raise CommandError(
            f"{_name(action)} has no {name}: write {name} = {{}} where it calls nothing of AWS"
        )
    return default


def _written_to(node: ast.stmt) -> set[str]:
    """The names that a statement gives a value, or changes."""
    match node:
        case ast.Assign():
            targets = node.targets
        case ast.AnnAssign() | ast.AugAssign():
            targets = [node.target]
        case _:
            targets = []
    named = [one.value if isinstance(one, ast.Subscript) else one for one in targets]
    return {one.id for one in named if isinstance(one, ast.Name)}


def _name(action: str) -> str:
    return "/".join((*FOLDER, f"{action}.py"))
