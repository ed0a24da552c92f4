"""The server in a process of its own, for as long as a `with` block lasts."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from typing import Any, Self


class ServerProcess:
    """Ports are chosen by the system. `certificate` is a PEM file with key and certificate, for TLS."""

    def __init__(self, certificate: str = "") -> None:
        command = [sys.executable, "-m", "dev.fake_sqs.server", "--certificate", certificate]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        ports = self._process.stdout.readline().split()[1:]
        if not ports:
            raise RuntimeError("the fake SQS did not start")
        self.endpoint = f"http://127.0.0.1:{ports[0]}"
        self.tls_endpoint = f"https://127.0.0.1:{ports[1]}" if certificate else ""

    def url(self, queue: str) -> str:
        return f"{self.endpoint}/000000000000/{queue}"

    def control(self, do: str, **arguments: Any) -> dict[str, Any]:
        """See Server.control."""
        request = urllib.request.Request(
            f"{self.endpoint}/_control", json.dumps({"do": do, **arguments}).encode()
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            result: dict[str, Any] = json.load(answer)
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.communicate()
