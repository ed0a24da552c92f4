"""The engines' processes, each with the environment it is measured in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.thumbnails import fetch

ROOT = Path(__file__).parents[2]

# glibc's allocator as the function's environment sets it: large blocks come from the heap and stay there,
# instead of being mapped and zeroed anew for every picture.
ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "16777216",
}
# Everything on one core, so that CPU time is work and not waiting for each other.
_ONE_CORE = {"VIPS_CONCURRENCY": "1", "UV_THREADPOOL_SIZE": "1", "OMP_NUM_THREADS": "1"}

# Name: program, arguments, environment.
ENGINES: dict[str, tuple[str, list[str], dict[str, str]]] = {
    "ours": ("python", ["ours"], ALLOCATOR),
    "ours, default allocator": ("python", ["ours"], {}),
    "plain Pillow": ("python", ["pillow"], {}),
    "sharp": ("node", [], {}),
    "sharp, no shrink-on-load": ("node", ["slow"], {}),
    "pyvips": ("python", ["pyvips"], {}),
    "floor": ("python", ["floor"], ALLOCATOR),
}


class Worker:
    """One engine's process, kept from picture to picture as a function keeps its own."""

    def __init__(self, name: str) -> None:
        program, arguments, environment = ENGINES[name]
        here = Path(__file__).parent
        if program == "node":
            command = ["node", str(here / "worker.mjs"), str(fetch.sharp()), *arguments]
        else:
            command = [sys.executable, "-m", "benchmarks.thumbnails.worker", *arguments]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**clean, **_ONE_CORE, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def cpu(self, path: Path, sizes: list[int], form: str, repeat: int = 1, out: Path | None = None) -> float:
        """CPU seconds for one picture's thumbnails; they go to `out` and their number where given."""
        job: dict[str, Any] = {"path": str(path), "sizes": sizes, "format": form, "repeat": repeat}
        if out:
            job["out"] = str(out)
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return float(json.loads(self._process.stdout.readline())["cpu"])

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=30)
