"""How often Lambda runs what nobody waits for: the settings of a function for which Chalice has no word.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.eventually import settled

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# A role's new permission, or a function's new code, that Lambda does not see everywhere yet.
NOT_YET = (("InvalidParameterValueException", "permission"), ("ResourceConflictException", ""))


def of_ticks(client: LambdaClient, function: str) -> None:
    """A failed tick is not run again, for the next one comes within the minute; a late one is dropped."""
    _set(client, function, MaximumRetryAttempts=0, MaximumEventAgeInSeconds=60)


def of_uploads(client: LambdaClient, function: str, dead_letter_arn: str) -> None:
    """What enqueue could not queue after Lambda's two retries is a dead letter, whole, and not lost."""
    _set(
        client,
        function,
        MaximumRetryAttempts=2,
        MaximumEventAgeInSeconds=21_600,
        DestinationConfig={"OnFailure": {"Destination": dead_letter_arn}},
    )


def of_letters(client: LambdaClient, function: str) -> None:
    """A long redrive calls itself for its next part: Lambda would take that for a loop after 16 calls.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html, and docs/decisions/0021.
    """
    settled(
        lambda: client.put_function_recursion_config(FunctionName=function, RecursiveLoop="Allow"), *NOT_YET
    )


def without_width(client: LambdaClient, mapping: str) -> None:
    """The event source mapping has no maximum concurrency of its own."""
    found = client.get_event_source_mapping(UUID=mapping)
    if found.get("ScalingConfig", {}).get("MaximumConcurrency"):
        settled(
            lambda: client.update_event_source_mapping(UUID=mapping, ScalingConfig={}),
            ("ResourceInUseException", ""),
            *NOT_YET,
        )


def _set(client: LambdaClient, function: str, **config: Any) -> None:
    settled(lambda: client.put_function_event_invoke_config(FunctionName=function, **config), *NOT_YET)
