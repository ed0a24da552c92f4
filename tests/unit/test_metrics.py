"""Metrics are log lines that CloudWatch can read."""

import json
import re
from pathlib import Path

import pytest

from chalicelib.telemetry import metrics
from dev.workspace import ROOT


def written(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_is_in_the_embedded_metric_format(capsys):
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"""
    metrics.line("tick", "prod", "drain", {"Forwarded": 10, "TickDuration": 1.5}, stopped="capacity")
    (line,) = written(capsys)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "S3EventScheduler"
    assert directive["Dimensions"] == [["Stage", "Function"]]
    assert directive["Metrics"] == [
        {"Name": "Forwarded", "Unit": "Count"},
        {"Name": "TickDuration", "Unit": "Seconds"},
    ]
    for names in directive["Dimensions"]:  # each names a field of the line, and so does each metric
        assert all(isinstance(line[name], str) and line[name] for name in names)
    assert all(isinstance(line[metric["Name"]], int | float) for metric in directive["Metrics"])
    assert 1_700_000_000_000 < line["_aws"]["Timestamp"] < 10_000_000_000_000  # milliseconds
    assert (line["message"], line["stopped"]) == ("tick", "capacity")


def test_a_metric_that_is_not_in_the_table_is_a_bug():
    with pytest.raises(KeyError):
        metrics.line("tick", "prod", "drain", {"Thumbnails": 1})


def test_every_metric_of_the_dashboard_is_one_that_is_written():
    template = (ROOT / "infra" / "deploying" / "template.yaml").read_text()
    shown = re.findall(r'"S3EventScheduler", "(\w+)", "Stage", "\$\{Stage\}", "Function", "(\w+)"', template)
    assert len(shown) >= 6
    for name, function in shown:
        assert name in metrics.METRICS[function], (function, name)


def test_every_function_writes_all_its_metrics():
    """By name in the code of exactly one module for each function."""
    for function, units in metrics.METRICS.items():
        writers = [
            text
            for file in sorted(Path(ROOT / "chalicelib").rglob("*.py"))
            if f'"{function}"' in (text := file.read_text()) and "metrics.line(" in text
        ]
        assert len(writers) == 1, function
        assert all(f'"{name}"' in writers[0] for name in units), function
