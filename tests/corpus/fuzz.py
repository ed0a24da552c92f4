"""python -m tests.corpus.fuzz 200000: damaged files of every format, in processes of their own.

A mutant is a sound file with bytes changed, cut out, put in, repeated or made a large number. It has to be
refused in one line or made, within the memory an image may take, without a crash and in time. Prints the
counts and the largest peak that a file brought; writes what fails to .cache/fuzz. Needs Linux's /proc.
"""

from __future__ import annotations

import itertools
import random
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from chalicelib.config.thumbnails import FORMATS, ThumbnailSettings
from chalicelib.errors import Reject
from chalicelib.thumbnails.make import make
from tests.corpus import child
from tests.corpus.seeds import seeds

SETTINGS = ThumbnailSettings(sizes=(64, 16), formats=FORMATS, time_limit=10)
FAILED = Path(__file__).parents[2] / ".cache" / "fuzz"
# What is not refused may take the budget, and what Python and Pillow need beside it.
MOST = SETTINGS.memory_budget + 32_000_000
BATCH = 50  # files a process
_LARGE = tuple(
    number.to_bytes(size, order)
    for size in (2, 4)
    for number in (0, 1, 255, 1 << 12, 13000, 16383, 32768, 65535)
    for order in ("big", "little")
)


def mutant(data: bytes, chance: random.Random) -> bytes:
    """The file with one to four damages."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        place = chance.randrange(len(made) or 1)
        # Half of the damages hit the headers, where sizes are.
        place = place % 96 if chance.random() < 0.5 else place
        kind = chance.randrange(7)
        if kind == 0:
            made[place : place + 1] = bytes((chance.randrange(256),))
        elif kind == 1:
            made[place : place + 1] = (
                bytes((made[place] ^ 1 << chance.randrange(8),)) if made[place:] else b""
            )
        elif kind == 2:
            number = chance.choice(_LARGE)
            made[place : place + len(number)] = number
        elif kind == 3:
            made[place:place] = chance.randbytes(chance.randrange(1, 9))
        elif kind == 4:
            del made[place : place + chance.randrange(1, 9)]
        elif kind == 5:
            end = place + chance.randrange(1, 200)
            made[place:place] = made[place:end]
        else:
            del made[place + len(made) // 8 :]
    return bytes(made)


def mutants(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`count` of them, the formats in turn; the same ones for the same seed."""
    chance, sound = random.Random(seed), list(seeds())
    for number in range(count):
        name, data = sound[number % len(sound)]
        yield name, mutant(data, chance)


def _batches(found: Iterator[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    while batch := list(itertools.islice(found, BATCH)):
        yield batch


def _attempt(data: bytes) -> dict[str, Any]:
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM (proc(5))
    before = _resident("VmRSS")
    try:
        made = make(data, SETTINGS)
    except Reject as refused:
        found: dict[str, Any] = {"refused": refused.reason, "several lines": "\n" in refused.reason}
    else:
        found = {"made": [(each.width, each.height) for each in made]}
    return {**found, "taken": _resident("VmHWM") - before}


def _resident(field: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(lines[field].split()[0])


def _outcomes(files: Sequence[bytes]) -> list[tuple[str, dict[str, Any]]]:
    """(how the process ended, what came of it) for each file: all in one process, and where that does not
    end well each in its own."""
    ended, answer, _ = child.run(lambda: {"all": list(map(_attempt, files))}, child.PLENTY)
    if not ended:
        return [("", each) for each in answer["all"]]
    return [child.run(lambda data=data: _attempt(data), child.PLENTY)[:2] for data in files]  # type: ignore[misc]


def run(count: int, seed: int = 1) -> list[str]:
    """What failed, a line each; prints the rest."""
    warnings.simplefilter("ignore")
    counts: Counter[str] = Counter()
    failures, largest, done = [], 0, 0
    for _, data in seeds():  # loads what every child then has
        with suppress(Reject):
            make(data, SETTINGS)
    for batch in _batches(mutants(count, seed)):
        for (name, data), (ended, answer) in zip(batch, _outcomes([data for _, data in batch]), strict=True):
            taken = answer.get("taken", 0)
            largest = max(largest, taken)
            problem = ended or _problem(answer, taken)
            counts[problem or ("refused" if "refused" in answer else "made")] += 1
            if problem:
                FAILED.mkdir(parents=True, exist_ok=True)
                file = FAILED / f"{seed}-{done}.{name.replace(' ', '-').replace(':', '')}"
                file.write_bytes(data)
                failures.append(f"{file}: {problem}: {answer}")
            done += 1
        if done % 10_000 < BATCH:
            print(f"{done:,}: {dict(counts)}", flush=True)
    print(
        f"{count:,} mutants of {len(list(seeds()))} files: "
        + ", ".join(f"{n:,} {k}" for k, n in counts.items())
    )
    print(f"the most that one took {largest / 1e6:.0f} MB of {MOST / 1e6:.0f} MB")
    return failures


def _problem(answer: dict[str, Any], taken: int) -> str:
    if taken > MOST:
        return "over the memory"
    sizes = answer.get("made", [])
    wrong = any(not (1 <= w <= s and 1 <= h <= s) for (w, h), s in zip(sizes, (64, 16), strict=False))
    return "wrong size" if wrong else "a reason of several lines" if answer.get("several lines") else ""


def main() -> int:
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    failures = run(count, seed)
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
