"""ministack with what this app needs and ministack 1.5.33 lacks, added from outside.

`python -m dev.ministack_server` runs it; it is configured by ministack's own environment variables.
It reaches into ministack's modules, so requirements-dev.txt pins the exact version.

REST: ImportRestApi drops its body and PutRestApi is missing, so an app with routes cannot be deployed
twice. ministack has an importer of its own, used by its CloudFormation; both calls are sent there.

IAM: a batch call on a queue is checked as an action of its own. AWS wants the action of the single call:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
A rule of the default bus has its bus in the ARN, which AWS's has not; a log group lacks its `:*`.
S3 says of an object that is not there 404 only to who may list the bucket, and to others 403:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html

S3 compares a notification's filter with the key decoded: a space in it is a plus, an equals sign %3D.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html

Lambda: a message that a redrive policy moved says in its attributes from which queue. An error of a function
has the name of its class, as AWS's runtime for Python gives it.

CloudWatch: the metrics, in dev/ministack_metrics.py, and logs newest first, in dev/ministack_logs.py. Many
events at once: dev/ministack_load.py.

CloudFormation: a kept bucket that a change set takes up again is refused as a name conflict.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote, unquote_plus

from ministack.app import main
from ministack.core import iam_actions
from ministack.services import apigateway_v1 as apigateway
from ministack.services import lambda_svc, s3
from ministack.services.cloudformation import stacks

from dev import ministack_load, ministack_logs, ministack_metrics

Response = tuple[int, dict[str, str], Any]

_answer = apigateway.handle_request
_action = iam_actions.extract_iam_action
_resource = iam_actions.extract_resource_arn
_checks = iam_actions.s3_additional_checks
_errors = stacks._validation_errors
_key_matches = s3._key_matches_filter
_run_batch = lambda_svc._run_sqs_batch
_execute = lambda_svc._execute_function_warm


async def handle_request(
    method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
) -> Response:
    """API Gateway's requests, with the two of a Swagger document answered here."""
    match method, path.strip("/").split("/"):
        case "POST", ["restapis"] if "import" in query.get("mode", ""):
            document = json.loads(body)
            found: Response = _view(apigateway._import_rest_api(document, _settings(document)), 201)
            return found
        case "PUT", ["restapis", api_id]:
            if api_id not in apigateway._rest_apis:
                missing: Response = apigateway._v1_error(
                    "NotFoundException", "Invalid API identifier specified", 404
                )
                return missing
            return _replace(api_id, json.loads(body))
    answer: Response = await _answer(method, path, headers, body, query)
    return answer


def _settings(document: dict[str, Any]) -> dict[str, Any]:
    policy = document.get("x-amazon-apigateway-policy")
    return {
        "binaryMediaTypes": document.get("x-amazon-apigateway-binary-media-types", []),
        "policy": json.dumps(policy) if policy else None,
    }


def _replace(api_id: str, document: dict[str, Any]) -> Response:
    """PutRestApi in overwrite mode: the routes of the document, and no others."""
    root = next(one for one in apigateway._resources[api_id].values() if one["path"] == "/")
    root["resourceMethods"] = {}
    apigateway._resources[api_id] = {root["id"]: root}
    apigateway._authorizers_v1[api_id] = {}
    if policy := _settings(document)["policy"]:
        apigateway._rest_apis[api_id]["policy"] = policy
    schemes = apigateway._import_security_schemes(api_id, document)
    for path, item in document.get("paths", {}).items():
        apigateway._import_path_item(api_id, path, item, schemes, document.get("security"))
    return _view(api_id, 200)


def _view(api_id: str, status: int) -> Response:
    api = apigateway._rest_apis[api_id]
    api.setdefault("minimumCompressionSize", 1024)  # botocore reads it as a number, never as missing
    answer: Response = apigateway._v1_response(apigateway._rest_api_view(api), status)
    return answer


def extract_iam_action(*request: Any) -> str | None:
    """The IAM action of a request, such as `sqs:SendMessage` for SendMessageBatch too."""
    action: str | None = _action(*request)
    return action.removesuffix("Batch") if action and action.startswith("sqs:") else action


def extract_resource_arn(service: str, *request: Any) -> str:
    """The resource of a request as AWS has it.

    A rule of the default bus has no bus, and a log group ends in `:*`:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
    """
    arn: str = _resource(service, *request)
    if service == "logs" and ":log-group:" in arn and not arn.endswith("*"):
        return f"{arn}:*"
    return arn.replace(":rule/default/", ":rule/")


def s3_additional_checks(
    method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
) -> list[tuple[str, str]]:
    """What a request needs besides its own action: to be told that an object is gone, s3:ListBucket."""
    checks: list[tuple[str, str]] = _checks(method, path, headers, body, query)
    bucket, _, key = path.lstrip("/").partition("/")
    known = s3._buckets.get(bucket)
    if method in ("GET", "HEAD") and key and known and unquote(key) not in known["objects"]:
        checks = [*checks, ("s3:ListBucket", f"arn:aws:s3:::{bucket}")]
    return checks


def key_matches_filter(key: str, prefix: str | None, suffix: str | None) -> bool:
    """Whether the notification is for the key."""
    matches: bool = _key_matches(key, unquote_plus(prefix or ""), unquote_plus(suffix or ""))
    return matches


def validation_errors(resources: dict[str, Any], *rest: Any) -> list[tuple[str, ...]]:
    """The template's errors, but not that a bucket to be kept exists: it is taken up, not made."""
    found: list[tuple[str, ...]] = _errors(resources, *rest)
    return [
        error
        for error in found
        if error[2] != "NAME_CONFLICT_VALIDATION" or "DeletionPolicy" not in resources[error[0]]
    ]


def run_sqs_batch(esm: Any, function: Any, event: Any, batch: list[Any], *rest: Any) -> Any:
    """A batch for a function, with DeadLetterQueueSourceArn where SQS has it."""
    moved_from = {message["id"]: message["sys"].get("DeadLetterQueueSourceArn") for message in batch}
    for record in event["Records"]:
        if arn := moved_from.get(record["messageId"]):
            record["attributes"]["DeadLetterQueueSourceArn"] = arn
    return _run_batch(esm, function, event, batch, *rest)


def execute_function(func: dict[str, Any], event: dict[str, Any], request_id: str) -> dict[str, Any]:
    """The function's answer; an error named by the last line of its trace."""
    found: dict[str, Any] = _execute(func, event, request_id)
    body = found.get("body")
    if found.get("error") and isinstance(body, dict) and body.get("errorType") == "Runtime.HandlerError":
        last = str(found.get("log", "")).strip().rpartition("\n")[2]
        name = last.partition(":")[0].rpartition(".")[2]
        if name.isidentifier():
            body["errorType"] = name
    return found


apigateway.handle_request = handle_request
lambda_svc._execute_function_warm = execute_function
s3._key_matches_filter = key_matches_filter
lambda_svc._run_sqs_batch = run_sqs_batch
stacks._validation_errors = validation_errors
iam_actions.extract_iam_action = extract_iam_action  # type: ignore[assignment]
iam_actions.s3_additional_checks = s3_additional_checks  # type: ignore[assignment]
iam_actions.extract_resource_arn = extract_resource_arn  # type: ignore[assignment]

ministack_logs.add()
ministack_metrics.add()
ministack_load.add()

if __name__ == "__main__":
    main()
