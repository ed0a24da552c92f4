"""app.py imported afresh, with the settings of tests/support/settings.py."""

from __future__ import annotations

import importlib
import sys

from dev.workspace import ROOT
from tests.support.settings import GOOD

# app.py, and what keeps its routes or its settings.
MODULES = [
    "app",
    *(f"chalicelib.api.{file.stem}" for file in (ROOT / "chalicelib" / "api").glob("*.py")),
    *(f"chalicelib.{file.parent.name}.routes" for file in (ROOT / "chalicelib").glob("*/routes.py")),
]


def load_app(monkeypatch, **settings):
    """app.py as Lambda would import it: the settings are there before."""
    for name, value in {**GOOD, **settings}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(ROOT))
    for module in MODULES:  # not there before, and not there after the test: routes bind to one app only
        sys.modules.pop(module, None)
        monkeypatch.setitem(sys.modules, module, None)
        del sys.modules[module]
    return importlib.import_module("app").app


class NoParameters:
    """SSM without a parameter: nobody has set the capacity."""

    class exceptions:  # noqa: N801  boto3's name
        class ParameterNotFound(Exception):
            """As boto3's."""

    def get_parameter(self, **request):
        raise self.exceptions.ParameterNotFound


class Ssm:
    """SSM with one parameter, or with none as long as nobody has written it."""

    class exceptions:  # noqa: N801  boto3's name
        class ParameterNotFound(Exception):
            """As boto3's."""

    def __init__(self, value=""):
        self.value = value

    def get_parameter(self, *, Name):  # noqa: N803
        if not self.value:
            raise self.exceptions.ParameterNotFound
        return {"Parameter": {"Name": Name, "Value": self.value}}

    def put_parameter(self, *, Name, Value, Type, Overwrite):  # noqa: N803
        self.value = Value
