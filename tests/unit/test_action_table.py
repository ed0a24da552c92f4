"""The action table: the first line that takes a key has it, and everything asks the same table."""

import json
import re
import time
from datetime import UTC, datetime

import pytest

from chalicelib.config import Config, table
from chalicelib.config.stage import actions_in
from chalicelib.consume import actions
from chalicelib.consume.batch import consume_batch
from chalicelib.consume.circuit import OPENS_AFTER, Circuit
from chalicelib.consume.outcomes import ActionResult
from chalicelib.drain import forward
from chalicelib.errors import ConfigError, Retry
from chalicelib.events import ObjectCreated
from chalicelib.monitoring import object_trace
from chalicelib.monitoring.status import _table_line
from chalicelib.planning.scenario import defaults
from chalicelib.thumbnails.keys import has_layout
from dev import workspace
from dev.fake_boto3 import FakeBotoSqs
from dev.fake_sqs.queues import Queues
from infra.commands import audit
from infra.deploying import deploy as deploying
from infra.errors import CommandError
from infra.permissions import policies
from infra.stage import Account
from tests.support.settings import GOOD
from tests.support.tables import FOUR, MACHINE, with_table

ACCOUNT = Account("123456789012", "eu-central-1")


@pytest.fixture
def config(tmp_path):
    return with_table(tmp_path)


def sizes(config, key):
    return [size.name for size in config.of_key(key).thumbnails.named_sizes]


def test_the_first_line_that_takes_a_key_has_it_and_the_last_has_the_rest(config):
    found = {key: config.of_key(key) for key in ("avatars/a.jpg", "invoices/1/a.pdf", "tmp/a", "b.jpg")}
    assert [one.action for one in found.values()] == ["resize", "start_execution", "ignore", "resize"]
    assert [one.line for one in found.values()] == ["avatars/*", "invoices/*.pdf", "tmp/*", "the rest"]
    assert (sizes(config, "avatars/a.jpg"), sizes(config, "b.jpg")) == (["64"], ["256", "1024"])
    assert config.of_key("avatars/a.jpg").thumbnails.fit == "cover"
    assert config.of_key("invoices/a.pdf").setting("STATE_MACHINE_ARN") == MACHINE
    assert config.of_key("invoices/a.jpg").line == "the rest"


def test_without_the_file_all_is_as_it_was():
    config = Config.from_env(GOOD)
    assert (config.lines, config.line, config.each) == ((), "", [config])
    assert config.of_key("tmp/a") is config
    assert not config.ignores("tmp/a")


def test_with_the_file_the_stages_own_action_is_not_read(tmp_path):
    config = with_table(tmp_path, ACTION="post")  # which has no POST_URL
    assert [one.action for one in config.each] == ["resize", "start_execution", "ignore", "resize"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[line", "Expected ']]'"),
        ("", "expected [[line]] and nothing beside it"),
        ("x = 1", "expected [[line]] and nothing beside it"),
        ('[[line]]\nprefix = "a"', "line 1 of the table: it has no action"),
        ("[[line]]\naction = 1", "line 1 of the table: action is 1: expected a text"),
        ('[[line]]\nprefix = "a/"\naction = "log"', "line 1 of the table: the last line is for the rest"),
        ('[[line]]\naction = "log"\nCAPACITY = "5"', "CAPACITY is a setting of the stage, not of a line"),
        ('[[line]]\naction = "log"\nAWS_REGION = "x"', "AWS_REGION is a setting of the stage, not of a line"),
        ('[[line]]\naction = "log"\nsizes = "5"', "sizes is no setting"),
        ('[[line]]\naction = "ignore"\nTHUMBNAIL_SIZES = "5"', "what is ignored needs no THUMBNAIL_SIZES"),
        (
            '[[line]]\naction = "resize"\nTHUMBNAIL_SIZES = "big"',
            "line 1 of the table: THUMBNAIL_SIZES is 'big'",
        ),
        ('[[line]]\naction = "rezise"', "line 1 of the table: ACTION is 'rezise'"),
        ('[[line]]\naction = "start_execution"', "line 1 of the table: STATE_MACHINE_ARN is not set"),
        (
            '[[line]]\nprefix = "a"\npattern = "a*"\naction = "log"\n[[line]]\naction = "log"',
            "line 1 of the table: a pattern is of the whole key",
        ),
        (
            '[[line]]\nprefix = "a"\naction = "log"\n[[line]]\nprefix = "ab"\naction = "log"\n'
            '[[line]]\naction = "log"',
            "line 2 of the table: no key comes to it: line 1 takes them all",
        ),
        ('[[line]]\naction = "log"\n' * 21, "21 lines: expected 1 to 20"),
        (
            '[[line]]\naction = "resize"\nTHUMBNAIL_SIZE = "64"',
            "resize reads no THUMBNAIL_SIZE; expected MAX_",
        ),
        ('[[line]]\naction = "log"\nPOST_URL = "https://x"', "log reads no POST_URL; expected no setting"),
        ('[[line]]\naction = "log"\n"A B" = "x"', "A B is no setting"),
        (
            '[[line]]\naction = "log"\nMONTHLY_BUDGET_USD = "5"',
            "MONTHLY_BUDGET_USD is a setting of the stage",
        ),
    ],
)
def test_a_bad_table_is_refused_with_its_line_and_the_reason(tmp_path, text, said):
    with pytest.raises(ConfigError) as refused:
        with_table(tmp_path, text)
    assert said in str(refused.value)
    assert str(refused.value).startswith("actions.dev.toml: ")
    assert "\n" not in str(refused.value)


def two(first, second):
    """A table of two lines and one for the rest."""
    return f'[[line]]\naction = "log"\n{first}\n[[line]]\naction = "log"\n{second}\n[[line]]\naction = "log"'


@pytest.mark.parametrize(
    ("first", "second", "hidden"),
    [
        ('pattern = "*"', 'prefix = "a/"', True),
        ('pattern = "photos/*"', 'prefix = "photos/cats/"', True),
        ('pattern = "a*"', 'pattern = "ab*c"', True),
        ('pattern = "*b*"', 'pattern = "a*xbx*c"', True),
        ('prefix = "a"\nsuffix = "c"', 'pattern = "a*b*c"', True),
        ('prefix = "a"', 'pattern = "ab"', True),
        ('pattern = "a*c"', 'prefix = "a"', False),
        ('pattern = "a*b*c"', 'prefix = "a"\nsuffix = "c"', False),
        ('pattern = "ab*bc"', 'pattern = "a*c"', False),
        ('prefix = "a*"', 'pattern = "a*"', False),
        ('pattern = "a*"', 'prefix = "a*"', True),
    ],
)
def test_a_line_whose_keys_an_earlier_one_takes_all_is_refused_and_no_other(tmp_path, first, second, hidden):
    if not hidden:
        assert len(with_table(tmp_path, two(first, second)).lines) == 3
        return
    with pytest.raises(ConfigError, match="line 2 of the table: no key comes to it: line 1 takes them all"):
        with_table(tmp_path, two(first, second))


@pytest.mark.parametrize(
    ("settings", "line", "said"),
    [
        ({"IMAGES_PREFIX": "photos/"}, 'prefix = "tmp/"', "IMAGES_PREFIX is 'photos/'"),
        ({"IMAGES_PREFIX": "photos/"}, 'pattern = "photo"', "IMAGES_PREFIX is 'photos/'"),
        ({"IMAGES_SUFFIX": ".jpg"}, 'suffix = ".png"', "IMAGES_SUFFIX is '.jpg'"),
        ({"IMAGES_SUFFIX": ".jpg"}, 'pattern = "a*.png"', "IMAGES_SUFFIX is '.jpg'"),
        (
            {"S3_NOTIFIES": "eventbridge", "IMAGES_PATTERNS": "a*,b*c"},
            'prefix = "c/"',
            "IMAGES_PATTERNS is 'a*,b*c'",
        ),
        (
            {"S3_NOTIFIES": "eventbridge", "IMAGES_PATTERNS": "b*c"},
            'suffix = "d"',
            "IMAGES_PATTERNS is 'b*c'",
        ),
        ({"S3_NOTIFIES": "eventbridge", "IMAGES_PATTERNS": "a"}, 'prefix = "ab"', "IMAGES_PATTERNS is 'a'"),
        ({"IMAGES_PREFIX": "photos/"}, 'prefix = "photos/cats/"', ""),
        ({"IMAGES_PREFIX": "photos/"}, 'suffix = ".jpg"', ""),
        ({"IMAGES_SUFFIX": ".jpg"}, 'pattern = "a*pg"', ""),
        ({"S3_NOTIFIES": "eventbridge", "IMAGES_PATTERNS": "a*,b*c"}, 'pattern = "*/b*"', ""),
    ],
)
def test_a_line_to_which_the_stage_lets_nothing_come_is_refused(tmp_path, settings, line, said):
    text = f'[[line]]\naction = "log"\n{line}\n[[line]]\naction = "log"'
    if not said:
        assert with_table(tmp_path, text, **settings).lines
        return
    with pytest.raises(ConfigError, match="line 1 of the table: no key comes to it: ") as refused:
        with_table(tmp_path, text, **settings)
    assert said in str(refused.value)


def test_every_setting_of_the_pipeline_is_the_stages_alone():
    """What Config reads for itself, and not for an action."""

    asked = set()

    class Read(dict):
        def get(self, name, default=None):
            asked.add(name)
            return super().get(name, default)

    Config.from_env(Read(GOOD))
    of_actions = set(" ".join(table.OF_OUR_ACTIONS.values()).split())
    assert {name for name in asked if not name.startswith("AWS_")} - of_actions <= table.OF_THE_STAGE


def test_every_setting_of_the_manual_is_either_the_stages_or_read_by_one_of_our_actions():
    text = (workspace.ROOT / "docs" / "settings.md").read_text()
    cells = [row.split("|")[1] for row in text.splitlines() if row.startswith("| `")]
    named = {name for cell in cells for name in re.findall("`([A-Z0-9_]+)`", cell)}
    of_actions = set(" ".join(table.OF_OUR_ACTIONS.values()).split())
    assert named == table.OF_THE_STAGE | of_actions
    assert not table.OF_THE_STAGE & of_actions
    assert set(table.OF_OUR_ACTIONS) == set(actions_in())


@pytest.mark.parametrize(
    ("pattern", "taken", "left"),
    [
        ("a*b", ["ab", "a/x/b"], ["a", "b", "abx", "xab"]),
        ("*/raw/*.jpg", ["x/raw/1.jpg", "x/y/raw/z/1.jpg"], ["raw/1.jpg", "x/raw.jpg", "x/raw/1.png"]),
        ("a", ["a"], ["aa", ""]),
        ("*", ["", "a"], []),
        ("aba*aba", ["abaaba"], ["aba", "ababa"]),
        ("?[a]", ["?[a]"], ["xa"]),
    ],
)
def test_a_star_stands_for_any_characters_and_nothing_else_for_anything(pattern, taken, left):
    assert [key for key in taken + left if table.like(key, pattern)] == taken


def test_a_hostile_key_costs_a_pattern_no_time():
    began = time.process_time()
    assert not table.like("a" * 1024 + "c", "a*" * 100 + "b")
    assert time.process_time() - began < 1


# Everything asks the same table.


def test_what_the_table_ignores_says_so_wherever_it_is_asked(config):
    why = config.why_ignored(ObjectCreated("images", "tmp/a.jpg"))
    assert why == "the action table ignores such keys: tmp/*"
    assert not config.why_ignored(ObjectCreated("images", "avatars/a.jpg"))


def test_the_drain_drops_only_what_the_table_ignores(config):
    messages = [
        {"MessageId": key, "ReceiptHandle": key, "Body": json.dumps({"Bucket": "images", "Key": key})}
        for key in ("tmp/a", "b", "avatars/a")
    ]
    planned = forward.plan(messages, 0.0, "", config.ignores)
    assert [one["MessageId"] for one in planned.ignore] == ["tmp/a"]
    assert [one.origin["MessageId"] for one in planned.forward] == ["b", "avatars/a"]


class Batch:
    """consume with the table, over queues in memory; `fails` names keys whose action fails."""

    def __init__(self, config):
        self.queues = Queues(clock=lambda: 1_769_860_920.0)
        for name in ("source", "dead", "destination"):
            self.queues.create(name)
        self.config, self.fails, self.done = config, (), []
        self.circuit = Circuit(lambda: 1_769_860_920.0, lambda low, high: 1.0)

    def act(self, created, delivery):
        if created.key.startswith(self.fails):
            raise Retry("the downstream answers 401")
        self.done.append(created.key)
        return ActionResult()

    def run(self, *keys):
        records = [
            {
                "messageId": key,
                "receiptHandle": f"none-{key}",
                "body": json.dumps({"Bucket": "images", "Key": key}),
                "attributes": {"ApproximateReceiveCount": "1"},
            }
            for key in keys
        ]
        return consume_batch(
            {"Records": records},
            self.act,
            FakeBotoSqs(self.queues),
            self.config,
            lambda: 120_000,
            lambda: None,
            self.circuit,
        )


@pytest.fixture
def batch(config):
    return Batch(config)


def told(capsys, message):
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in found if line["message"] == message]


def test_consume_decides_for_good_and_what_is_ignored_is_a_fate_of_its_own(batch, capsys):
    counts = batch.run("tmp/a", "avatars/a", "b")
    assert (counts["ignored"], counts["done"], counts["rejected"]) == (1, 2, 0)
    assert sorted(batch.done) == ["avatars/a", "b"]
    lines = told(capsys, "event")
    assert {line["key"]: (line["outcome"], line["line"]) for line in lines} == {
        "tmp/a": ("ignored", "tmp/*"),
        "avatars/a": ("done", "avatars/*"),
        "b": ("done", "the rest"),
    }
    judged = audit.audit(lines)
    assert (judged.problems, sum(judged.unknown.values())) == ([], 0)


def test_metrics_by_line_are_done_and_rejected_alone(batch, capsys):
    batch.run("tmp/a", "avatars/a", "avatars/b", "b")
    lines = told(capsys, "consumed of a line")
    assert {line["Line"]: (line["Done"], line["Rejected"]) for line in lines} == {
        "avatars/*": (2, 0),
        "the rest": (1, 0),
    }
    (metrics,) = lines[0]["_aws"]["CloudWatchMetrics"]
    assert metrics["Dimensions"] == [["Stage", "Function", "Line"]]


def test_a_line_whose_downstream_fails_opens_its_own_circuit_and_no_other(batch, capsys):
    batch.fails = ("invoices/",)
    for number in range(0, OPENS_AFTER, 10):
        assert batch.run(*(f"invoices/{number + i}.pdf" for i in range(10)))["retry"] == 10
    counts = batch.run("invoices/later.pdf", "avatars/a", "b")
    assert (counts["untried"], counts["done"]) == (1, 2)
    line = told(capsys, "consumed")[-1]
    assert line["CircuitOpen"] == 1
    assert line["paused_why"] == "the downstream answers 401"


def test_each_line_loads_its_action_once_and_none_that_no_key_asked_for(config, monkeypatch):
    loaded = []

    class Module:
        def __init__(self, name):
            self.name = name.rpartition(".")[2]

        def action(self, config):
            loaded.append(config.line)
            return lambda created, delivery: ActionResult(self.name)

    monkeypatch.setattr(actions, "import_module", Module)
    act = actions.action_for(config)
    results = [act(ObjectCreated("images", key), None).result for key in ("avatars/a", "b", "avatars/b")]
    assert results == ["resize", "resize", "resize"]
    assert loaded == ["avatars/*", "the rest"]


def test_the_page_names_the_lines_and_the_plan_takes_the_last_that_does_anything(config, tmp_path):
    assert [_table_line(of_line) for _, of_line in config.lines][:3] == [
        {"keys": "avatars/*", "action": "resize", "thumbnails": ["64"]},
        {"keys": "invoices/*.pdf", "action": "start_execution", "thumbnails": []},
        {"keys": "tmp/*", "action": "ignore", "thumbnails": []},
    ]
    assert (defaults(config)["action"], defaults(config)["thumbnails"]) == ("resize", 2)
    ignored = FOUR.rpartition("action")[0] + 'action = "ignore"'
    assert defaults(with_table(tmp_path, ignored))["action"] == "start_execution"


# The deploy.


@pytest.fixture
def stage(tmp_path):
    names = deploying.expected_settings(workspace.make(tmp_path / "first", {}, "dev"), ACCOUNT)
    jobs = {"JOBS_ROLE_ARN": "arn:aws:iam::123456789012:role/jobs"}
    made = workspace.make(tmp_path / "app", {**names, **jobs}, "dev")
    (made.root / "chalicelib" / "actions.dev.toml").write_text(FOUR)
    return made


@pytest.mark.slow
def test_consumes_policy_is_the_union_of_the_lines_needs(stage):
    deploying.check_settings(stage, stage.environment(), ACCOUNT)
    statements = policies.documents(stage, ACCOUNT)["consume"]["Statement"]
    allowed = {action: one["Resource"] for one in statements for action in one["Action"]}
    assert allowed["states:StartExecution"] == [MACHINE]
    assert {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"} <= set(allowed)


def test_a_deploy_refuses_a_bad_table_before_anything_is_made(stage):
    (stage.root / "chalicelib" / "actions.dev.toml").write_text('[[line]]\naction = "rezise"')
    with pytest.raises(CommandError, match=r"actions\.dev\.toml: line 1 of the table: ACTION is 'rezise'"):
        deploying.check_settings(stage, stage.environment(), ACCOUNT)


def test_the_page_shows_a_thumbnail_of_the_objects_own_line_and_of_no_other(config):
    shown = {
        key: has_layout(key, config)
        for key in (
            "avatars/a_64.png_64.jpg",
            "b.png_256.jpg",
            "avatars/a.png_256.jpg",
            "b.png_64.jpg",
            "_64.jpg",
        )
    }
    assert list(shown.values()) == [True, True, False, False, False]


def test_the_trace_looks_for_the_thumbnails_of_the_keys_own_line(config):
    found = {"thumbnails": [], "consume": None, "enqueue": None, "letters": None}
    now = datetime(2026, 1, 31, tzinfo=UTC)
    of = {
        key: object_trace._evidence(key, {"exists": True}, found, now, config)
        for key in ("avatars/a", "b", "invoices/a.pdf", "tmp/a")
    }
    assert [one.sizes for one in of.values()] == [1, 2, 0, 0]
    assert of["tmp/a"].ignored
