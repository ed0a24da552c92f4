"""The what-if: by the ticks' own arithmetic, with every number's field named when it is wrong."""

import json
import re
import shlex

import pytest
from chalice.test import Client
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as some

from chalicelib.capacity import share
from chalicelib.config import Config
from chalicelib.drain.ledger import Ledger
from chalicelib.errors import BadRequest
from chalicelib.planning.costs import lines
from chalicelib.planning.forecast import forecast
from chalicelib.planning.plan import plan
from chalicelib.planning.prices import PRICES
from chalicelib.planning.quotas import RETENTION_MINUTES, lossless, quotas
from chalicelib.planning.scenario import Scenario, defaults
from dev import workspace
from dev.workspace import ROOT
from infra.__main__ import cli
from infra.commands import plan as planning
from infra.errors import CommandError
from tests.support.app import load_app
from tests.support.settings import GOOD


def scenario(**values):
    return Scenario.read({"objects": "100000", "per": "5m", **values})


def slowly(asked):
    """The same, a minute at a time to the very end, and a ledger for every shard."""
    reach = asked.reach // asked.shards
    backlog = peak = minute = arrived = 0
    while arrived < asked.objects or backlog:
        minute += 1
        until = min(asked.objects, int(asked.objects * min(1.0, minute * 60 / asked.per_s)))
        backlog, arrived = backlog + until - arrived, until
        peak = max(peak, backlog)
        for shard in range(asked.shards):
            backlog -= Ledger(min(share(asked.capacity, asked.shards, shard), reach)).reserve(backlog)
    return minute, peak


@settings(deadline=None)
@given(
    objects=some.integers(1, 200_000),
    seconds=some.integers(1, 7200),
    capacity=some.integers(30, 50_000),
    shards=some.integers(1, 20),
)
def test_the_forecast_is_what_tick_after_tick_gives(objects, seconds, capacity, shards):
    asked = Scenario(objects, seconds, 1, capacity=capacity, shards=shards)
    found = forecast(asked)
    assert (found.minutes_to_clear, found.peak_backlog) == slowly(asked)
    minutes = [minute for minute, _ in found.backlog]
    assert minutes == sorted(set(minutes))
    assert found.backlog[-1] == (found.minutes_to_clear, 0)


def test_a_billion_at_one_a_tick_is_answered_too():
    found = forecast(scenario(objects="1e9", capacity="1"))
    assert found.minutes_to_clear == 10**9
    assert len(found.backlog) <= 1000


def test_a_shard_does_not_forward_more_than_it_reaches_in_its_time():
    slow = scenario(objects="1e6", per="1m", capacity="1000000")
    assert forecast(slow).most_in_one_tick == slow.reach < 1_000_000
    assert forecast(scenario(objects="1e6", per="1m", capacity="1000000", shards="16")).minutes_to_clear == 1


def test_waiting_longer_than_the_queue_keeps_messages_is_a_limit_and_says_what_would_do():
    asked = scenario(objects="1e9", per="24h", capacity="45000")
    (kept,) = [one for one in quotas(asked, forecast(asked)) if "is kept" in one.name]
    assert kept.used > 1
    enough = lossless(asked)
    assert f"{enough:,}" in kept.advice
    wait = {
        c: forecast(scenario(objects="1e9", per="24h", capacity=str(c))).longest_wait
        for c in (enough, enough - 1)
    }
    assert wait[enough] <= RETENTION_MINUTES < wait[enough - 1]


@pytest.mark.parametrize("name", ["for one SQS queue", "thumbnails bucket"])
def test_a_limit_is_met_from_the_capacity_that_it_names(name):
    def limit(capacity):
        given = {"objects": "1e9", "per": "1h", "shards": "100", "seconds": "0.2", "thumbnails": "2"}
        asked = scenario(**given, capacity=str(capacity))
        return next(one for one in quotas(asked, forecast(asked)) if name in one.name)

    at = limit(1000).from_capacity
    assert limit(at).used > 1 >= limit(at - 1).used


def test_the_bill_grows_with_the_objects_and_has_a_floor():
    def total(**values):
        return sum(line.usd for line in lines(scenario(**values)))

    idle = total(times="0")
    once, twice = total(), total(times="2")
    assert 5 < idle < 15
    assert twice - once == pytest.approx(once - idle)
    assert total(notifies="queue") < once < total(notifies="eventbridge")
    assert "Step Functions, 1 transition each" in [
        line.what for line in lines(scenario(action="start_execution"))
    ]


def test_a_price_can_be_another_and_a_wrong_one_is_named():
    cheap = PRICES.with_changes({"of": "mine", "s3_put": 0})
    assert plan(scenario(), cheap)["prices_of"] == "mine"
    assert sum(line.usd for line in lines(scenario(), cheap)) < sum(line.usd for line in lines(scenario()))
    for changes, field in (
        ({"s3_putt": 1}, "s3_putt"),
        ({"s3_put": -1}, "s3_put"),
        ({"s3_put": "1"}, "s3_put"),
    ):
        with pytest.raises(BadRequest, match=f"^{field}"):
            PRICES.with_changes(changes)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"objects": ""}, "objects: is missing"),
        ({"objects": "many"}, "objects: 'many': expected a number from 1 to 1,000,000,000,000"),
        ({"objects": "1.5"}, "objects: '1.5': expected a whole number"),
        ({"objects": "-1"}, "objects: '-1': expected a number"),
        ({"objects": "1e99"}, "objects: '1e99': expected a number"),
        ({"per": "24"}, "per: '24': expected a number with s, m, h, d, at most 31 d"),
        ({"per": "0s"}, "per: '0s'"),
        ({"per": "32d"}, "per: '32d'"),
        ({"size": "2mb"}, "size: '2mb': expected a number with B, KB, MB, GB"),
        ({"capacity": "0"}, "capacity: '0': expected a number from 1 to 1,000,000"),
        (
            {"action": "resise"},
            "action: 'resise' is not invoke or log or post or put_event or resize or start_execution",
        ),
        ({"seconds": "0"}, "seconds: '0': expected a number from 0.001 to 900"),
        ({"colour": "red"}, "colour: is not known here; known are objects, per"),
    ],
)
def test_a_bad_value_is_named_with_what_would_be_right(values, line):
    with pytest.raises(BadRequest) as refused:
        scenario(**values)
    assert str(refused.value).startswith(line)


def test_the_route_takes_the_stages_settings_for_what_is_not_asked(monkeypatch):
    app = load_app(monkeypatch, CAPACITY="700", ACTION="log", THUMBNAIL_SIZES="64,256")
    with Client(app, project_dir=str(ROOT)) as client:
        found = client.http.get("/plan?objects=1e4&per=1m").json_body
        assert (found["given"]["capacity"], found["given"]["action"]) == (700, "log")
        assert found["minutes_to_clear"] == 15
        assert client.http.get("/plan?objects=1e4&per=1m&capacity=5000").json_body["minutes_to_clear"] == 2
        refused = client.http.get("/plan?objects=1e4")
        assert (refused.status_code, refused.json_body["field"]) == (400, "per")
        assert client.http.get("/plan").status_code == 400


def test_the_memory_sizes_are_those_of_the_configuration():
    functions = json.loads((ROOT / ".chalice" / "config.json").read_text())["lambda_functions"]
    for name in ("enqueue", "drain", "consume"):
        assert getattr(Scenario, f"{name}_mb") == functions[name]["lambda_memory_size"]


def test_a_stages_consume_concurrency_is_a_limit_and_says_so():
    config = Config.from_env({**GOOD, "CONSUME_CONCURRENCY": "5"})
    asked = scenario(**defaults(config), seconds="1")
    first = next(one for one in quotas(asked, forecast(asked)) if one.name == "CONSUME_CONCURRENCY")
    assert (first.limit, first.needed > first.limit, first.from_capacity) == (5, True, 301)
    asked = scenario(**defaults(Config.from_env(GOOD)), seconds="1")
    assert "CONSUME_CONCURRENCY" not in {one.name for one in quotas(asked, forecast(asked))}


def test_a_stages_thumbnails_are_counted():
    assert defaults(Config.from_env({**GOOD, "THUMBNAIL_SIZES": "64,256,1024"}))["thumbnails"] == 3


def test_the_command_prints_tables_or_the_same_json_as_the_route(tmp_path):
    run = CliRunner().invoke
    asked = ["plan", "--objects", "1e9", "--per", "24h", "--capacity", "45000"]
    tables = run(cli, asked)
    assert "14 d 10 h" in tables.output
    cheap = tmp_path / "prices.json"
    cheap.write_text('{"of": "a test"}')
    found = json.loads(run(cli, [*asked, "--json", "--prices", str(cheap)]).output)
    assert (found["minutes_to_clear"], found["prices_of"]) == (22223, "a test")


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_plan_that_loses_events_says_so_as_an_error_and_one_that_does_not_is_none(form):
    loses = CliRunner().invoke(
        cli, ["plan", "--objects", "1e9", "--per", "24h", "--capacity", "45000", *form]
    )
    assert loses.exit_code == 1
    assert isinstance(loses.exception, CommandError)  # which __main__ prints
    assert str(loses.exception) == (
        "events may be lost: the last would wait 14 d 10 h, SQS keeps a message for 14 days, and a drain "
        "with so many may not renew them all in time; set CAPACITY to 46,299 or more"
    )
    saved = CliRunner().invoke(
        cli, ["plan", "--objects", "1e9", "--per", "24h", "--capacity", "46299", *form]
    )
    assert saved.exit_code == 0


def test_a_plan_that_more_capacity_alone_does_not_save_names_the_shards():
    asked = scenario(objects="1e10", per="24h", capacity="45000")
    assert "set CAPACITY to 462,985 or more, and DRAIN_SHARDS to " in plan(asked)["lost"]


def test_the_readmes_command_and_the_page_give_the_same_plan(monkeypatch, tmp_path):
    """For a stage that is not deployed, and for the page of the deployed one."""
    (command,) = re.findall(r"`make plan ARGS=\"(.*?)\"`", (ROOT / "README.md").read_text())
    form = (ROOT / "chalicelib" / "page" / "web" / "index.html").read_text()
    asked = dict(re.findall(r'<input id="plan-\w+" name="(\w+)" value="(\w+)"', form))
    assert set(asked) == {"objects", "per", "size"}
    told = json.loads(CliRunner().invoke(cli, ["plan", *shlex.split(command), "--json"]).output)
    with Client(load_app(monkeypatch), project_dir=str(ROOT)) as client:
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        shown = client.http.get(f"/plan?{query}").json_body
    assert told == shown


def test_a_stage_with_other_memory_gives_the_same_plan_over_the_api_and_in_the_command(monkeypatch, tmp_path):
    stage = workspace.make(tmp_path / "app", {}, "dev")
    config = json.loads(stage.config_file.read_text())
    config["lambda_functions"]["consume"]["lambda_memory_size"] = 3008
    stage.config_file.write_text(json.dumps(config))
    asked = {"objects": "1e6", "per": "2h", "size": "2MB"}
    told = planning.answer(asked, stage, None)
    assert told["given"]["consume_mb"] == 3008
    with Client(
        load_app(monkeypatch, FUNCTION_MEMORY_MB=stage.function_memory()), project_dir=str(ROOT)
    ) as client:
        assert client.http.get("/plan?objects=1e6&per=2h&size=2MB").json_body == told
    assert "enqueue, drain and consume have 256, 256 and 3008 MB" in told["assumed"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--objects", "x", "--per", "1h"], "--objects: 'x': expected a number"),
        (["--objects", "1", "--per", "1h", "--prices", "/nowhere.json"], "--prices /nowhere.json: "),
    ],
)
def test_the_command_refuses_in_one_line(arguments, line):
    refused = CliRunner().invoke(cli, ["plan", *arguments])
    assert str(refused.exception).startswith(line)  # which __main__ prints
