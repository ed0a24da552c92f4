"""From where the REST API may be called: its resource policy, from the setting ALLOWED_ADDRESSES."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.errors import CommandError
from infra.stage import Stage

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient


API_STAGE = "api"  # Chalice's own default for api_gateway_stage


def policy(addresses: list[str]) -> dict[str, Any]:
    """A resource policy that refuses every address but these.

    It allows nothing but /health: within the account, an Allow for everybody would do for callers whom IAM
    does not allow.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html
    """
    everybody = {"Principal": "*", "Action": "execute-api:Invoke"}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", **everybody, "Resource": "execute-api:/*/GET/health"},
            {
                "Effect": "Deny",
                **everybody,
                "Resource": "execute-api:/*",
                "Condition": {"NotIpAddress": {"aws:SourceIp": addresses}},
            },
        ],
    }


def addresses(setting: str) -> list[str]:
    """The networks of `192.0.2.0/24, 2001:db8::/32`. Raises CommandError naming the one that is none."""
    found = []
    for text in filter(None, (part.strip() for part in setting.split(","))):
        try:
            found.append(str(ipaddress.ip_network(text)))
        except ValueError as e:
            raise CommandError(
                f"ALLOWED_ADDRESSES has {text!r}: {e}; expected addresses or networks such as 192.0.2.0/24"
            ) from e
    return found


def write(stage: Stage) -> str:
    """Write the stage's policy beside its config.json; returns the file's name, empty for a stage without."""
    file, text = _file(stage), _text(stage)
    if not text:
        file.unlink(missing_ok=True)
        return ""
    file.write_text(text)
    return file.name


def is_written(stage: Stage) -> bool:
    """Whether what `write` would write is there, and nothing where it would write nothing."""
    file, text = _file(stage), _text(stage)
    return file.exists() == bool(text) and (not text or file.read_text() == text)


def _file(stage: Stage) -> Path:
    return stage.config_file.with_name(f"api-policy-{stage.name}.json")


def _text(stage: Stage) -> str:
    allowed = addresses(stage.environment().get("ALLOWED_ADDRESSES", ""))
    return json.dumps(policy(allowed), indent=2) + "\n" if allowed else ""


def take_away(client: APIGatewayClient, stage: Stage) -> None:
    """Remove the policy of a stage that once had ALLOWED_ADDRESSES: a deploy without one leaves the old one.

    A policy holds from the next API deployment on.
    """
    if stage.environment().get("ALLOWED_ADDRESSES"):
        return
    for api in (one["rest_api_id"] for one in stage.deployed() if "rest_api_id" in one):
        if client.get_rest_api(restApiId=api).get("policy"):
            client.update_rest_api(
                restApiId=api, patchOperations=[{"op": "replace", "path": "/policy", "value": ""}]
            )
            client.create_deployment(restApiId=api, stageName=API_STAGE)
