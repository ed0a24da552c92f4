"""Deployment packages as `make deploy` makes them, for any Python of this machine, unpacked."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

from dev import workspace
from dev.lambda_runtime.interpreters import ROOT, LambdaPython
from infra.errors import CommandError
from infra.package.build import Package


@dataclass(frozen=True)
class Unpacked:
    """A package, and the folder it was unpacked to: what Lambda has in /var/task."""

    python: LambdaPython
    package: Package
    folder: Path


def unpacked(
    python: LambdaPython, folder: Path, architecture: str = "x86_64", requirements: str = ""
) -> Unpacked:
    """The package of this checkout for that Python, under the folder, perhaps with other requirements.

    Raises CommandError as a deploy does.
    """
    stage = workspace.make(folder / "project", {})
    if requirements:
        (stage.root / "requirements.txt").write_text(requirements + "\n")
    settings = json.loads(stage.config_file.read_text())
    stage.config_file.write_text(json.dumps({**settings, "lambda_architecture": architecture}))
    done = subprocess.run(
        [str(python.builder), "-m", "infra.package.build", stage.name, str(stage.root)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise CommandError(done.stderr.strip())
    package = Package(**json.loads(done.stdout))
    with zipfile.ZipFile(package.file) as file:
        file.extractall(folder / "task")
    return Unpacked(python, package, folder / "task")
