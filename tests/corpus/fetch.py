"""The images in two source distributions, unpacked under .cache/corpus."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache" / "corpus"
# Package, version, and where its pictures are. Not what is deployed: a corpus is to stay the same.
SOURCES = (("pillow", "12.2.0", "Tests/images"), ("thumbor", "7.8.0", "tests/fixtures/images"))


def files() -> list[Path]:
    """Every file of the corpus, in order."""
    return [path for source in SOURCES for path in sorted(_folder(*source).rglob("*")) if path.is_file()]


def _folder(name: str, version: str, images: str) -> Path:
    unpacked = CACHE / f"{name}-{version}"
    if not unpacked.exists():
        print(f"Fetching {name} {version} (once) ...", flush=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        options = ["--no-deps", "--no-binary", ":all:", "--dest", str(CACHE), f"{name}=={version}"]
        subprocess.run(command + options, check=True)
        with tarfile.open(CACHE / f"{name}-{version}.tar.gz") as archive:
            archive.extractall(CACHE, filter="data")
    return unpacked / images
