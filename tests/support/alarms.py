"""The template's alarms."""

from __future__ import annotations

from dev import workspace
from dev.template import RESOURCES
from infra.stage import Stage

STAGE = Stage(workspace.ROOT, "prod")


ALARMS = {
    name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == "AWS::CloudWatch::Alarm"
}


def text(value):
    """A value of the template, with the stage's name in it."""
    found = value["Fn::Sub"] if isinstance(value, dict) else value
    return str(found).replace("${Stage}", STAGE.name)
