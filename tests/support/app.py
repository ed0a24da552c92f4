"""app.py imported afresh, with the settings of tests/support/settings.py."""

from __future__ import annotations

import importlib
import sys

from dev.workspace import ROOT
from tests.support.settings import GOOD


def load_app(monkeypatch, **settings):
    """app.py as Lambda would import it: the settings are there before."""
    for name, value in {**GOOD, **settings}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(ROOT))
    for module in [
        name
        for name in sys.modules
        if name == "app" or name.startswith("chalicelib.api") or name.endswith(".routes")
    ]:
        monkeypatch.delitem(sys.modules, module)
    return importlib.import_module("app").app


class NoParameters:
    """SSM without a parameter: nobody has set the capacity."""

    class exceptions:  # noqa: N801  boto3's name
        class ParameterNotFound(Exception):
            """As boto3's."""

    def get_parameter(self, **request):
        raise self.exceptions.ParameterNotFound
