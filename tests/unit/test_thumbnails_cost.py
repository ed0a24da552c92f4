"""The estimate from the header holds against what the process really takes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from chalicelib.thumbnails.imaging.cost import stored_bytes
from dev.pictures import encoded, scene

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CHILD = """
import re, sys
from pathlib import Path
from chalicelib.config.thumbnails import ThumbnailSettings
from chalicelib.thumbnails.make import estimate, make

def resident(field):
    return int(re.search(field + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

large, small = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]).read_bytes()
formats = "jpeg,png,gif,webp,avif,tiff,bmp,heic"
env = {"THUMBNAIL_SIZES": sys.argv[3], "THUMBNAIL_OUTPUT": sys.argv[4], "THUMBNAIL_FORMATS": formats}
settings = ThumbnailSettings.from_env(env)
make(small, settings)  # plugins and tables
make(small, ThumbnailSettings.from_env({**env, "THUMBNAIL_SIZES": "48,16"}))  # and what reduces
before = resident("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM (proc(5))
make(large, settings)
print(resident("VmHWM") - before, estimate(large, settings) - len(large))
"""

CASES = {
    "baseline": ("jpeg", "RGB", {}),
    "progressive": ("jpeg", "RGB", {"progressive": True, "subsampling": 0}),
    "cmyk": ("jpeg", "CMYK", {"progressive": True}),
    "baseline, hardly reduced": ("jpeg", "RGB", {"quality": 98, "subsampling": 0}),
    "opaque png in strips": ("png", "RGB", {"compress_level": 1}),
    "png in strips": ("png", "RGBA", {"compress_level": 1}),
    "png whole": ("png", "I;16", {"compress_level": 1}),
    "palette": ("gif", "P", {}),
    "webp by Pillow": ("webp", "RGBA", {"method": 0}),
    "webp, in planes or reduced by the output": ("webp", "RGB", {"method": 0}),
    "webp, lossless": ("webp", "RGB", {"method": 0, "lossless": True}),
    "avif": ("avif", "RGB", {"speed": 10}),
    "tiff": ("tiff", "RGBA", {"compression": "tiff_lzw"}),
    "tiff of one strip": ("tiff", "RGB", {"compression": "tiff_adobe_deflate", "strip_size": 1 << 30}),
    "bmp": ("bmp", "RGB", {}),
    "heic": ("heif", "RGB", {"quality": 30}),
    "jpeg without its end": ("jpeg", "RGB", {"quality": 50}),
}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measured with Linux's proc(5)")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("sizes", "output"), [("128", "auto"), ("1024,1500", "auto"), ("128,1024", "avif")])
def test_a_picture_takes_no_more_than_estimated(tmp_path, name, sizes, output):
    form, mode, options = CASES[name]
    size = (3000, 2000) if form != "heif" else (1200, 800)  # its encoder takes its time
    if form == "heif":
        pytest.importorskip("pillow_heif").register_heif_opener()
    for file, picture in (("large", scene(600, 400).resize(size)), ("small", scene(64, 64))):
        picture = Image.new("I;16", picture.size, 999) if mode == "I;16" else picture.convert(mode)
        data = encoded(picture, form, **options)
        (tmp_path / file).write_bytes(data[:-2] if "without its end" in name else data)
    command = [sys.executable, "-c", CHILD, str(tmp_path / "large"), str(tmp_path / "small"), sizes, output]
    said = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=True)
    taken, estimated = map(int, re.findall(r"-?\d+", said.stdout))
    assert taken <= estimated
    assert estimated <= 10 * taken + 40_000_000, "an estimate far too high refuses what would fit"


@pytest.mark.parametrize(("mode", "size"), [("1", 1), ("L", 1), ("P", 1), ("I;16", 2), ("RGB", 4), ("F", 4)])
def test_a_pixel_takes_what_pillow_stores(mode, size):
    assert stored_bytes(mode) == size
