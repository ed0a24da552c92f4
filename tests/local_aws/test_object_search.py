"""Objects found by what their keys begin with, page by page."""

from __future__ import annotations

import pytest

from chalicelib import times
from chalicelib.errors import BadRequest
from chalicelib.monitoring import object_search

pytestmark = [pytest.mark.aws, pytest.mark.xdist_group("jobs")]

KEYS = ["out/z.jpg", *(f"in/{number:02d} é&+.jpg" for number in range(7))]


def test_objects_are_found_by_prefix_and_go_on_after_the_last_key(stage):
    for key in KEYS:
        stage.s3.put_object(Bucket=stage.config.images_bucket, Key=key, Body=b"123")
    first = object_search.page({"prefix": "in/", "limit": "5"}, stage.s3, stage.config)
    rest = object_search.page({"prefix": "in/", "after": first["next"]}, stage.s3, stage.config)
    assert [one["key"] for one in first["objects"] + rest["objects"]] == KEYS[1:]
    assert rest["next"] is None
    assert first["objects"][0]["size"] == 3
    assert times.moment(first["objects"][0]["last_modified"])
    assert object_search.page({"prefix": "no/"}, stage.s3, stage.config)["objects"] == []
    assert len(object_search.page(None, stage.s3, stage.config)["objects"]) == len(KEYS)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"prefix": "a" * 1025}, "prefix"),
        ({"limit": "0"}, "limit"),
        ({"after": "é" * 513}, "after"),
        ({"key": "a"}, "key"),
    ],
)
def test_a_search_that_cannot_be_is_refused_by_its_field(query, field):
    with pytest.raises(BadRequest) as refused:
        object_search.page(query, None, None)
    assert refused.value.field == field
