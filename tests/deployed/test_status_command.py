"""make status: the page of a deployed stage, or one clear line."""

import os
import socket
import subprocess
import sys
import urllib.request

import pytest

from dev import workspace
from dev.local_aws import free_port
from dev.workspace import ROOT
from infra import local_api
from infra.deploying import deploy as deploying
from infra.errors import CommandError
from infra.stage import Account

ACCOUNT = Account("123456789012", "eu-central-1")


@pytest.fixture
def stage(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    stage = workspace.make(tmp_path / "app", {}, "prod")
    stage.record(deploying.expected_settings(stage, ACCOUNT), {})
    return stage


def status(stage, port=None, say=pytest.fail):
    local_api.status(stage, port or free_port(), stage.root / "log", say, browse=False)


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "infra", "status", *arguments], cwd=ROOT, capture_output=True, text=True
    )


def test_a_stage_that_was_never_deployed_is_one_line():
    done = command("--stage", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    line = "error: stage nowhere was never deployed: `make deploy STAGE=nowhere` first\n"
    assert done.stderr == line


def test_missing_credentials_are_one_line(stage):
    with pytest.raises(
        CommandError, match=r"^the AWS credentials do not work: Unable to locate credentials$"
    ):
        status(stage)


def test_another_accounts_credentials_are_one_line(stage, monkeypatch):
    monkeypatch.setattr(deploying, "current_account", lambda: Account("2" * 12, "eu-central-1"))
    with pytest.raises(
        CommandError, match="stage prod is in account 123456789012, your AWS credentials are for 2"
    ):
        status(stage)
    assert os.environ["AWS_DEFAULT_REGION"] == "eu-central-1"  # the stage's, whatever the profile says


def test_a_port_in_use_is_one_line(stage):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"port {port} is in use: .* with PORT="):
            status(stage, port)


def test_a_port_that_is_none_is_refused_by_name():
    done = command("--stage", "prod", "--port", "0")
    assert done.returncode == 2
    assert "0 is not in the range 1<=x<=65535" in done.stderr


@pytest.mark.aws
@pytest.mark.deploy
@pytest.mark.xdist_group("deployed_looked_at")
def test_it_serves_the_page_until_ctrl_c_to_this_machine_alone(deployed, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", os.environ["AWS_DEFAULT_REGION"])
    port, said = free_port(), []

    def say(line):
        said.append(line)
        if len(said) == 2:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
                said.append(answer.read())
            raise KeyboardInterrupt

    local_api.status(deployed.stage, port, deployed.stage.root.parent / "status.log", say, browse=False)
    assert said[0] == f"Stage local, account 000000000000, us-east-1: http://127.0.0.1:{port}/"
    assert b"S3 event scheduler" in said[2]
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
