"""Settings of the thumbnails: read once, refused by name."""

import pytest

from chalicelib.config.thumbnails import Size, ThumbnailSettings, budget_of
from chalicelib.errors import ConfigError


def test_nothing_set_is_the_default():
    assert ThumbnailSettings.from_env({}) == ThumbnailSettings()


def test_every_setting_is_read():
    settings = ThumbnailSettings.from_env(
        {
            "THUMBNAIL_SIZES": "64, 2048",
            "THUMBNAIL_FIT": "cover",
            "THUMBNAIL_OUTPUT": "webp",
            "THUMBNAIL_QUALITY": "jpeg=70,avif=50",
            "THUMBNAIL_BACKGROUND": "#102aFF",
            "THUMBNAIL_ICC": "keep",
            "THUMBNAIL_ANIMATION": "first",
            "THUMBNAIL_LINEAR": "true",
            "THUMBNAIL_FORMATS": "jpeg,png",
            "THUMBNAIL_ACCEPT_TRUNCATED": "true",
            "THUMBNAIL_TIME_LIMIT": "5",
            "THUMBNAIL_CACHE_CONTROL": "no-store",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        }
    )
    assert settings == ThumbnailSettings(
        sizes=(64, 2048),
        fit="cover",
        output="webp",
        jpeg_quality=70,
        webp_quality=80,
        avif_quality=50,
        background=(16, 42, 255),
        icc="keep",
        animation="first",
        linear=True,
        formats=("jpeg", "png"),
        accept_truncated=True,
        time_limit=5,
        cache_control="no-store",
        memory_budget=budget_of(1024),
        process_limit=1024 * 1024 * 1024,
    )


def test_sizes_have_names_boxes_and_fits_of_their_own():
    settings = ThumbnailSettings.from_env(
        {"THUMBNAIL_SIZES": "card=320x240 inside, full=1600,96,64x48", "THUMBNAIL_FIT": "cover"}
    )
    assert settings.named_sizes == (
        Size("card", 320, 240, "inside"),
        Size("full", 1600, 1600, "cover"),
        Size("96", 96, 96, "cover"),
        Size("64x48", 64, 48, "cover"),
    )


def test_heic_is_taken_only_where_it_is_named():
    assert "heic" not in ThumbnailSettings().formats
    assert "bmp" in ThumbnailSettings().formats
    assert ThumbnailSettings.from_env({"THUMBNAIL_FORMATS": "jpeg,heic"}).formats == ("jpeg", "heic")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("THUMBNAIL_SIZES", "256,"),
        ("THUMBNAIL_SIZES", "0"),
        ("THUMBNAIL_SIZES", "8193"),
        ("THUMBNAIL_SIZES", "256,256"),
        ("THUMBNAIL_SIZES", "256x"),
        ("THUMBNAIL_SIZES", "card=0x240"),
        ("THUMBNAIL_SIZES", "card=320x8193"),
        ("THUMBNAIL_SIZES", "Card=320"),
        ("THUMBNAIL_SIZES", "card=320,card=640"),
        ("THUMBNAIL_SIZES", "card=320 stretch"),
        ("THUMBNAIL_CACHE_CONTROL", "no\ncache"),
        ("THUMBNAIL_FIT", "stretch"),
        ("THUMBNAIL_OUTPUT", "gif"),
        ("THUMBNAIL_QUALITY", "80"),
        ("THUMBNAIL_QUALITY", "jpeg=0"),
        ("THUMBNAIL_QUALITY", "jpeg=101"),
        ("THUMBNAIL_QUALITY", "png=80"),
        ("THUMBNAIL_BACKGROUND", "white"),
        ("THUMBNAIL_ICC", "drop"),
        ("THUMBNAIL_ANIMATION", "yes"),
        ("THUMBNAIL_LINEAR", "1"),
        ("THUMBNAIL_FORMATS", "jpeg,dds"),
        ("THUMBNAIL_ACCEPT_TRUNCATED", "maybe"),
        ("THUMBNAIL_TIME_LIMIT", "0"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "64"),
    ],
)
def test_a_bad_setting_is_refused_in_one_line_with_its_name_and_value(name, value):
    with pytest.raises(ConfigError) as refused:
        ThumbnailSettings.from_env({name: value})
    message = str(refused.value)
    assert message.startswith(f"{name} is {value!r}: expected ")
    assert "\n" not in message


def test_the_budget_leaves_the_runtime_its_memory_in_a_function_of_any_size():
    images = 512 * 1024 * 1024 - 128_000_000
    assert budget_of(512) == images - images // 4
    settings = ThumbnailSettings.from_env({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512"})
    assert settings.memory_budget + settings.waiting_budget == images
    assert 0 < budget_of(128) <= 128 * 1024 * 1024 // 4
    assert all(budget_of(size) < budget_of(size + 64) for size in range(128, 4096, 64))
