"""The last line of defence: whatever a file says and a parser of ours believes, memory ends.

An AV1 or HEVC stream may hold a far larger picture than its container says; only its decoder finds out. So
while images are opened and decoded the process may grow by what they may take together, and an allocation
beyond that fails: the decoder says so, and only its image is lost. Lambda would kill the whole function.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from chalicelib.config.thumbnails import MB, ThumbnailSettings

_PAGES = Path("/proc/self/statm")  # proc(5): in pages, resident is the second number, data the sixth
_IS_THERE = _PAGES.exists()
# What threads, the interpreter and requests may want meanwhile; and what the kernel keeps besides the pages.
_BESIDE, _MARGIN = 64 * MB, 16 * MB
_lock = Lock()
_inside = 0  # images being opened or decoded
_before = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@contextmanager
def limited(settings: ThumbnailSettings) -> Iterator[None]:
    """For the time of the block. Of blocks that overlap the first one decides: the budget is for all.

    No limit without Linux's /proc. It counts what may be written, resident or not (getrlimit(2)).
    """
    global _inside, _before
    with _lock:
        if not _inside and _IS_THERE:
            _before = resource.getrlimit(resource.RLIMIT_DATA)
            most = _most(settings)
            limits = [limit for limit in (most, *_before) if limit != resource.RLIM_INFINITY]
            resource.setrlimit(resource.RLIMIT_DATA, (min(limits), _before[1]))
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and _IS_THERE:
                resource.setrlimit(resource.RLIMIT_DATA, _before)


def _most(settings: ThumbnailSettings) -> int:
    pages = _PAGES.read_bytes().split()
    resident, data = (int(pages[place]) * resource.getpagesize() for place in (1, 5))
    growth = settings.memory_budget + settings.waiting_budget + _BESIDE
    if settings.process_limit:
        growth = min(growth, max(settings.process_limit - resident - _MARGIN, 0))
    return data + growth
