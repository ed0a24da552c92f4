"""A copy of what Chalice deploys, so that a local run leaves no trace in the checkout."""

from __future__ import annotations

import shutil
from pathlib import Path

from infra.stage import Stage

ROOT = Path(__file__).parent.parent
PORT = 4566  # of the local AWS of a `make run`, where no other is asked for


def run_folder(port: int) -> Path:
    """What a `make run` on this port keeps: logs, the deployed copy."""
    return ROOT / ".run" / str(port)


def make(folder: Path, settings: dict[str, str], stage: str = "local") -> Stage:
    """The app copied into the folder, its stage given these settings; nothing deployed yet."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / ".chalice").mkdir(parents=True)
    for file in ("app.py", "requirements.txt", ".chalice/config.json"):
        shutil.copy2(ROOT / file, folder / file)
    shutil.copytree(ROOT / "chalicelib", folder / "chalicelib", ignore=shutil.ignore_patterns("__pycache__"))
    made = Stage(folder, stage)
    made.record(settings, {})
    return made
