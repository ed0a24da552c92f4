"""Chalice's command line, with our packager in the place of its own: nothing unchecked is uploaded.

`python -m infra.chalice_cli deploy --stage dev` is `chalice deploy --stage dev`.
"""

from __future__ import annotations

import sys

from chalice import cli
from chalice.deploy import deployer

from infra.package import CheckedPackager


def main() -> int:
    """Chalice's exit code."""
    # Chalice has no hook for it. Its version is pinned, and a test looks at what was deployed.
    deployer.LambdaDeploymentPackager = CheckedPackager  # type: ignore[attr-defined]
    code: int = cli.main()
    return code


if __name__ == "__main__":
    sys.exit(main())
