"""The Pythons of this machine that Lambda has too, and what belongs to each: Chalice, and the runtime.

Kept under .cache/lambda, made once: a virtual environment with Chalice, which builds the packages, and a
plain folder with what Lambda's image brings, which is all that a function sees beside its package.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from infra.errors import CommandError

ROOT = Path(__file__).parent.parent.parent
CACHE = ROOT / ".cache" / "lambda"
# Those that Lambda runs and this project supports, https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
RUNTIME_BRINGS = ("awslambdaric", "boto3")


@dataclass(frozen=True)
class LambdaPython:
    """One Python, prepared. All three paths are absolute."""

    version: str  # such as "3.13"
    interpreter: Path  # the bare one, of no virtual environment
    builder: Path  # the Python of the virtual environment with Chalice
    libraries: Path  # what Lambda's image brings


@cache
def interpreter(version: str) -> Path | None:
    """Where the Python of that version is, or None. A version manager's shim counts only if it runs."""
    for candidate in (sys.executable, *_candidates(version)):
        done = subprocess.run(
            [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys._base_executable)"],
            capture_output=True,
            text=True,
        )
        found, _, base = done.stdout.strip().partition(" ")
        if done.returncode == 0 and found == version:
            return Path(base).resolve()
    return None


def _candidates(version: str) -> Iterator[str]:
    name = f"python{version}"
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if found := shutil.which(name, path=folder):
            yield found
    for root in (Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions",):
        yield from (str(found) for found in sorted(root.glob(f"{version}.*/bin/{name}"), reverse=True))


def prepared(version: str) -> LambdaPython:
    """The Python with Chalice and the runtime's libraries. Raises CommandError where it is not installed."""
    base = interpreter(version)
    if base is None:
        raise CommandError(f"Python {version} is not installed here")
    folder = CACHE / version
    python = LambdaPython(version, base, folder / "builder" / "bin" / "python", folder / "libraries")
    chalice, brings = pinned("chalice"), pinned(*RUNTIME_BRINGS)
    wanted = "\n".join([str(base), *chalice, *brings])
    made = folder / "made.txt"
    if made.exists() and made.read_text() == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _run(str(base), "-m", "venv", str(folder / "builder"))
    _run(*_pip(python), *chalice)
    _run(*_pip(python), "--target", str(python.libraries), *brings)
    made.write_text(wanted)
    return python


def pinned(*names: str) -> list[str]:
    """The lines `name==version` of requirements-dev.txt for these names."""
    lines = (ROOT / "requirements-dev.txt").read_text()
    return [
        found[0]
        for name in names
        if (found := re.search(rf"^{name}==[\w.]+", lines, re.MULTILINE)) is not None
    ]


def _pip(python: LambdaPython) -> tuple[str, ...]:
    return (str(python.builder), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def _run(*command: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise CommandError(f"{' '.join(command[1:4])} failed: {done.stdout.strip()[-500:]}")


if __name__ == "__main__":  # for make: where the Python of that version is; exit code 1 where it is not
    print(interpreter(sys.argv[1]) or sys.exit(1))
