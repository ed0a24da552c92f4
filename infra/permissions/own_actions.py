"""What an action's file says of itself, read and never run: NEEDS and SETTINGS (docs/actions.md)."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from infra.errors import CommandError

FOLDER = ("chalicelib", "consume", "actions")


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
            not isinstance(one, str)
            or one.count(":") != 1
            or "*" in one
            or not listed
            or not isinstance(listed, tuple | list)
            or not all(isinstance(name, str) and name for name in listed)
        ):
            raise CommandError(f"{_name(action)}: NEEDS has {one!r}: {names!r}; {expected}")
        found[one] = tuple(listed)
    return found


def settings(root: Path, action: str) -> tuple[str, ...]:
    """The settings without which the action cannot work. Raises CommandError."""
    written = _literal(root, action, "SETTINGS", ())
    if not isinstance(written, tuple | list) or not all(isinstance(name, str) for name in written):
        raise CommandError(f'{_name(action)}: expected SETTINGS = ("API_URL",), the names of settings')
    asked = [name for names in needs(root, action).values() for name in names if name != "*"]
    return tuple(dict.fromkeys([*written, *asked]))


_REQUIRED: Any = object()


def _literal(root: Path, action: str, name: str, default: Any = _REQUIRED) -> Any:
    file = folder(root) / f"{action}.py"
    try:
        tree = ast.parse(file.read_text())
    except (OSError, SyntaxError, ValueError) as e:
        raise CommandError(f"{_name(action)} cannot be read: {e}") from e
    for node in tree.body:
        target: ast.expr | None = None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        elif isinstance(node, ast.AnnAssign):
            target = node.target
        if (
            isinstance(target, ast.Name)
            and target.id == name
            and isinstance(node, ast.Assign | ast.AnnAssign)
        ):
            try:
                return ast.literal_eval(node.value) if node.value else None
            except ValueError as e:
                raise CommandError(f"{_name(action)}: {name} is not written out: {e}") from e
    if default is _REQUIRED:
        raise CommandError(
            f"{_name(action)} has no {name}: write {name} = {{}} where it calls nothing of AWS"
        )
    return default


def _name(action: str) -> str:
    return "/".join((*FOLDER, f"{action}.py"))
