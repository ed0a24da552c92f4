"""The stack's template: what it makes carries its stage, speaks TLS only, and grants no more than it says.

Read from the template itself: the local AWS drops some of it. `make check` has cfn-lint look at the rest.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml
from parliament import analyze_policy_string

from chalicelib.config.stage import APP
from chalicelib.drain.clock import STOP_S
from chalicelib.errors import ConfigError
from chalicelib.queues.retention import KEPT
from dev import workspace
from dev.template import RESOURCES
from infra.deploying import deploy as deploying
from infra.deploying import stack
from infra.permissions import policies
from tests.support.deployment import ACCOUNT

NAMES = (
    "BucketName",
    "QueueName",
    "RoleName",
    "TopicName",
    "LogGroupName",
    "AlarmName",
    "DashboardName",
    "BudgetName",
    "Name",
)
# What may have no name of its own: it is part of something that has one.
NAMELESS = {
    "AWS::S3::BucketPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SNS::Subscription",
}
MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:downstream"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"


def properties(logical: str) -> dict[str, Any]:
    found: dict[str, Any] = RESOURCES[logical].get("Properties", {})
    return found


def of_type(kind: str) -> dict[str, Any]:
    return {name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == kind}


def test_every_name_carries_the_stage_so_that_stages_share_nothing():
    for logical, resource in RESOURCES.items():
        given = {**resource["Properties"], **resource["Properties"].get("Budget", {})}
        names = [given[name] for name in NAMES if name in given]
        assert bool(names) != (resource["Type"] in NAMELESS), logical
        for name in names:
            assert "${Stage}" in name["Fn::Sub"], logical


def test_every_name_begins_with_the_apps_name():
    app = json.loads((workspace.ROOT / ".chalice" / "config.json").read_text())["app_name"]
    assert app == APP
    given = [{**one, **one.get("Budget", {})} for one in map(properties, RESOURCES)]
    named = [one[name]["Fn::Sub"] for one in given for name in NAMES if name in one]
    assert len(named) > 15
    short = "s3-events-${Stage}-"  # of buckets and rules, whose names are long
    logs = f"/aws/lambda/{APP}-${{Stage}}"
    assert [name for name in named if not name.startswith((f"{APP}-${{Stage}}", short, logs))] == []


def test_the_code_and_the_page_say_how_long_the_queues_keep_a_message_and_when_a_pause_acts():
    queues = of_type("AWS::SQS::Queue")
    assert {int(one["MessageRetentionPeriod"]) for one in queues.values()} == {KEPT.total_seconds()}
    control = (workspace.ROOT / "chalicelib" / "page" / "web" / "control.js").read_text()
    assert f"keeps a message for {KEPT.days} days." in control
    assert f"ACTS_WITHIN_S = {STOP_S:.0f};" in control


def test_what_has_the_same_name_in_every_region_carries_the_region_too():
    for kind, name in (("AWS::S3::Bucket", "BucketName"), ("AWS::IAM::Role", "RoleName")):
        assert of_type(kind), kind
        for properties in of_type(kind).values():
            assert "${AWS::Region}" in properties[name]["Fn::Sub"]


def tls_only(policy: dict[str, Any]) -> list[str]:
    """The logical names of what the policy refuses to whoever comes without TLS."""
    found = []
    for statement in policy["PolicyDocument"]["Statement"]:
        if "Fn::If" in statement:
            condition, statement, _ = statement["Fn::If"]
            assert condition in ("MakeTlsOnly", "BucketNotifiesQueue")
        if statement["Sid"] == "TlsOnly":
            assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
            assert statement["Action"] in ("s3:*", "sqs:*")
            assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            resources = statement["Resource"]
            found += [
                one["Fn::GetAtt"][0] if "Fn::GetAtt" in one else one["Fn::Sub"]
                for one in (resources if isinstance(resources, list) else [resources])
            ]
    return found


def test_every_bucket_and_its_objects_refuse_connections_without_tls():
    refused = [name for one in of_type("AWS::S3::BucketPolicy").values() for name in tls_only(one)]
    buckets = of_type("AWS::S3::Bucket")
    assert sorted(refused) == sorted([*buckets, *(f"${{{name}.Arn}}/*" for name in buckets)])


def test_every_queue_refuses_connections_without_tls():
    policies = of_type("AWS::SQS::QueuePolicy").values()
    refused = [name for one in policies for name in tls_only(one)]
    assert sorted(refused) == sorted(of_type("AWS::SQS::Queue"))
    attached = [queue["Ref"] for one in policies for queue in one["Queues"]]
    assert sorted(attached) == sorted(refused), "a queue has one policy: a second one would replace it"


def test_every_queue_is_encrypted_with_the_key_or_else_with_sqs_own():
    for name, queue in of_type("AWS::SQS::Queue").items():
        assert queue["SqsManagedSseEnabled"]["Fn::If"] == ["UseKmsKey", False, True], name
        assert queue["KmsMasterKeyId"]["Fn::If"][:2] == ["UseKmsKey", {"Ref": "KmsKeyArn"}], name


def test_every_bucket_is_encrypted_belongs_to_the_account_and_is_closed_to_the_public():
    for name, bucket in of_type("AWS::S3::Bucket").items():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        default = rule["ServerSideEncryptionByDefault"]
        assert default["SSEAlgorithm"]["Fn::If"] == ["UseKmsKey", "aws:kms", "AES256"], name
        assert default["KMSMasterKeyID"]["Fn::If"][:2] == ["UseKmsKey", {"Ref": "KmsKeyArn"}], name
        assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}, name
        assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(
            ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
        ), name


def let_in() -> list[dict[str, Any]]:
    """The statements by which S3, or anybody else, may reach a bucket or a queue of the stage."""
    found = []
    for kind in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"):
        for policy in of_type(kind).values():
            for one in policy["PolicyDocument"]["Statement"]:
                statement = one["Fn::If"][1] if "Fn::If" in one else one
                if statement["Effect"] != "Deny":
                    found.append(statement)
    return found


def test_s3_alone_is_let_in_and_only_for_the_stages_own_bucket_in_its_own_account():
    """Else another account's bucket could send to the queue, or write lists, through S3."""
    assert [one["Action"] for one in let_in()] == ["s3:PutObject", "sqs:SendMessage"]
    for statement in let_in():
        assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
        conditions = statement["Condition"]
        assert conditions["StringEquals"]["aws:SourceAccount"] == {"Ref": "AWS::AccountId"}
        (bucket,) = (one["aws:SourceArn"] for one in conditions.values() if "aws:SourceArn" in one)
        assert resolved(bucket).startswith("arn:aws:s3:::")
        assert "*" not in resolved(bucket)


def test_a_budget_is_made_where_one_is_set_and_there_is_somebody_to_tell_and_nowhere_else():
    template = cfn_yaml.load(str(stack.TEMPLATE))
    assert template["Parameters"]["MonthlyBudgetUsd"]["Default"] == 0
    ((name, budget),) = [
        (name, one) for name, one in RESOURCES.items() if one["Type"] == "AWS::Budgets::Budget"
    ]
    assert (name, budget["Condition"]) == ("Budget", "WatchBudget")
    wanted = [{"Fn::Not": [{"Fn::Equals": [{"Ref": "MonthlyBudgetUsd"}, 0]}]}, {"Condition": "TellByEmail"}]
    assert template["Conditions"]["WatchBudget"] == {"Fn::And": wanted}
    assert budget["Properties"]["Budget"]["BudgetLimit"]["Amount"] == {"Ref": "MonthlyBudgetUsd"}
    told = budget["Properties"]["NotificationsWithSubscribers"]
    assert {one["Notification"]["NotificationType"] for one in told} == {"ACTUAL", "FORECASTED"}
    assert all(one["Subscribers"][0]["Address"] == {"Ref": "AlarmEmail"} for one in told)


@pytest.mark.parametrize(
    ("settings", "budget"),
    [
        ({}, 0),
        ({"MONTHLY_BUDGET_USD": "100", "ALARM_EMAIL": "a@example.org"}, 100),
        ({"MONTHLY_BUDGET_USD": "100"}, "MONTHLY_BUDGET_USD is '100': needs an ALARM_EMAIL"),
        ({"MONTHLY_BUDGET_USD": "0", "ALARM_EMAIL": "a@example.org"}, "MONTHLY_BUDGET_USD is '0'"),
        ({"MONTHLY_BUDGET_USD": "9.5", "ALARM_EMAIL": "a@example.org"}, "MONTHLY_BUDGET_USD is '9.5'"),
    ],
)
def test_a_budget_is_off_by_default_and_a_bad_one_is_refused_in_a_line(settings, budget):
    if isinstance(budget, int):
        assert deploying.monthly_budget(settings) == budget
    else:
        with pytest.raises(ConfigError, match=budget):
            deploying.monthly_budget(settings)


def test_only_the_alarms_and_the_rules_may_tell_the_topic():
    """It hears names and numbers, never contents; a key that CloudWatch may not use would silence them."""
    (policy,) = of_type("AWS::SNS::TopicPolicy").values()
    statements = policy["PolicyDocument"]["Statement"]
    assert {one["Principal"]["Service"] for one in statements} == {
        "cloudwatch.amazonaws.com",
        "events.amazonaws.com",
    }
    assert {one["Action"] for one in statements} == {"sns:Publish"}
    (topic,) = of_type("AWS::SNS::Topic").values()
    assert "KmsMasterKeyId" not in topic


def resolved(value: Any) -> Any:
    """The template's value with its intrinsic functions done, for a stage whose conditions all hold."""
    if isinstance(value, list):
        return [resolved(one) for one in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Fn::If": [_, yes, _]}:
            return resolved(yes)
        case {"Fn::GetAtt": [name, "Arn"]} | {"Ref": name}:
            known = {"KmsKeyArn": KEY, "ManifestObjects": ["arn:aws:s3:::lists/*"]}
            return known.get(name, f"arn:aws:s3:::{name.lower()}")
        case {"Fn::Sub": text}:
            text, values = text if isinstance(text, list) else (text, {})
            known = {
                "Stage": "dev",
                "AWS::Partition": "aws",
                "AWS::Region": ACCOUNT.region,
                "AWS::AccountId": ACCOUNT.id,
                "ReportsBucket.Arn": "arn:aws:s3:::reports",
                "NotifiedBucket": "images",
                **dict.fromkeys(values, "images"),
            }
            for name, meant in known.items():
                text = text.replace(f"${{{name}}}", meant)
            assert "${" not in text, text
            return text
    return {name: resolved(one) for name, one in value.items()}


def findings(policy: dict[str, Any]) -> list[str]:
    return [str(one) for one in analyze_policy_string(json.dumps(policy)).findings]


def test_parliament_finds_nothing_in_the_jobs_role():
    (role,) = of_type("AWS::IAM::Role").values()
    documents = [resolved(one)["PolicyDocument"] for one in role["Policies"]]
    assert len(documents) == 5
    for document in documents:
        assert findings(document) == [], document
    kms = [one for document in documents for one in document["Statement"] if "kms:Decrypt" in one["Action"]]
    assert [one["Resource"] for one in kms] == [KEY]


@pytest.mark.parametrize(
    "settings",
    [
        {"ACTION": "resize", "KMS_KEY_ARN": KEY},
        {"ACTION": "log", "DRAIN_SHARDS": "3"},
        {"ACTION": "start_execution", "STATE_MACHINE_ARN": MACHINE, "S3_NOTIFIES": "queue"},
    ],
    ids=lambda settings: settings["ACTION"],
)
def test_parliament_finds_nothing_in_any_functions_policy_whatever_the_settings(tmp_path, settings):
    """`make check` has it look at those of the stage `local`, which are committed."""
    stage = workspace.make(tmp_path / "app", settings, "dev")
    stage.record(deploying.expected_settings(stage, ACCOUNT), {})
    stage.record({"JOBS_ROLE_ARN": "arn:aws:iam::123456789012:role/jobs"}, {})
    found = policies.documents(stage, ACCOUNT)
    assert len(found) >= 5
    assert {name: findings(policy) for name, policy in found.items()} == {name: [] for name in found}


def test_parliament_would_find_something():
    wrong = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:s3:::bucket"}
    assert findings({"Version": "2012-10-17", "Statement": [wrong]})
