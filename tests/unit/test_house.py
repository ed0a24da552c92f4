"""The house holds its own rules; import-linter's contracts are in pyproject.toml, and `make check` asks them."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dev.workspace import ROOT

LEAVES = 7  # modules in chalicelib itself, beside its rooms


@pytest.fixture
def copy(tmp_path):
    """The project's code, to be spoiled."""
    for folder in ("chalicelib", "infra", "dev"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def contracts(folder):
    """import-linter's exit code and what it says there."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-logo", "--no-cache"], cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout


def imports(file):
    """The modules a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("times.py", "from chalicelib.jobs import commands", "times -> chalicelib.jobs"),
        ("queues/depths.py", "from chalicelib.drain import tick", "depths -> chalicelib.drain"),
        ("jobs/task.py", "from chalicelib.control import schedule", "task -> chalicelib.control"),
        ("config/stage.py", "import infra.stage", "stage -> infra.stage"),
    ],
)
def test_an_import_that_climbs_is_refused(copy, module, line, broken):
    file = copy / "chalicelib" / module
    file.write_text(file.read_text() + f"\n\ndef climbs():\n    {line}\n")
    code, said = contracts(copy)
    assert code == 1
    assert broken in said.replace("\n", " ")


def test_a_room_without_a_place_is_refused(copy):
    (copy / "chalicelib" / "elsewhere.py").write_text("")
    code, said = contracts(copy)
    assert code == 1
    assert "elsewhere" in said


def test_the_contracts_hold(copy):
    code, said = contracts(copy)
    assert code == 0, said


def test_the_leaves_are_few():
    assert len([file for file in (ROOT / "chalicelib").glob("*.py") if file.stem != "__init__"]) <= LEAVES


def test_no_test_needs_another_test_and_no_benchmark_needs_the_tests():
    for file in (ROOT / "tests").rglob("*.py"):
        if found := [name for name in imports(file) if "test_" in name.rpartition("tests.")[2]]:
            assert not [name for name in found if name.startswith("tests.")], file
    for file in (ROOT / "benchmarks").rglob("*.py"):
        assert not [name for name in imports(file) if name.partition(".")[0] == "tests"], file
    for folder in ("chalicelib", "infra", "dev"):
        for file in (ROOT / folder).rglob("*.py"):
            assert not [n for n in imports(file) if n.partition(".")[0] in ("tests", "benchmarks")], file


@pytest.mark.xdist_group("together")
def test_a_group_of_tests_stays_on_one_worker(request):
    """pytest 9.2 and pytest-xdist 3.8 forgot it, silently: each worker made the deploy of a group once more."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one process")
    assert request.node.nodeid.endswith("@together")
