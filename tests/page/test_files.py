"""The page's files as the app serves them: which, with what headers, and what must never be in them."""

import re

import pytest
from chalice.test import Client

from chalicelib.errors import NotFound
from chalicelib.page import files
from dev import workspace
from dev.workspace import ROOT
from tests.support.app import load_app

FILES = sorted(file.name for file in files.WEB.iterdir())
TEXTS = [pytest.param((files.WEB / name).read_text(), id=name) for name in FILES]


@pytest.fixture
def client(monkeypatch):
    with Client(load_app(monkeypatch), project_dir=str(ROOT)) as client:
        yield client


def test_the_folder_holds_a_page_and_nothing_else():
    assert sorted(files.TYPES) == FILES
    assert {"index.html", "main.js", "base.css", "icon.svg"} <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_with_its_type_and_the_headers_of_safety(client, name):
    answer = client.http.get(f"/web/{name}")
    assert answer.status_code == 200
    assert answer.body.decode() == (files.WEB / name).read_text()
    assert answer.headers["Content-Type"] == files.TYPES[name]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_the_start_page_is_html_under_a_strict_policy(client):
    answer = client.http.get("/")
    assert answer.body.decode() == (files.WEB / "index.html").read_text()
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


@pytest.mark.parametrize("name", ["other.js", "..", "%2e%2e%2fpage.py", "INDEX.HTML", "main.js%00"])
def test_every_other_name_is_404(client, name):
    assert client.http.get(f"/web/{name}").status_code == 404


@pytest.mark.parametrize("name", ["", "../page.py", "/etc/passwd", "index.html/../main.js"])
def test_nothing_of_a_name_reaches_the_disk(name):
    with pytest.raises(NotFound):
        files.file(name)


def test_the_copy_that_is_deployed_has_them_all(tmp_path):
    made = workspace.make(tmp_path / "app", {})
    assert sorted(file.name for file in (made.root / "chalicelib" / "page" / "web").iterdir()) == FILES


def test_the_start_page_names_files_that_are_there():
    named = re.findall(r'(?:src|href)="web/([^"]+)"', (files.WEB / "index.html").read_text())
    assert {"main.js", "base.css", "parts.css", "icon.svg"} == set(named)
    assert set(named) <= set(files.TYPES)


@pytest.mark.parametrize("text", [param for param in TEXTS if str(param.id).endswith(".js")])
def test_every_module_imports_modules_that_are_there_and_is_small(text):
    assert set(re.findall(r'from "\./([^"]+)"', text)) <= set(files.TYPES)
    assert text.count("\n") < 250
    assert text.startswith("//"), "the first line says what it is for"


@pytest.mark.parametrize("text", TEXTS)
def test_nothing_is_taken_for_html_or_code_and_nothing_comes_from_elsewhere(text):
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert sink not in text
    assert not re.search(r"<[^>]+\s(on\w+|style)\s*=", text), "inline handlers and styles"
    others = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", text))
    assert {one for one in others if not one.startswith("http://www.w3.org/")} == set()
