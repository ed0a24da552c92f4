"""The manuals say what is so: every alarm, every test they name, every amount of money."""

from __future__ import annotations

import ast
import dataclasses
import json
import re

from chalicelib.aws.errors import PERMANENT
from chalicelib.config import Config
from chalicelib.consume.outcomes import OUTCOMES
from chalicelib.letters.codes import CODES
from chalicelib.planning.plan import Scenario, lines
from chalicelib.planning.prices import PRICES
from chalicelib.queues.retention import KEPT
from dev import template
from dev.workspace import ROOT
from infra import codes_page
from infra.deploying import throttle
from tests.support.alarms import ALARMS, STAGE, text
from tests.support.denied import CALLS

DOCS = ROOT / "docs"
SETTINGS = (DOCS / "settings.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
SECURITY = (ROOT / "docs" / "security.md").read_text()
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
# What a plan's lines are called in the table.
GROUPS = {
    "Lambda": "Lambda",
    "SQS": "SQS",
    "CloudWatch Logs": "logs",
    "S3, reading": "S3 GET",
    "S3, writing": "S3 PUT",
    "S3, keeping": "S3 keeping",
    "Step Functions": "Step Functions",
    "EventBridge": "EventBridge",
}


def section(manual, title):
    return manual.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(manual, title):
    """The cells of a section's table, without its head."""
    found = re.findall(r"^\| (.+) \|$", section(manual, title), re.MULTILINE)
    return [row.split(" | ") for row in found][1:]


def million(times="1", **settings):
    """The lines of a month's bill with a million objects of 2 MB, or with none."""
    asked = {"objects": "1e6", "per": "24h", "size": "2MB", "thumbnails": "2", **settings}
    return {line.what: line.usd for line in lines(Scenario.read({**asked, "times": times}))}


def added(**settings):
    """What a million objects add to a month in which none came, by the table's names, dearest first."""
    idle = million("0", **settings)
    found = dict.fromkeys(GROUPS.values(), 0.0)
    for what, usd in million(**settings).items():
        group = next((name for start, name in GROUPS.items() if what.startswith(start)), None)
        if group:
            found[group] += usd - idle.get(what, 0.0)
    return {name: usd for name, usd in sorted(found.items(), key=lambda one: -one[1]) if usd >= 0.005}


def said(found):
    """As a row of the table says it: the sum, and what it is made of."""
    parts = [f"{name} {usd:.2f}{' a month' * (name == 'S3 keeping')}" for name, usd in found.items()]
    return f"{sum(found.values()):.2f}", ", ".join(parts)


def costs():
    """The table's rows: what, and then how much and of which."""
    return {cells[0]: tuple(cells[1:]) for cells in rows(OPERATIONS, "What it costs")}


def test_the_manual_has_the_alarms_that_there_are_and_no_others():
    named = {cells[0] for cells in rows(OPERATIONS, "Alarms")}
    found = {name for cell in named for name in re.findall(r"`([\w-]+)`", cell)}
    assert found == {text(one["AlarmName"]).removeprefix(f"{STAGE.stack_name}-") for one in ALARMS.values()}


def test_every_alarm_is_told_with_what_to_do():
    assert all(len(cells) == 3 and cells[1] and cells[2] for cells in rows(OPERATIONS, "Alarms"))


def test_every_test_that_the_security_page_names_exists():
    named = re.findall(r"`(tests/\S+|make \S+|infra/\S+)`", SECURITY)
    assert len(named) > 15
    for name in named:
        if name.startswith("make "):
            assert re.search(rf"^{name.removeprefix('make ')}:", MAKEFILE, re.MULTILINE), name
        else:
            file, _, test = name.partition("::")
            assert (ROOT / file).exists(), name
            assert f"def {test}" in (ROOT / file).read_text(), name


def test_the_security_page_counts_the_refused_calls():
    assert f"is refused {len(CALLS)} calls" in SECURITY


def test_every_threat_has_a_control_and_a_test():
    table = re.findall(r"^\| (.+) \|$", SECURITY.partition("\n## ")[0], re.MULTILINE)[2:]
    assert len(table) > 8
    untested = [row for row in table if not re.search(r" \| .+ \| .*`", row)]
    assert [row.partition(" | ")[0] for row in untested] == ["Somebody with the account's credentials"]


def test_the_table_of_costs_is_what_the_plan_computes():
    """One place: `make plan`, `GET /plan` and this table have the same prices."""
    table = costs()
    assert table["a million objects, `ACTION=log`"] == said(added(action="log"))
    assert table["the same, `S3_NOTIFIES=queue`"] == said(added(action="log", notifies="queue"))
    resized = table["a million objects of 2 MB, `ACTION=resize`, 2 thumbnails each"]
    assert resized == said(added(action="resize"))
    execution = table["a million objects, `ACTION=start_execution`, one transition each"]
    assert execution == said(added(action="start_execution"))
    silent, told = (added(action="log", events=on) for on in ("off", "on"))
    more = {
        name: told[name] - silent.get(name, 0) for name in told if told[name] - silent.get(name, 0) >= 0.005
    }
    assert table["`EVENTS_BUS`, or `ACTION=put_event`: a million events more"] == said(more)
    one, two = (added(action="resize", thumbnails=number) for number in ("1", "2"))
    thumbnails = {name: two[name] - one[name] for name in two if two[name] - one[name] >= 0.005}
    assert table["a million thumbnails more of the same objects"] == said(thumbnails)


def test_what_bounds_the_cost_is_computed_from_the_limits_that_are_set():
    month_s = 30 * 86_400
    table = {cells[0]: cells[1:] for cells in rows(OPERATIONS, "What bounds the cost")}
    drain = STAGE.function_setting("drain", "lambda_timeout")
    memory_mb = STAGE.function_setting("drain", "lambda_memory_size")
    tick = drain * memory_mb / 1024 * PRICES.lambda_gb_second + PRICES.lambda_request
    assert table["drain"][1] == f"${tick * month_s / 60:.2f} a shard"
    assert f"of {drain} s at {memory_mb} MB" in table["drain"][0]
    run = PRICES.lambda_request + 0.03 * memory_mb / 1024 * PRICES.lambda_gb_second
    assert table["enqueue"][1] == f"${run * 1e6:.2f} a million uploads"
    request = 3.50e-6  # of a REST API, us-east-1
    (signed, _), (health, _) = throttle.LIMITS["/*/*"], throttle.LIMITS["/~1health/GET"]
    anybody = table["`GET /health`, which anybody may call"]
    assert f"{health} requests a second" in anybody[0]
    assert anybody[1] == f"${(request + run) * health * month_s:.2f}"
    assert f"{signed} requests a second" in table["the other routes"][0]
    requests = round((request + PRICES.lambda_request) * signed * month_s, -1)
    assert f"${requests:.0f} of requests" in table["the other routes"][1]
    idle = million("0", action="log")
    fixed = sum(idle[f"CloudWatch {what}"] for what in ("metrics", "alarms", "dashboard"))
    assert table["metrics, alarms, dashboard"][1] == f"${fixed:.2f}"
    assert f"${PRICES.s3_put * 1e6:.0f} a million letters" in table["letters, backfill"][1]


def test_it_says_whom_to_tell_of_a_hole_and_it_is_in_private():
    told = (ROOT / "SECURITY.md").read_text()
    assert "Report a vulnerability" in told
    assert "@" not in told, "no address that nobody reads"


def test_the_idle_month_is_what_the_plan_computes():
    idle = million("0", action="log")
    names = {
        "metrics": "CloudWatch metrics",
        "dashboard": "CloudWatch dashboard",
        "alarms": "CloudWatch alarms",
        "polls": "SQS, polls of empty queues",
    }
    parts = {name: idle.pop(what) for name, what in names.items()}
    parts["ticks"] = sum(idle.values())
    table = costs()
    dearest_first = dict(sorted(parts.items(), key=lambda part: -part[1]))
    assert table["a stage that does nothing, a month"] == said(dearest_first)


def test_the_readme_says_no_other_amounts_than_the_manual():
    amounts = re.findall(r"\$(\d+\.\d\d)", section(README, "Cost"))
    assert len(amounts) >= 3
    assert set(amounts) <= {amount for amount, _ in costs().values()}
    assert not re.findall(r"\$\d", README.replace(section(README, "Cost"), ""))


def test_the_manuals_defaults_are_the_settings_defaults():
    defaults = {
        cell: row[1] for row in rows(SETTINGS, "The stage") for cell in re.findall(r"`(\w+)`", row[0])
    }
    shown = {
        field.name: field.default
        for field in dataclasses.fields(Config)
        if type(field.default) is int and field.name.upper() in defaults
    }
    assert {"capacity", "max_tries", "drain_workers", "max_image_bytes"} <= set(shown)
    for name, default in shown.items():
        assert re.findall(r"\d+", defaults[name.upper()].replace(",", ""))[0] == str(default), name


def manuals():
    return {
        str(file.relative_to(ROOT)): file.read_text() for file in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    }


def test_the_manuals_say_the_templates_own_limits():
    """How long a message is kept, and how often it is received."""
    limits = {
        r"`maxReceiveCount` is (\d+)": template.max_receives("source"),
        r"kept? a message for (\d+) days|is kept for (\d+) days": KEPT.days,
    }
    for said, right in limits.items():
        found = [n for page in manuals().values() for one in re.findall(said, page) for n in (one, *one) if n]
        numbers = {int(n) for n in found if isinstance(n, str) and n.isdigit() and len(n) > 1}
        assert numbers == {right}, said


def test_the_manuals_name_the_prices_that_are_used():
    assert f'"prices_of": "{PRICES.of}"' in manuals()["docs/api.md"]
    region, _, month = PRICES.of.partition(", ")
    assert f"list prices of {region} as of {month}" in OPERATIONS


def test_the_measured_refusals_are_those_of_the_decision():
    measured = json.loads((ROOT / "benchmarks" / "results" / "drain-refused.json").read_text())
    decision = manuals()["docs/decisions/0004-refused-entries.md"]
    for fault, strategies in measured.items():
        cells = [f"{one['receives']} / {one['emptied_in_minute']}" for one in strategies.values()]
        cells[2] = f"**{cells[2]}**"
        assert f"| {fault} | {' | '.join(cells)} |" in decision


def test_every_file_that_a_manual_names_exists():
    in_code = r"(?<![\w/.-])((?:chalicelib|infra|dev|tests|benchmarks|docs)/[\w/.-]*\w)"
    linked = r"\]\(([\w./-]+\.(?:md|svg|png))[)#]"
    for manual, page in manuals().items():
        for name in re.findall(in_code, page):
            assert (ROOT / name).exists(), f"{manual}: {name}"
        for name in re.findall(linked, page):
            assert (ROOT / manual).parent.joinpath(name).exists(), f"{manual}: {name}"


def test_decisions_are_numbered_without_a_gap():
    numbers = [int(file.name[:4]) for file in sorted((DOCS / "decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_glossary_has_every_state_and_outcome():
    glossary = manuals()["docs/glossary.md"]
    for word in [*OUTCOMES, "lane", "delivery", "try", "allowance", "manifest", "report", "stage", "tick"]:
        assert re.search(rf"\*\*{word}\*\*|`{word}`", glossary), word


def test_the_page_of_codes_is_made_from_the_codes():
    assert (ROOT / codes_page.FILE).read_text() == codes_page.text()


def test_the_table_of_codes_says_what_the_page_says():
    table = re.findall(
        r'^\| <a id="[\w-]+"></a>`([\w-]+)` \| (.+) \| (.+) \|$',
        manuals()["docs/troubleshooting.md"],
        re.MULTILINE,
    )
    assert {code: (means.replace("`", ""), back.replace("`", "")) for code, means, back in table} == {
        code: tuple(kind) for code, kind in CODES.items()
    }


def test_every_code_that_is_given_to_a_letter_is_explained():
    """A code is the second argument of a Reject, or of `rejected`, or a `code=` of a letter."""
    given = set()
    for file in (ROOT / "chalicelib").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                name = (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                )
                given |= {one.value for one in _codes(name, node) if isinstance(one, ast.Constant)}
    given |= {code for _, code in PERMANENT.values()}
    assert {"unreadable", "gone", "gave-up", "refused", "too-long"} <= given
    assert given <= set(CODES)


def _codes(name, call):
    """The arguments of a call that are codes."""
    if name == "Reject":
        return call.args[1:2] + [one.value for one in call.keywords if one.arg == "code"]
    if name == "rejected":
        return call.args[:1]
    if name in ("message", "_letter"):
        by_place = call.args[2:3] if name == "_letter" else []
        return by_place + [one.value for one in call.keywords if one.arg == "code"]
    return []


def test_the_manuals_say_what_the_pace_was_measured_to_be():
    measured = json.loads((ROOT / "benchmarks" / "results" / "pace.json").read_text())
    now = measured["now"]
    told = [cells[1:] for cells in rows((DOCS / "benchmarks.md").read_text(), "The pace")]
    names = [
        name for name in now if name not in ("worst_60s_of_calls_with_outage", "waiting_7h_after_outage")
    ]
    assert sorted(cells[0] for cells in told) == sorted(f"{now[name]:,.4g}" for name in names)
    assert f"at most {now['worst_60s_over_capacity']} of the capacity" in README


def test_the_manuals_say_what_thumbnails_were_measured_to_cost():
    measured = json.loads((ROOT / "benchmarks" / "results" / "thumbnails.json").read_text())
    both, alone = measured["default_sizes"], measured["ratio_cpu_vs_sharp"]
    decision = rows((DOCS / "decisions" / "0009-thumbnails.md").read_text(), "Measured")
    kinds = ("jpeg_baseline", "phone", "jpeg_progressive", "png", "webp")
    for kind, (_, single, two, _, _, luma, size) in zip(kinds, decision, strict=True):
        assert single == (f"{alone[kind]:.2f}" if kind in alone else "–")
        assert two == f"{both[kind]['ratio_cpu']:.2f}"
        assert size == f"{both[kind]['bytes_ratio']:.3f}"
        mean, least = (both[kind][f"luma_db_1024_{name}"] for name in ("mean", "least"))
        assert [float(number) for number in re.findall(r"[-+.\d]+", luma)] == [
            round(mean, 1),
            round(least, 1),
        ]
    benchmarks = (DOCS / "benchmarks.md").read_text()
    told = benchmarks[benchmarks.index("The default sizes, 1024 and 256") :]
    numbers = [both[kind]["ratio_cpu"] for kind in kinds]
    numbers += [alone[kind] for kind in ("jpeg_baseline", "jpeg_progressive", "png", "webp")]
    assert re.findall(r"\b\d\.\d\d\b", told)[: len(numbers)] == [f"{number:.2f}" for number in numbers]
