"""Chalice's command line as `make deploy` runs it.

`python -m infra.deploying.chalice_cli deploy` is `chalice deploy`, with what app.py sees to when somebody
types that (plain_chalice.py), and our packager in the place of its own: nothing unchecked is uploaded.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from chalice import cli
from chalice.deploy import deployer

from infra.deploying import mended, plain_chalice
from infra.package.build import CheckedPackager
from infra.stage import Stage


def end_with_stdin() -> None:
    """From now on this process ends when its standard input does: with its parent, however that ends."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def main() -> int:
    """Chalice's exit code."""
    plain_chalice.made_ready = True
    command, stage = plain_chalice.asked(sys.argv)
    if command == "deploy":
        mended.apply(Stage(Path.cwd(), stage))
    # Chalice has no hook for it. Its version is pinned, and a test looks at what was deployed.
    deployer.LambdaDeploymentPackager = CheckedPackager  # type: ignore[attr-defined]
    code: int = cli.main()
    return code


if __name__ == "__main__":
    sys.exit(main())
