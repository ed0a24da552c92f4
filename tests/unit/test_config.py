"""Settings: defaults that work, and one clear line for each bad value."""

import pytest

from chalicelib.config import Config
from chalicelib.errors import ConfigError
from tests.support.settings import GOOD, QUEUE


def test_five_names_are_enough():
    config = Config.from_env(GOOD)
    assert (config.capacity, config.action) == (1000, "resize")


def test_an_empty_setting_is_an_unset_one():
    assert Config.from_env({**GOOD, "CAPACITY": "", "ACTION": ""}) == Config.from_env(GOOD)


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("CAPACITY", "0", "CAPACITY is '0': expected a whole number from 1 to 1,000,000"),
        ("CAPACITY", "-5", "CAPACITY is '-5': expected a whole number"),
        ("CAPACITY", "1e3", "CAPACITY is '1e3': expected a whole number"),
        ("CAPACITY", "١٠", "CAPACITY is '١٠': expected a whole number"),
        (
            "ACTION",
            "rezise",
            "or resize or start_execution; make new-action NAME=rezise begins one",
        ),
        ("ACTION", "start_execution", "STATE_MACHINE_ARN is not set: expected a state machine's ARN"),
        ("IMAGES_BUCKET", "", "IMAGES_BUCKET is not set: expected a bucket's name"),
        ("STAGE", "", "STAGE is not set: expected the stage's name"),
        ("IMAGES_BUCKET", "s3://images", "IMAGES_BUCKET is 's3://images': expected a bucket's name"),
        ("SOURCE_QUEUE_URL", "source", "SOURCE_QUEUE_URL is 'source': expected a standard queue's URL"),
        ("SOURCE_QUEUE_URL", f"{QUEUE}source.fifo", "expected a standard queue's URL"),
        ("SOURCE_QUEUE_URL", f"{QUEUE}dead", "must be different queues"),
        ("THUMBNAIL_SIZES", "256,big", "THUMBNAIL_SIZES is '256,big': expected pixels from 1 to 8192"),
        ("THUMBNAIL_SIZES", "256,256", "THUMBNAIL_SIZES is '256,256': expected each size once"),
        ("THUMBNAIL_SIZES", ",".join(map(str, range(1, 52))), "expected at most 50 sizes, not 51"),
        ("SOURCE_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/١٢٣٤٥٦٧٨٩٠١٢/source", "a standard queue's"),
        ("THUMBNAILS_BUCKET", "images", "THUMBNAILS_BUCKET is IMAGES_BUCKET ('images')"),
        ("REPORTS_BUCKET", "images", "IMAGES_BUCKET is REPORTS_BUCKET ('images')"),
        ("MAX_TRIES", "0", "MAX_TRIES is '0'"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_that_names_it(name, value, line):
    with pytest.raises(ConfigError) as refused:
        Config.from_env({**GOOD, name: value})
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("images", "thumbnails", "fine"),
    [("in/", "out/", True), ("", "out/", False), ("in/", "", False), ("in/", "in/small/", False)],
)
def test_one_bucket_for_both_needs_prefixes_apart(images, thumbnails, fine):
    env = {**GOOD, "THUMBNAILS_BUCKET": "images", "IMAGES_PREFIX": images, "THUMBNAILS_PREFIX": thumbnails}
    if fine:
        config = Config.from_env(env)
        assert config.is_own_output("images", "out/a.jpg_256.jpg")
        assert not config.is_own_output("images", "in/a.jpg")
    else:
        with pytest.raises(ConfigError, match="every thumbnail would make another"):
            Config.from_env(env)
