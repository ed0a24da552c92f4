"""An action of one's own: one file, loaded by its name, its permissions read from it, never touched upstream."""

import ast
import builtins
import importlib.util
import json
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest
import urllib3

from chalicelib.config import Config
from chalicelib.config.stage import ACTIONS, actions_in
from chalicelib.consume.actions import action_for
from chalicelib.consume.outcomes import Delivery
from chalicelib.consume.settle import LONGEST_ASKED_S
from chalicelib.errors import ConfigError, Reject, Retry
from chalicelib.events import ObjectCreated
from dev import workspace
from dev.fake_boto3 import client_error
from infra.commands import new_action
from infra.deploying import deploy as deploying
from infra.errors import CommandError
from infra.permissions import own_actions, policies
from infra.stage import Account
from tests.support.postgresql import connected, postgresql
from tests.support.receiver import receiver
from tests.support.settings import GOOD

ACCOUNT = Account("123456789012", "eu-central-1")
TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/uploads"
EXAMPLES = workspace.ROOT / "docs" / "actions"
CREATED = ObjectCreated(
    "images", "photos/a.jpg", size=2000, sequencer="0A", event_time="2026-01-31T12:00:00.000Z"
)
DELIVERY = Delivery("message-1", tries=1, forwarded=None, started=datetime(2026, 1, 31, tzinfo=UTC))


@pytest.fixture
def stage(tmp_path):
    names = deploying.expected_settings(workspace.make(tmp_path / "first", {}, "dev"), ACCOUNT)
    jobs = {"JOBS_ROLE_ARN": "arn:aws:iam::123456789012:role/jobs"}
    return workspace.make(tmp_path / "app", {**names, **jobs}, "dev")


def example(name):
    """One of the manual's worked examples, as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def own(stage, text, name="index", **settings):
    """The stage with an action of its own; returns what consume may do then, as action -> resources."""
    (own_actions.folder(stage.root) / f"{name}.py").write_text(text)
    stage.record({"ACTION": name, **settings}, {})
    statements = policies.documents(stage, ACCOUNT)["consume"]["Statement"]
    allowed = {}
    for one in statements:
        for action in one["Action"]:
            allowed.setdefault(action, []).extend(one["Resource"])
    return allowed


ROW = (EXAMPLES / "row.py").read_text()


@pytest.mark.slow
def test_the_manuals_ten_lines_and_their_test_work_as_they_stand_there(stage):
    action, test = re.findall(r"```python\n(.*?)```", (workspace.ROOT / "docs/actions.md").read_text(), re.S)
    assert len(list(filter(None, action.splitlines()))) <= 10
    files = new_action.write(stage.root, "index")
    head = ROW.partition("NEEDS")[0]  # what it imports
    assert {"dynamodb:PutItem": [TABLE]}.items() <= own(stage, head + action, TABLE_ARN=TABLE).items()
    imports = files[1].read_text().partition("\n\n\n")[0].replace("import index", "import put_row")
    files[1].write_text(f"{imports}\n\n\n{test}")
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", files[1]]
    done = subprocess.run(run, cwd=stage.root, capture_output=True, text=True)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_new_action_writes_an_action_that_works_and_its_test_that_passes(stage):
    files = new_action.write(stage.root, "index")
    assert [str(file.relative_to(stage.root)) for file in files] == [
        "chalicelib/consume/actions/index.py",
        "tests/unit/test_action_index.py",
    ]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", files[1]],
        cwd=stage.root,
        capture_output=True,
        text=True,
    )
    assert "1 passed" in run.stdout, run.stdout + run.stderr
    lint = [sys.executable, "-m", "ruff", "check", "--config", workspace.ROOT / "pyproject.toml", *files]
    assert subprocess.run(lint, cwd=stage.root, capture_output=True).returncode == 0
    assert "index" in actions_in(str(own_actions.folder(stage.root)))
    stage.record({"ACTION": "index"}, {})
    deploying.check_settings(stage, stage.environment(), ACCOUNT)
    assert policies.documents(stage, ACCOUNT)["consume"]


def words_of(text):
    """Every name of the file that a function's own could hide, or be hidden by."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.alias(name=name) | ast.FunctionDef(name=name):
                yield name


def test_no_name_of_the_written_files_is_an_actions():
    words = {*words_of(new_action.ACTION), *words_of(new_action.TEST)} - {"NAME", "annotations"}
    could_be = {word for word in words if re.fullmatch("[a-z_]+", word)}
    assert "created" in could_be
    for word in could_be - set(dir(builtins)):
        assert new_action.TAKEN.fullmatch(word), word


@pytest.mark.parametrize(
    "name",
    ["resize", "Index", "in-dex", "import", "", "../x", "a" * 41, "ignore", "config", "datetime", "test_it"],
)
def test_a_name_that_is_taken_or_is_none_is_refused_and_nothing_is_written(stage, name):
    before = actions_in(str(own_actions.folder(stage.root)))
    with pytest.raises(CommandError, match=re.escape(f"NAME is {name!r}")):
        new_action.write(stage.root, name)
    assert actions_in(str(own_actions.folder(stage.root))) == before


def test_an_action_named_like_the_tables_ignore_would_never_run_and_is_none(tmp_path):
    (tmp_path / "ignore.py").write_text("NEEDS = {}\n")
    (tmp_path / "index.py").write_text("NEEDS = {}\n")
    assert actions_in(str(tmp_path)) == ["index"]


def test_every_file_in_the_folder_is_an_action_with_its_needs_and_settings_written_out():
    for name in actions_in():
        assert own_actions.needs(workspace.ROOT, name) is not None
        assert own_actions.settings(workspace.ROOT, name) is not None
    files = {file.stem for file in own_actions.folder(workspace.ROOT).glob("*.py")}
    assert files - {"__init__"} == set(actions_in(ACTIONS))


def test_what_an_action_needs_is_granted_on_what_its_setting_names(stage):
    allowed = own(stage, ROW, TABLE_ARN=TABLE)
    assert allowed["dynamodb:PutItem"] == [TABLE]
    assert {one.partition(":")[0] for one in allowed} == {"dynamodb", "sqs", "logs"}


def test_settings_may_name_a_queue_a_bucket_a_parameter_or_a_bus_instead_of_an_arn(stage):
    text = (
        'NEEDS = {"sqs:SendMessage": "MY_QUEUE_URL", "s3:GetObject": "IMAGES_BUCKET",'
        ' "ssm:GetParameter": "KEY_PARAMETER", "events:PutEvents": "MY_BUS", "textract:DetectDocumentText": "*"}\n'
        "from mypy_boto3_unheard import UnheardClient\n"
        "def action(config, of: UnheardClient):\n    of.something()\n"
    )
    allowed = own(
        stage,
        text,
        MY_QUEUE_URL="https://sqs.eu-central-1.amazonaws.com/123456789012/mine",
        KEY_PARAMETER="/mine/key",
        MY_BUS="default",
    )
    assert "arn:aws:sqs:eu-central-1:123456789012:mine" in allowed["sqs:SendMessage"]
    assert allowed["s3:GetObject"] == ["arn:aws:s3:::s3-events-dev-images-123456789012-eu-central-1/*"]
    assert allowed["ssm:GetParameter"] == ["arn:aws:ssm:eu-central-1:123456789012:parameter/mine/key"]
    assert allowed["events:PutEvents"] == ["arn:aws:events:eu-central-1:123456789012:event-bus/default"]
    assert allowed["textract:DetectDocumentText"] == ["*"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            '{"dynamodb:PutItem": "TABLE_ARN"}',
            "{}",
            "index.py calls dynamodb:PutItem: say on what in its NEEDS",
        ),
        (
            '"TABLE_ARN"}',
            '"TABLE_ARN", "dynamodb:GetItem": "TABLE_ARN"}',
            "index.py calls dynamodb:GetItem nowhere",
        ),
        (
            "    from mypy_boto3_dynamodb import DynamoDBClient\n",
            "",
            "put_row takes a DynamoDBClient, and nobody",
        ),
        ("from mypy_boto3_dynamodb import", "from botocore import", "nobody knows of which service"),
        ('NEEDS = {"dynamodb:PutItem": "TABLE_ARN"}', "", "index.py has no NEEDS: write NEEDS = {}"),
        ('{"dynamodb:PutItem"', '{"dynamodb:*"', "NEEDS has 'dynamodb:*'"),
        ('"TABLE_ARN"}', '["TABLE" + "_ARN"]}', "NEEDS is not written out"),
        ("def put_row(", "def put_row(:", "index.py cannot be read"),
        (
            '{"dynamodb:PutItem": "TABLE_ARN"}',
            '{["dynamodb:PutItem"]: "TABLE_ARN"}',
            "NEEDS is not written out",
        ),
        ('{"dynamodb:PutItem"', '{"DynamoDB:PutItem"', "NEEDS has 'DynamoDB:PutItem'"),
        ('"TABLE_ARN"}', '"TABLE ARN"}', "NEEDS has 'dynamodb:PutItem': 'TABLE ARN'"),
        ('"TABLE_ARN"}', '"TABLE_ARN"}\nNEEDS["a:B"] = "C"', "NEEDS is written 2 times: expected once"),
        ("dynamodb: DynamoDBClient", "dynamodb", "annotated as a client, such as `dynamodb: DynamoDBClient`"),
    ],
)
def test_an_action_whose_needs_and_calls_differ_is_refused_in_a_line_that_names_it(stage, old, new, said):
    assert old in ROW
    with pytest.raises((policies.Disagreement, CommandError), match=re.escape(said)) as refused:
        own(stage, ROW.replace(old, new), TABLE_ARN=TABLE)
    assert "\n" not in str(refused.value)


IMPORTED = "    from mypy_boto3_dynamodb import DynamoDBClient\n"


@pytest.mark.parametrize(
    ("imported", "annotation"),
    [
        (IMPORTED, "Optional[DynamoDBClient]"),
        (IMPORTED, "None | DynamoDBClient"),
        (IMPORTED, "Annotated['DynamoDBClient | None', 1]"),
        ("    from mypy_boto3_dynamodb import DynamoDBClient as Table\n", "Table"),
        ("    import mypy_boto3_dynamodb as stubs\n", "stubs.DynamoDBClient"),
        ("    from types_boto3_dynamodb.client import DynamoDBClient\n", "DynamoDBClient"),
    ],
)
def test_a_client_is_known_however_its_annotation_is_written(stage, imported, annotation):
    text = ROW.replace(IMPORTED, imported).replace("dynamodb: DynamoDBClient", f"dynamodb: {annotation}")
    assert own(stage, text, TABLE_ARN=TABLE)["dynamodb:PutItem"] == [TABLE]
    with pytest.raises(policies.Disagreement, match="calls dynamodb:PutItem: say on what"):
        own(stage, text.replace('{"dynamodb:PutItem": "TABLE_ARN"}', "{}"))


def test_a_client_of_nobody_knows_which_service_is_refused_inside_another_annotation_too(stage):
    text = ROW.replace(IMPORTED, "").replace("dynamodb: DynamoDBClient", "dynamodb: Optional[DynamoDBClient]")
    with pytest.raises(CommandError, match="put_row takes a DynamoDBClient, and nobody knows"):
        own(stage, text, TABLE_ARN=TABLE)


HEAD = "from mypy_boto3_dynamodb import DynamoDBClient\nNEEDS = {}\n"


@pytest.mark.parametrize(
    "text",
    [
        "def action(config):\n    def put(d: DynamoDBClient, *event):\n        d.put_item()\n    return put\n",
        "def put(*event):\n    d: DynamoDBClient = client()\n    d.put_item()\naction = lambda config: put\n",
        "try:\n    x = 1\nfinally:\n    def action(d: DynamoDBClient):\n        d.put_item()\n",
        "from ._rows import put\ndef action(config):\n    return put\n",
        "from . import _rows\ndef action(config):\n    return _rows.put\n",
        "import chalicelib.consume.actions._rows as rows\ndef action(config):\n    return rows.put\n",
    ],
)
def test_a_call_is_found_wherever_the_action_makes_it(stage, text):
    helper = HEAD + "def put(d: DynamoDBClient, *event):\n    d.put_item()\n"
    (own_actions.folder(stage.root) / "_rows.py").write_text(helper)
    with pytest.raises(policies.Disagreement, match="calls dynamodb:PutItem: say on what"):
        own(stage, HEAD + text)


def test_a_file_beside_it_that_cannot_be_read_is_named(stage):
    (own_actions.folder(stage.root) / "half.py").write_text("def action(:\n")
    with pytest.raises(CommandError, match=r"actions/half\.py cannot be read: invalid syntax"):
        own(stage, ROW, TABLE_ARN=TABLE)


def test_a_call_that_nobody_knows_the_action_of_wants_some_needs(stage):
    text = HEAD + "def action(d: DynamoDBClient):\n    d.of_tomorrow()\n"
    with pytest.raises(
        policies.Disagreement, match=r"calls dynamodb\.of_tomorrow, which Chalice's table does not"
    ):
        own(stage, text)


def test_a_call_that_chalices_table_does_not_know_is_left_to_needs(stage):
    text = ROW.replace("dynamodb.put_item(TableName=table", "dynamodb.put_item_of_tomorrow(TableName=table")
    assert own(stage, text, TABLE_ARN=TABLE)["dynamodb:PutItem"] == [TABLE]


@pytest.mark.parametrize(("value", "said"), [("", "TABLE_ARN is not set"), ("uploads", "expected an ARN")])
def test_a_setting_that_an_action_needs_and_lacks_is_refused_before_anything_is_made(stage, value, said):
    (own_actions.folder(stage.root) / "index.py").write_text(ROW)
    stage.record({"ACTION": "index", "TABLE_ARN": value}, {})
    with pytest.raises((CommandError, policies.Disagreement), match=said):
        _ = deploying.check_settings(stage, stage.environment(), ACCOUNT), policies.documents(stage, ACCOUNT)


def test_settings_that_can_be_none_are_refused(stage):
    (own_actions.folder(stage.root) / "index.py").write_text(f'{ROW}SETTINGS = ("",)\n')
    stage.record({"ACTION": "index", "TABLE_ARN": TABLE}, {})
    with pytest.raises(CommandError, match=r'index\.py: expected SETTINGS = \("API_URL",\)'):
        deploying.check_settings(stage, stage.environment(), ACCOUNT)


def test_another_librarys_client_is_no_client_of_aws(stage):
    text = "from redis import RedisClient\nNEEDS = {}\ndef action(config, of: RedisClient):\n    of.get()\n"
    assert {one.partition(":")[0] for one in own(stage, text)} == {"sqs", "logs"}


@pytest.mark.parametrize("where", ["stage", "function"])
def test_in_a_vpc_consume_may_make_its_network_interfaces(stage, where):
    config = json.loads(stage.config_file.read_text())
    mine = config["stages"]["dev"]
    place = mine if where == "stage" else mine.setdefault("lambda_functions", {}).setdefault("consume", {})
    place |= {"subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]}
    stage.config_file.write_text(json.dumps(config))
    made = policies.documents(stage, ACCOUNT)
    with_them = {name for name, policy in made.items() if "ec2:CreateNetworkInterface" in json.dumps(policy)}
    assert with_them == (set(made) if where == "stage" else {"consume"})


def test_a_process_loads_only_its_stages_action():
    code = (
        "import sys; from chalicelib.config import Config; from chalicelib.consume.actions import action_for;"
        f"action_for(Config.from_env({ {**GOOD, 'ACTION': 'log'}!r}));"
        "print([m for m in sys.modules if m.startswith('chalicelib.consume.actions.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=workspace.ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "['chalicelib.consume.actions.log']", done.stderr


def test_an_actions_own_setting_is_asked_by_name_and_what_was_read_is_never_printed():
    config = Config.from_env({**GOOD, "ACTION": "log", "API_KEY": "secret-1"})
    assert config.setting("API_KEY") == "secret-1"
    assert config.setting("API_NONE", "x") == "x"
    with pytest.raises(ConfigError, match="API_URL is not set: expected a value, which ACTION=log needs"):
        config.setting("API_URL")
    assert "secret-1" not in repr(config)
    assert action_for(config)(CREATED, DELIVERY).result == "logged"


# A later version of ours, merged into somebody's branch.


def git(folder, *arguments):
    user = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com"]
    return subprocess.run(["git", *user, *arguments], cwd=folder, check=True, capture_output=True, text=True)


@pytest.mark.slow
def test_a_later_version_merges_into_a_users_branch_without_a_conflict(tmp_path):
    """Everything that is the user's changes there; everything around it changes upstream."""
    root = workspace.make(tmp_path / "app", {}, "local").root
    for name in ("requirements-dev.txt", "pyproject.toml"):
        (root / name).write_text((workspace.ROOT / name).read_text())
    git(root, "init", "-b", "upstream")
    config = workspace.ROOT / ".chalice" / "config.json"
    (root / ".chalice" / "config.json").write_text(config.read_text())
    git(root, "add", "-A")
    git(root, "commit", "-m", "ours")

    git(root, "checkout", "-b", "users")
    new_action.write(root, "index")
    mine = json.loads(config.read_text())
    mine["stages"]["dev"] = {"environment_variables": {"ACTION": "index"}}
    mine["stages"]["prod"] = {"environment_variables": {"ACTION": "index", "CAPACITY": "50"}}
    (root / ".chalice" / "config.json").write_text(json.dumps(mine, indent=2) + "\n")
    (root / "chalicelib" / "actions.prod.toml").write_text('[[line]]\naction = "index"\n')
    for name in ("requirements.txt", "requirements-dev.txt"):
        with (root / name).open("a") as file:
            file.write("pg8000==1.31.6\n")
    git(root, "add", "-A")
    git(root, "commit", "-m", "the user's")

    git(root, "checkout", "upstream")
    theirs = json.loads(config.read_text())
    theirs["lambda_functions"]["another"] = {"lambda_memory_size": 256}
    theirs["stages"]["local"]["environment_variables"]["ANOTHER"] = "one"
    (root / ".chalice" / "config.json").write_text(json.dumps(theirs, indent=2) + "\n")
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (root / name).read_text()
        assert text.count("# ---- Yours") == 1
        (root / name).write_text(text.replace("\n# ---- Yours", "another==2.0\n\n# ---- Yours"))
    (root / "chalicelib" / "consume" / "actions" / "another.py").write_text("NEEDS = {}\n")
    for file in (root / "chalicelib").rglob("*.py"):
        file.write_text(file.read_text() + "\n# a later version\n")
    git(root, "add", "-A")
    git(root, "commit", "-m", "a later version")

    git(root, "checkout", "users")
    git(root, "merge", "upstream")
    merged = json.loads((root / ".chalice" / "config.json").read_text())
    assert merged["stages"]["prod"] == mine["stages"]["prod"]
    assert merged["lambda_functions"] == theirs["lambda_functions"]
    assert {"pg8000==1.31.6", "another==2.0"} <= set((root / "requirements.txt").read_text().splitlines())
    assert (root / "chalicelib" / "actions.prod.toml").read_text() == '[[line]]\naction = "index"\n'
    assert {"index", "another"} <= set(actions_in(str(own_actions.folder(root))))


def test_the_requirements_name_no_other_file():
    """Chalice packages again when requirements.txt changed, and looks into no file that it names."""
    for line in (workspace.ROOT / "requirements.txt").read_text().splitlines():
        assert not line.startswith(("-r", "--requirement", "-c"))


# The manual's worked examples.


class Table:
    """dynamodb, for one table."""

    def __init__(self):
        self.rows, self.fails = {}, None

    def put_item(self, **request):
        if self.fails:
            raise self.fails
        item = request["Item"]
        self.rows[item["object"]["S"], item["event"]["S"]] = item


def test_example_a_row_in_dynamodb_is_one_row_however_often_it_is_put():
    table = Table()
    for _ in range(2):
        assert example("row").put_row(table, TABLE, CREATED, DELIVERY).result == "stored"
    assert list(table.rows) == [("images/photos/a.jpg", CREATED.identity)]
    table.fails = client_error("ProvisionedThroughputExceededException", "slow down", 400, "PutItem")
    with pytest.raises(Retry, match="ProvisionedThroughputExceededException"):
        example("row").put_row(table, TABLE, CREATED, DELIVERY)


@pytest.fixture(scope="module")
def database():
    with postgresql() as port:
        made = connected(port)
        made.cursor().execute(
            "create table uploads "
            "(event text primary key, bucket text, key varchar(20), bytes bigint, uploaded timestamptz)"
        )
        made.commit()
        yield port, made


def rows(made, key):
    cursor = made.cursor()
    cursor.execute("select key, bytes from uploads where key = %s", (key,))
    found = cursor.fetchall()
    made.commit()
    return [tuple(row) for row in found]


def test_example_a_row_in_postgresql_is_one_row_and_a_lost_connection_costs_one_try(database):
    port, made = database
    module, opened = example("sql_row"), []

    def connect():
        opened.append(connected(port))
        return opened[-1]

    for _ in range(2):
        assert module.insert_row(connect, CREATED, DELIVERY).result == "stored"
    assert (rows(made, "photos/a.jpg"), len(opened)) == ([("photos/a.jpg", 2000)], 1)
    opened[0].close()  # as when the server ends it
    later = ObjectCreated("images", "b.jpg", size=1, sequencer="0B")
    with pytest.raises(Retry, match="the database: "):
        module.insert_row(connect, later, DELIVERY)
    assert module.insert_row(connect, later, DELIVERY).result == "stored"
    assert (rows(made, "b.jpg"), len(opened)) == ([("b.jpg", 1)], 2)


def test_example_a_row_that_postgresql_refuses_is_a_letter_with_its_own_words(database):
    port, _ = database
    module = example("sql_row")
    wrong = ObjectCreated("images", "a key of more than twenty characters", sequencer="0C")
    with pytest.raises(Reject, match=r"value too long for type character varying\(20\)"):
        module.insert_row(lambda: connected(port), wrong, DELIVERY)
    with pytest.raises(Retry, match="the database"):
        module.insert_row(lambda: connected(1), CREATED, DELIVERY)


@pytest.fixture
def api():
    with receiver() as server:
        yield server


def test_example_a_call_of_an_api_says_what_it_was_answered(api):
    put = example("call").put_upload
    http = urllib3.PoolManager()
    assert put(http, api.url, CREATED, DELIVERY).says == "the API answers 200"
    (got,) = api.got
    assert (got.method, got.path) == ("PUT", f"/uploads/{CREATED.identity}")
    assert json.loads(got.body) == {"bucket": "images", "key": "photos/a.jpg"}
    api.status = 422
    with pytest.raises(Reject, match="the API answers 422"):
        put(http, api.url, CREATED, DELIVERY)
    api.status, api.headers = 429, {"Retry-After": "120"}
    with pytest.raises(Retry, match="429") as again:
        put(http, api.url, CREATED, DELIVERY)
    assert again.value.after == 120 < LONGEST_ASKED_S
    with pytest.raises(Retry, match="did not answer"):
        put(http, "http://127.0.0.1:1", CREATED, DELIVERY)
