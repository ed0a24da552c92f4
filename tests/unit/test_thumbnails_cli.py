"""python -m chalicelib.thumbnails: the settings tried on local files."""

import subprocess
import sys

import pytest

from chalicelib.thumbnails.__main__ import main
from dev.pictures import decoded, encoded, scene


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in ("THUMBNAIL_SIZES", "THUMBNAIL_FIT", "THUMBNAIL_OUTPUT", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"):
        monkeypatch.delenv(name, raising=False)


def photo(folder, name="photo.png"):
    path = folder / name
    path.write_bytes(encoded(scene(), "png"))
    return path


def test_thumbnails_are_written_and_described(tmp_path, capsys):
    out = tmp_path / "made"
    assert main([str(photo(tmp_path)), "--sizes", "60,30", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["photo.png_30.jpg", "photo.png_60.jpg"]
    assert decoded((out / "photo.png_60.jpg").read_bytes()).size == (60, 40)
    printed = capsys.readouterr().out
    assert "60 x 40 jpeg" in printed
    assert " ms, peak memory " in printed


def test_bad_files_are_one_line_each_and_the_good_ones_are_made_all_the_same(tmp_path, capsys):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"not a picture")
    absent = tmp_path / "absent.jpg"
    out = tmp_path / "made"
    assert main([str(bad), str(absent), str(photo(tmp_path)), "--sizes", "60", "--out", str(out)]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"{bad}: rejected: the content is not among the formats taken")
    assert lines[1].startswith(f"{absent}: rejected: ")
    assert [path.name for path in out.iterdir()] == ["photo.png_60.jpg"]


def test_settings_come_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("THUMBNAIL_OUTPUT", "webp")
    monkeypatch.setenv("THUMBNAIL_SIZES", "50")
    assert main([str(photo(tmp_path)), "--out", str(tmp_path)]) == 0
    assert decoded((tmp_path / "photo.png_50.webp").read_bytes()).format == "WEBP"


def test_a_bad_setting_is_one_line(tmp_path, capsys):
    assert main([str(photo(tmp_path)), "--sizes", "big"]) == 2
    assert capsys.readouterr().err.startswith("THUMBNAIL_SIZES is 'big': expected ")


@pytest.mark.slow
def test_a_smaller_function_can_be_tried(tmp_path, capsys):
    big = tmp_path / "big.tif"
    big.write_bytes(encoded(scene(3000, 2000), "tiff"))
    assert main([str(big), "--memory", "128", "--out", str(tmp_path)]) == 3
    assert "more than the 25 MB an image may take" in capsys.readouterr().err


def test_it_is_a_command(tmp_path):
    command = [sys.executable, "-m", "chalicelib.thumbnails", str(photo(tmp_path)), "--out", str(tmp_path)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
