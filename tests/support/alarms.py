"""The template's alarms."""

from __future__ import annotations

from cfnlint.decode import cfn_yaml

from dev import workspace
from infra.deploying import stack
from infra.stage import Stage

STAGE = Stage(workspace.ROOT, "prod")


RESOURCES = cfn_yaml.load(str(stack.TEMPLATE))["Resources"]


ALARMS = {
    name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == "AWS::CloudWatch::Alarm"
}


def text(value):
    """A value of the template, with the stage's name in it."""
    found = value["Fn::Sub"] if isinstance(value, dict) else value
    return str(found).replace("${Stage}", STAGE.name)
