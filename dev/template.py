"""The stack's template as data: what tests and benchmarks say of a queue is what is deployed."""

from __future__ import annotations

from typing import Any

from cfnlint.decode import cfn_yaml

from dev.workspace import ROOT
from infra.deploying import stack
from infra.stage import Stage

RESOURCES: dict[str, Any] = cfn_yaml.load(str(stack.TEMPLATE))["Resources"]
# Who receives from the queue.
FUNCTION_OF = {"source": "drain", "bulk": "drain", "destination": "consume", "dead-letter": "letters"}


def queue(name: str) -> dict[str, Any]:
    """The properties of the `source`, `bulk`, `destination` or `dead-letter` queue."""
    found: dict[str, Any] = next(
        one["Properties"]
        for one in RESOURCES.values()
        if one["Type"] == "AWS::SQS::Queue" and one["Properties"]["QueueName"]["Fn::Sub"].endswith(f"-{name}")
    )
    return found


def visibility_s(name: str) -> int:
    """Seconds for which a received message is hidden from others."""
    return Stage(ROOT, "local").visibility(FUNCTION_OF[name])


def max_receives(name: str) -> int:
    """After how many receives SQS itself dead-letters a message; 0 where it never does."""
    policy = queue(name).get("RedrivePolicy")
    return int(policy["maxReceiveCount"]) if policy else 0
