"""A stage: its names, and what config.json says of it."""

import json

import pytest

from dev import workspace
from infra.deploying import deploy
from infra.errors import CommandError
from infra.stage import Account, Stage

ACCOUNT = Account("123456789012", "eu-central-1")


@pytest.fixture
def stage(tmp_path):
    return workspace.make(tmp_path / "app", {}, "dev")


@pytest.mark.parametrize("name", ["", "Prod", "a-stage-too-long", "1st", "dev/../prod"])
def test_a_name_aws_would_refuse_is_refused_at_once(tmp_path, name):
    with pytest.raises(CommandError, match=r"STAGE is .*: expected a lower-case letter"):
        Stage(tmp_path, name)


def test_bucket_names_fit_for_the_longest_stage_and_region(tmp_path):
    names = deploy.expected_settings(Stage(tmp_path, "a" * 12), Account("1" * 12, "ap-southeast-3"))
    for name in ("IMAGES_BUCKET", "THUMBNAILS_BUCKET", "REPORTS_BUCKET"):
        assert len(names[name]) <= 63


def test_messages_stay_hidden_six_times_as_long_as_the_function_may_run(stage):
    assert stage.visibility("drain") == 6 * 60
    assert stage.visibility("consume") == 6 * 120


@pytest.mark.parametrize(
    ("name", "value"), [("CAPACITY", "0"), ("ACTION", "rezise"), ("THUMBNAIL_SIZES", "big")]
)
def test_a_bad_setting_is_refused_before_anything_is_deployed(stage, name, value):
    with pytest.raises(CommandError, match=f"stage dev in config.json: {name} is '{value}': expected"):
        deploy.check_settings(stage, {name: value}, ACCOUNT)


def test_a_budget_tells_somebody(stage):
    with pytest.raises(CommandError, match="MONTHLY_BUDGET_USD is '50': needs an ALARM_EMAIL, whom it tells"):
        deploy.check_settings(stage, {"MONTHLY_BUDGET_USD": "50"}, ACCOUNT)
    deploy.check_settings(stage, {"MONTHLY_BUDGET_USD": "50", "ALARM_EMAIL": "a@example.org"}, ACCOUNT)
    assert deploy.monthly_budget({}) == 0, "off, unless somebody asks for it"


def test_recording_keeps_what_people_set(stage):
    stage.record({"CAPACITY": "5000"}, {})
    stage.record({"IMAGES_BUCKET": "images"}, {"drain": "policy-dev-drain.json"})
    assert stage.environment().items() > {"CAPACITY": "5000", "IMAGES_BUCKET": "images"}.items()
    functions = json.loads(stage.config_file.read_text())["stages"]["dev"]["lambda_functions"]
    assert functions == {"drain": {"iam_policy_file": "policy-dev-drain.json"}}


def test_a_machine_that_goes_down_while_settings_are_written_leaves_the_old_ones(stage, monkeypatch):
    before = stage.environment()

    def goes_down(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.replace", goes_down)
    with pytest.raises(KeyboardInterrupt):
        stage.record({"CAPACITY": "5000"}, {})
    assert stage.environment() == before


def test_a_stage_knows_its_account_from_its_names(stage):
    with pytest.raises(CommandError, match="stage dev was never deployed"):
        stage.account()
    stage.record(deploy.expected_settings(stage, ACCOUNT), {})
    assert stage.account() == ACCOUNT


def test_a_broken_config_is_one_line(stage):
    stage.config_file.write_text("{")
    with pytest.raises(CommandError, match=r"config\.json: Expecting property name"):
        stage.environment()


@pytest.mark.parametrize("name", ["dev-drain", "dev-drain-3", "a-drain-x", "x-consume"])
def test_a_stage_may_not_be_named_like_a_function_of_another(tmp_path, name):
    with pytest.raises(CommandError, match=f"STAGE is '{name}': may not hold '-"):
        Stage(tmp_path, name)
