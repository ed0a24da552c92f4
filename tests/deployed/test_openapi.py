"""The deployed API against its own document (tests/unit/test_openapi_document.py has the document itself)."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.request

import pytest

from dev.local_aws import free_port
from infra.local_api import local_api
from tests.support.deployment import wait_for

SEED = 20260131
EXAMPLES = 12  # of each operation in the fuzzing phase; the coverage phase tries each field's edges besides
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def schemathesis(url, folder, *options, **parameters):
    """Its exit code and what it says; `parameters` are path parameters that lead somewhere."""
    config = folder / "schemathesis.toml"
    # TRACE is answered by Python's own server under `chalice local`, with 501.
    lines = ["[phases.coverage]", 'unexpected-methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]']
    lines += ["[parameters]", *(f'"path.{name}" = {json.dumps(value)}' for name, value in parameters.items())]
    config.write_text("\n".join(lines) + "\n")
    command = [
        *(
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            str(config),
            "run",
            f"{url}openapi.json",
        ),
        *("--url", url.rstrip("/"), "--checks", CHECKS, "--phases", "examples,coverage,fuzzing"),
        *("--max-examples", str(EXAMPLES), "--seed", str(SEED), "--generation-database", "none"),
        *("--request-timeout", "30", "--continue-on-failure", "--no-color", *options),
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def call(url, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


@contextlib.contextmanager
def _as_before(url):
    """Generated requests pause the schedule and set the capacity, too."""
    try:
        yield
    finally:
        call(f"{url}schedule/resume", {})
        call(f"{url}capacity", {"capacity": None}, "PUT")


@pytest.mark.aws
@pytest.mark.deploy
@pytest.mark.long
@pytest.mark.xdist_group("deployed_looked_at")
def test_no_request_makes_the_api_fail_or_answer_what_it_does_not_document(deployed, photographs, tmp_path):
    """Generated requests, good and bad, to the real routes over the local AWS."""
    log = tmp_path / "api.log"
    with local_api(deployed.stage, free_port(), log) as url, _as_before(url):
        code, said = schemathesis(url, tmp_path)
        assert code == 0, said[-6000:] + log.read_text()[-4000:]
        assert "Server error" not in said

        deployed.upload("for the api.jpg", (photographs / "rocket.jpg").read_bytes())
        thumbnail = "for the api.jpg_64.jpg"
        deployed.tick()
        wait_for(lambda: thumbnail in deployed.thumbnails_of("for the api.jpg"), "its thumbnail")
        job = call(f"{url}jobs", {"kind": "backfill", "manifest": {"list": {"prefix": "for the api"}}})
        code, said = schemathesis(
            url,
            tmp_path,
            *("--include-path-regex", "^/(jobs|web|objects|thumbnails)/"),
            job_id=job["id"],
            file="main.js",
            key=thumbnail,
        )
        assert code == 0, said[-6000:] + log.read_text()[-4000:]
        assert call(f"{url}jobs/{job['id']}")["id"] == job["id"]
