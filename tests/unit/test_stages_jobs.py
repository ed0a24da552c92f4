"""A stage commands its own jobs, and no other of the account: not another stage's, not another team's."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from chalicelib.config import Config
from chalicelib.errors import NotFound
from chalicelib.jobs import batch_jobs, commands, new_job
from chalicelib.jobs.batch_jobs import STAGE_TAG
from infra.deploying import deploy as deploying
from infra.permissions import policies
from tests.support.chalice import clone
from tests.support.deployment import ACCOUNT
from tests.support.settings import GOOD

ROLE = "arn:aws:iam::123456789012:role/s3-event-scheduler-dev-jobs-eu-central-1"
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:backfill"


@pytest.fixture
def config():
    jobs = {"REPORTS_BUCKET": "reports", "JOBS_ROLE_ARN": ROLE, "BACKFILL_FUNCTION_ARN": FUNCTION}
    return Config.from_env({**GOOD, **jobs})


class Control:
    """S3 Batch Operations with these jobs: id -> role."""

    def __init__(self, **roles):
        self.roles = {name.replace("_", "-"): role for name, role in roles.items()}
        self.changed, self.described = [], []

    def _job(self, job_id):
        if job_id not in self.roles:
            raise ClientError({"Error": {"Code": "NoSuchJobException", "Message": "none"}}, "DescribeJob")
        number = list(self.roles).index(job_id)
        return {
            "JobId": job_id,
            "Status": "Suspended",
            "CreationTime": datetime(2026, 1, 31, tzinfo=UTC) + timedelta(hours=number),
        }

    def list_jobs(self, **asked):
        return {"Jobs": [{**self._job(one), "Operation": "S3PutObjectAcl"} for one in self.roles]}

    def describe_job(self, **asked):
        job_id = asked["JobId"]
        self.described.append(job_id)
        own = (
            {"Operation": {"S3PutObjectAcl": {}}, "RoleArn": self.roles[job_id]}
            if job_id in self.roles
            else {}
        )
        report = {"Enabled": True, "Bucket": "arn:aws:s3:::other", "Prefix": "theirs"}
        return {"Job": {**self._job(job_id), **own, "Report": report}}

    def update_job_status(self, **asked):
        self.changed.append(asked["JobId"])
        return {"JobId": asked["JobId"], "Status": asked["RequestedJobStatus"]}

    def update_job_priority(self, **asked):
        self.changed.append(asked["JobId"])
        return asked

    def create_job(self, **asked):
        self.created = asked
        return {"JobId": "new"}


THEIRS = "arn:aws:iam::123456789012:role/another-teams-admin"
PROD = ROLE.replace("-dev-", "-prod-")


@pytest.fixture
def control(monkeypatch):
    monkeypatch.setattr(batch_jobs, "_ours", {})
    return Control(of_dev_1=ROLE, of_prod=PROD, of_others=THEIRS, of_dev_2=ROLE)


CALLS = {
    "run": lambda job, c, config: commands.run_job(job, c, config),
    "cancel": lambda job, c, config: commands.cancel_job(job, {"reason": "why"}, c, config),
    "priority": lambda job, c, config: commands.set_priority(job, {"priority": 9}, c, config),
    "show": lambda job, c, config: commands.get_job(job, c, config),
    "report": lambda job, c, config: commands.get_report(job, {}, None, c, config),
    "undo": lambda job, c, config: commands.create_job({"kind": "undo", "job": job}, None, c, config),
}


@pytest.mark.parametrize("job", ["of-prod", "of-others"])
@pytest.mark.parametrize("call", CALLS)
def test_a_job_of_another_stage_or_team_is_refused_and_stays_as_it_is(control, config, call, job):
    with pytest.raises(NotFound, match=f"no job '{job}' of stage dev: it works as another role"):
        CALLS[call](job, control, config)
    assert control.changed == []


@pytest.mark.parametrize("call", ["run", "cancel", "priority"])
def test_the_stages_own_job_is_changed(control, config, call):
    CALLS[call]("of-dev-1", control, config)
    assert control.changed == ["of-dev-1"]


def test_the_list_has_the_stages_jobs_alone_and_asks_whose_a_job_is_once(control, config):
    for _ in range(2):
        found = commands.list_jobs({}, control, config)
        assert [job["id"] for job in found["jobs"]] == ["of-dev-2", "of-dev-1"]
        assert found["total"] == 2
    assert sorted(control.described) == sorted(control.roles)


def test_two_stages_in_one_process_do_not_share_what_they_know(control, config):
    commands.list_jobs({}, control, config)
    other = copy.copy(config)
    object.__setattr__(other, "jobs_role_arn", PROD)
    assert [job["id"] for job in commands.list_jobs({}, control, other)["jobs"]] == ["of-prod"]


def test_of_thousands_of_jobs_of_others_a_bounded_number_is_asked_for(config, monkeypatch):
    monkeypatch.setattr(batch_jobs, "_ours", {})
    control = Control(**{f"of_others_{number}": THEIRS for number in range(1000)}, newest=ROLE)
    assert commands.list_jobs({}, control, config)["total"] == 1
    assert len(control.described) == batch_jobs.MAX_LOOKED_AT


def test_every_job_that_is_made_has_the_stages_tag(control, config):
    source = {"S3JobManifestGenerator": {}}
    new = new_job.parse({"kind": "backfill", "manifest": {"generate": {}}})
    assert batch_jobs.create(control, new, source, config) == "new"
    assert control.created["Tags"] == [{"Key": STAGE_TAG, "Value": "dev"}]


def test_the_apis_role_may_create_jobs_with_its_stages_tag_and_change_no_others(tmp_path):
    stage = clone(tmp_path, {}, "dev")
    deploying.record(stage, {**deploying.expected_settings(stage, ACCOUNT), "JOBS_ROLE_ARN": ROLE}, ACCOUNT)
    policy = policies.documents(stage, ACCOUNT)["api_handler"]
    conditions = {
        action: one.get("Condition")
        for one in policy["Statement"]
        for action in one["Action"]
        if "Job" in action
    }
    on_new = {"StringEquals": {f"aws:RequestTag/{STAGE_TAG}": "dev"}}
    on_ours = {"StringEquals": {f"aws:ResourceTag/{STAGE_TAG}": "dev"}}
    assert conditions == {
        "s3:CreateJob": on_new,
        "s3:PutJobTagging": on_new,
        "s3:UpdateJobStatus": on_ours,
        "s3:UpdateJobPriority": on_ours,
        "s3:DescribeJob": None,
        "s3:ListJobs": None,
    }
