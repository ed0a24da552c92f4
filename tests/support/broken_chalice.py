"""The Chalice CLI as `make deploy` runs it, ending at the first call of one AWS operation.

Its arguments are `before` or `after`, the operation, and then Chalice's own: before the call is made, or
after AWS has done it and before Chalice knows. With `record` and a file's name it ends nowhere, and appends
every operation to the file.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from botocore.client import BaseClient

from infra.deploying import chalice_cli

when, operation, *arguments = sys.argv[1:]
call = BaseClient._make_api_call


def broken(client: Any, name: str, parameters: Any) -> Any:
    if when == "record":
        with Path(operation).open("a") as file:
            file.write(f"{name}\n")
    if name != operation:
        return call(client, name, parameters)
    if when == "after":
        call(client, name, parameters)
    sys.stdout.write(f"the machine went down {when} {operation}\n")
    sys.stdout.flush()
    os._exit(1)


BaseClient._make_api_call = broken
sys.argv = ["chalice", *arguments]
sys.exit(chalice_cli.main())
