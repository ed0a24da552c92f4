"""SSM's parameters over asyncio, for the drain: the one call it makes, under boto3's name.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.aws.lean.json_calls import JsonCalls, Transport
from chalicelib.aws.lean.signing import Signer

if TYPE_CHECKING:
    from mypy_boto3_ssm import type_defs as t

CONTENT_TYPE = "application/x-amz-json-1.1"


class AsyncSsm(JsonCalls):
    """The SSM of one endpoint. Raises CallFailed, whose code is ParameterNotFound for one not there."""

    def __init__(self, transport: Transport, signer: Signer, **options: Any) -> None:
        """`options` are JsonCalls's; the signer's content type is CONTENT_TYPE."""
        super().__init__(transport, signer, "AmazonSSM", **options)

    async def get_parameter(self, *, Name: str) -> t.GetParameterResultTypeDef:
        answer: t.GetParameterResultTypeDef = await self.call("GetParameter", {"Name": Name}, check=_value)
        return answer


def _value(answer: Mapping[str, Any]) -> None:
    """Raises one of json_calls.MALFORMED."""
    if not isinstance(answer["Parameter"]["Value"], str):
        raise TypeError
