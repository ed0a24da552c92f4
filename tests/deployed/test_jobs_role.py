"""A bulk job works as its role, here as on AWS: each right of the role is needed, and is enough."""

from __future__ import annotations

import contextlib
import json

import boto3
import pytest

from tests.support.deployment import reduced, rest, wait_for

pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.xdist_group("deployed_looked_at")]
ENDED = ("Complete", "Failed", "Cancelled")
TAGS = {"kind": "tag", "tags": {"phototype": "finished"}}
RIGHTS = {
    "objects-manifest-report": [
        ("s3:PutObjectTagging", "-images-000000000000-us-east-1/*"),
        ("s3:GetObject", "-reports-000000000000-us-east-1/*"),
        ("s3:PutObject", "-reports-000000000000-us-east-1/jobs/*"),
    ],
    "backfill-function": [("lambda:InvokeFunction", "-backfill")],
}


@pytest.fixture
def run(deployed, aws):
    """Runs a job over one object to its end, and shows it."""
    key = "as its role/a.txt"
    deployed.s3.put_object(Bucket=deployed.settings["IMAGES_BUCKET"], Key=key, Body=b"a")

    def to_the_end(**body):
        status, made = rest(deployed, aws.url, "jobs", {"manifest": {"list": {"prefix": key}}, **body})
        assert status == 200, made

        def shown():
            return rest(deployed, aws.url, f"jobs/{made['id']}")[1]

        wait_for(lambda: shown()["status"] in ("Suspended", *ENDED), "the job to be prepared")
        if shown()["status"] == "Suspended":
            assert rest(deployed, aws.url, f"jobs/{made['id']}/run", {})[0] == 200
            wait_for(lambda: shown()["status"] in ENDED, "the job's end")
        return shown()

    return to_the_end


@contextlib.contextmanager
def without(deployed, policy, action, resource):
    """The jobs' role may not do the action on the resources whose ARN ends so."""
    iam, role = boto3.client("iam"), f"{deployed.stage.stack_name}-jobs-us-east-1"
    before = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    listed = [{**one, **{k: _list(one[k]) for k in ("Action", "Resource")}} for one in before["Statement"]]
    document = reduced({**before, "Statement": listed}, action, resource)
    if document["Statement"]:
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))
    else:
        iam.delete_role_policy(RoleName=role, PolicyName=policy)
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(before))


def _list(value):
    return value if isinstance(value, list) else [value]


def test_with_every_right_a_job_tags_and_one_backfills(run):
    for body in (TAGS, {"kind": "backfill"}):
        assert run(**body)["outcome"] == "succeeded"


@pytest.mark.parametrize(
    ("policy", "action", "resource"), [(name, *right) for name, rights in RIGHTS.items() for right in rights]
)
def test_without_one_right_of_its_role_a_job_fails(deployed, run, policy, action, resource):
    body = {"kind": "backfill"} if action.startswith("lambda:") else TAGS
    with without(deployed, policy, action, resource):
        assert run(**body)["outcome"] == "failed"


def test_a_manifest_where_the_role_may_not_read_is_refused_before_there_is_a_job(deployed, aws):
    images = deployed.settings["IMAGES_BUCKET"]
    secret = f'{images},"salary of A: 81000"\n{images},"password: hunter2"\n'
    deployed.s3.put_object(Bucket=images, Key="private/people.txt", Body=secret.encode())
    body = {"kind": "backfill", "check": True, "manifest": {"csv": f"s3://{images}/private/people.txt"}}
    status, said = rest(deployed, aws.url, "jobs", body)
    assert (status, "MANIFEST_BUCKETS" in said["error"]) == (400, True)
    assert "81000" not in json.dumps(said)
