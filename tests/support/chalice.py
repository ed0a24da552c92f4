"""Chalice's own command line, as somebody types it in a checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from dev import workspace
from infra.stage import Stage


def clone(folder: Path, settings: dict[str, str], stage: str) -> Stage:
    """The project as a clone has it: infra/ too, which a deployed copy lacks."""
    made = workspace.make(folder / "app", settings, stage)
    shutil.copytree(
        workspace.ROOT / "infra", made.root / "infra", ignore=shutil.ignore_patterns("__pycache__")
    )
    for file in (workspace.ROOT / ".chalice").glob("policy-local-*.json"):
        shutil.copy(file, made.root / ".chalice")
    return made


def chalice(stage: Stage, *words: str, stdin: str = "") -> tuple[int, str]:
    """Exit code and all that is said."""
    program = Path(sys.executable).with_name("chalice")
    done = subprocess.run(
        [program, *words],
        cwd=stage.root,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout
