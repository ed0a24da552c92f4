"""CloudWatch Logs' search as AWS has it, which ministack 1.5.33 lacks.

Newest first, page by page, and by any of several terms.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import islice
from typing import Any

from ministack.core.responses import json_response
from ministack.services import cloudwatch_logs

MOST = 10_000  # lines of a page

_search = cloudwatch_logs._filter_log_events
_compile = cloudwatch_logs._compile_filter_pattern


def compile_pattern(raw: str) -> Callable[[str], bool]:
    """ministack's own, and `?one ?another`: a line that holds any of them."""
    terms = raw.split()
    wanted = [term[1:].strip('"').lower() for term in terms if term.startswith("?")]
    if not wanted or len(wanted) < len(terms):
        found: Callable[[str], bool] = _compile(raw)
        return found
    return lambda line: any(term in line.lower() for term in wanted)


def filter_log_events(request: dict[str, Any]) -> Any:
    """The newest first where that is asked for; a token says how many of the lines that match were told."""
    group = cloudwatch_logs._resolve_log_group_name(request)
    if request.get("startFromHead", True) or group not in cloudwatch_logs._log_groups:
        return _search(request)
    matches = cloudwatch_logs._compile_filter_pattern(request.get("filterPattern", ""))
    start, end = request.get("startTime", 0), request.get("endTime", float("inf"))
    told, limit = int(request.get("nextToken", 0)), min(request.get("limit", MOST), MOST)
    with cloudwatch_logs._log_events_lock:
        streams = [list(one["events"]) for one in cloudwatch_logs._log_groups[group]["streams"].values()]
    newest = heapq.merge(*map(reversed, streams), key=lambda event: event["timestamp"], reverse=True)
    found = (one for one in newest if start <= one["timestamp"] <= end and matches(one.get("message", "")))
    page = list(islice(found, told, told + limit + 1))
    more = {"nextToken": str(told + limit)} if len(page) > limit else {}
    return json_response({"events": page[:limit], "searchedLogStreams": [], **more})


def add() -> None:
    """To ministack's own calls."""
    cloudwatch_logs._compile_filter_pattern = compile_pattern
    cloudwatch_logs._filter_log_events = filter_log_events
