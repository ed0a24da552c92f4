"""python -m chalicelib.thumbnails photo.jpg ... --sizes 256,1024 --out DIR

Makes thumbnails of local files, to try the THUMBNAIL_* settings of the environment without AWS. Prints one
line a thumbnail: file, pixels, format, bytes; and one a file: milliseconds, and the most memory the process
has held. Exits 0; 2 for a bad setting; 3 when a file was rejected or cannot be read.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
import warnings
from pathlib import Path

from chalicelib.config.thumbnails import MB, ThumbnailSettings
from chalicelib.errors import ConfigError, Reject
from chalicelib.thumbnails.make import make

_BAD_SETTING, _REJECTED = 2, 3


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m chalicelib.thumbnails",
        description="Make thumbnails of local files with the THUMBNAIL_* settings of the environment.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--sizes", help="instead of THUMBNAIL_SIZES, such as 256,1024")
    parser.add_argument("--out", type=Path, default=Path("thumbnails-out"), help="default: %(default)s")
    parser.add_argument("--memory", help="try a function of this many MB (default 512)")
    asked = parser.parse_args(arguments)
    env = dict(os.environ)
    for name, value in (("THUMBNAIL_SIZES", asked.sizes), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", asked.memory)):
        if value is not None:
            env[name] = value
    try:
        settings = ThumbnailSettings.from_env(env)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return _BAD_SETTING
    warnings.simplefilter("ignore")  # Pillow's, about files it reads all the same
    asked.out.mkdir(parents=True, exist_ok=True)
    made = [_one(file, asked.out, settings) for file in asked.files]
    return 0 if all(made) else _REJECTED


def _one(file: Path, out: Path, settings: ThumbnailSettings) -> bool:
    started = time.perf_counter()
    try:
        thumbnails = make(file.read_bytes(), settings)
    except (Reject, OSError) as error:
        print(f"{file}: rejected: {error}", file=sys.stderr)
        return False
    milliseconds = 1000 * (time.perf_counter() - started)
    for each in thumbnails:
        path = out / f"{file.name}_{each.name}.{each.extension}"
        path.write_bytes(each.data)
        print(f"{path}: {each.width} x {each.height} {each.format}, {len(each.data):,} bytes")
    print(f"{file}: {milliseconds:.1f} ms, peak memory {_peak_bytes() / MB:.0f} MB")
    return True


def _peak_bytes() -> int:
    """The most this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    raise SystemExit(main())
