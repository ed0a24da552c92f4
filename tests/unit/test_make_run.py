"""make run's own edges: no file name, option or environment kills it, and nothing leads to the real AWS."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from rich.console import Console

from dev import local_aws, pipeline
from dev import run as running
from dev.__main__ import cli
from dev.pipeline import Upload
from dev.workspace import ROOT
from infra.errors import CommandError

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def said():
    out = io.StringIO()
    return out, Console(file=out, width=200)


def test_what_a_system_leaves_behind_and_what_is_unfinished_is_skipped_with_a_word(tmp_path, said):
    out, console = said
    for name in ("a.jpg", ".DS_Store", "Thumbs.db", "._a.jpg", "b.jpg.part", "c.crdownload"):
        (tmp_path / name).touch()
    assert [file.name for file in running._files(tmp_path, console)] == ["a.jpg"]
    assert "Skipped, a system's own file: .DS_Store, ._a.jpg, Thumbs.db" in out.getvalue()
    assert "Skipped, not finished: b.jpg.part, c.crdownload" in out.getvalue()


def test_a_name_that_can_be_no_key_is_skipped_and_one_of_250_bytes_is_not(tmp_path, said):
    out, console = said
    (tmp_path / ("n" * 246 + ".jpg")).touch()
    os.close(os.open(os.fsencode(tmp_path) + b"/\xff.jpg", os.O_CREAT))
    deep = tmp_path
    for _ in range(5):
        deep = deep / ("d" * 240)
    deep.mkdir(parents=True)
    (deep / "a.jpg").touch()
    assert [len(file.name) for file in running._files(tmp_path, console)] == [250]
    assert "its name is no UTF-8" in out.getvalue()
    assert "longer than 1,024 bytes: a.jpg" in out.getvalue()


def test_a_folder_of_nothing_that_can_be_uploaded_is_one_line(tmp_path, said):
    (tmp_path / ".DS_Store").touch()
    with pytest.raises(CommandError, match="holds no file that can be uploaded"):
        running._files(tmp_path, said[1])


def test_thumbnails_of_a_long_name_are_written_and_two_of_them_stay_two(tmp_path):
    name = "n" * 246 + ".jpg"
    upload = Upload(name, NOW, {f"{name}_{size}.jpg": b"x" for size in (256, 1024)})
    assert pipeline.save([upload], tmp_path) == 2
    assert len(list(tmp_path.iterdir())) == 2
    assert all(file.suffix == ".jpg" for file in tmp_path.iterdir())


def test_out_is_a_folder_that_may_be_written_or_nothing_begins(tmp_path):
    file = tmp_path / "file"
    file.touch()
    for out in (file, file / "below"):
        with pytest.raises(CommandError, match="is a file; expected a folder"):
            running._refuse_no_folder(out)
    running._refuse_no_folder(tmp_path / "not" / "there")


def test_of_very_many_the_bad_ones_are_shown_and_all_are_in_a_file(tmp_path):
    uploads = [Upload(f"{i:03d}.jpg", NOW, logged="logged", ended=NOW) for i in range(300)]
    uploads[250].rejected, uploads[251].ended = "damaged [red]", None
    table = running._table(uploads, "log")
    assert table.row_count == running.SHOWN
    assert list(table.columns[0].cells)[:2] == ["250.jpg", "251.jpg"]
    counted = running._write_all(uploads, tmp_path / "objects.tsv")
    assert counted.startswith("298 done, 1 dead letters, 1 missing")
    lines = (tmp_path / "objects.tsv").read_text().splitlines()
    assert (len(lines), lines[250]) == (300, "250.jpg\tdead letter: damaged [red]")


def test_what_is_shown_moves_no_cursor_and_is_no_markup():
    assert running.shown("a\x1b[2J\u202egpj[red].jpg") == "a?[2J?gpj\\[red].jpg"


def test_no_setting_of_the_users_leads_to_the_real_aws_and_no_proxy_stands_between():
    own = {
        "AWS_ENDPOINT_URL_S3": "https://real",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "NO_PROXY": "x",
    }
    kept = local_aws.without_own_aws({**own, "http_proxy": "http://proxy:3128", "PATH": "/bin"})
    assert not [name for name in kept if name.startswith("AWS_")]
    assert (kept["NO_PROXY"], kept["no_proxy"]) == ("x,127.0.0.1,localhost", "127.0.0.1,localhost")
    assert (kept["http_proxy"], kept["PATH"]) == ("http://proxy:3128", "/bin")  # pip may need it


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--port", "99999"], "99999 is not in the range 1<=x<=65535"),
        (["run", "--status-port", "0"], "0 is not in the range"),
        (["run", "--port", "8000"], "--port and --status-port are both 8000"),
        (["drop", str(ROOT / "app.py"), "--port", "70000"], "70000 is not in the range"),
    ],
)
def test_a_port_that_cannot_be_is_a_wrong_command_line(arguments, said):
    found = CliRunner().invoke(cli, arguments)
    assert found.exit_code == 2
    assert said in found.output


def test_an_error_of_the_system_is_one_line(tmp_path):
    file = tmp_path / "file"
    file.touch()
    found = subprocess.run(
        [sys.executable, "-m", "dev", "run", "--once", "--out", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 1
    assert found.stderr.startswith(f"error: --out {file}")
    assert found.stderr.count("\n") == 1
