"""The answers that the page is tried with are such as the API gives: in the shape of its OpenAPI document."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from dev.workspace import ROOT
from tests.support.page import canned

DOCUMENT = json.loads((ROOT / "chalicelib" / "openapi.json").read_text())
GIVEN = {
    "busy": ("/status", canned.status()),
    "empty": ("/status", canned.empty()),
    "failing": ("/status", canned.failing()),
    "broken": ("/status", canned.broken()),
    "series": ("/series", canned.series()),
    "recent": ("/recent", canned.recent()),
    "letters": ("/dead-letters", canned.letters()),
    "letter": ("/dead-letters/{letter_id}", canned.letter()),
    "runs": ("/dead-letters/redrive", {"runs": [canned.run(), canned.run("discard", "stopped")]}),
    "jobs": ("/jobs", canned.jobs()),
    "job": ("/jobs/{job_id}", canned.job_details()),
    "report": ("/jobs/{job_id}/report", canned.report()),
    "changes": ("/changes", canned.changes()),
    "objects": ("/objects", canned.objects({"prefix": "a/"})),
    "traced": ("/objects/{key}", canned.traced("a.jpg")),
    "plan": ("/plan", canned.plan()),
}


@pytest.mark.parametrize("name", GIVEN)
def test_a_canned_answer_has_the_apis_own_shape(name: str) -> None:
    path, answer = GIVEN[name]
    content = DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]
    schema: dict[str, Any] = {**content["application/json"]["schema"], "components": DOCUMENT["components"]}
    found = [
        f"{one.json_path}: {one.message}"[:300]
        for one in jsonschema.Draft202012Validator(schema).iter_errors(answer)
    ]
    assert found == []
