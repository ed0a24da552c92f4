"""python -m tests.corpus.fuzz 200000: damaged files of every format, each in a process of its own.

A mutant is a sound file with bytes changed, cut out, put in, repeated or made a large number. It has to be
refused in one line or made, within the memory an image may take, without a crash and in time. Prints the
counts, the reasons and the largest peak over what a process has before; writes what fails to .cache/fuzz.
"""

from __future__ import annotations

import random
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from chalicelib.config.thumbnails import FORMATS, ThumbnailSettings
from chalicelib.errors import Reject
from chalicelib.thumbnails.make import make
from tests.corpus import child
from tests.corpus.seeds import seeds

SETTINGS = ThumbnailSettings(sizes=(64, 16), formats=FORMATS, time_limit=10)
FAILED = Path(__file__).parents[2] / ".cache" / "fuzz"
# What is not refused may take the budget, and what Python and Pillow need beside it.
MOST = SETTINGS.memory_budget + 32_000_000
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


def _attempt(data: bytes) -> dict[str, object]:
    try:
        made = make(data, SETTINGS)
    except Reject as refused:
        return {"refused": refused.reason, "several lines": "\n" in refused.reason}
    return {"made": [(each.width, each.height) for each in made]}


def run(count: int, seed: int = 1) -> list[str]:
    """What failed, a line each; prints the rest."""
    warnings.simplefilter("ignore")
    outcomes: Counter[str] = Counter()
    failures, largest = [], 0
    baseline = child.run(lambda: make(next(seeds())[1], SETTINGS) and {}, child.PLENTY)[2]
    for number, (name, data) in enumerate(mutants(count, seed)):
        ended, answer, peak = child.run(lambda data=data: _attempt(data), child.PLENTY)  # type: ignore[misc]
        largest = max(largest, peak - baseline)
        problem = ended or _problem(answer, peak - baseline)
        outcomes[problem or ("refused" if "refused" in answer else "made")] += 1
        if problem:
            FAILED.mkdir(parents=True, exist_ok=True)
            file = FAILED / f"{seed}-{number}.{name.replace(' ', '-').replace(':', '')}"
            file.write_bytes(data)
            failures.append(f"{file}: {problem}: {answer}, {(peak - baseline) / 1e6:.0f} MB")
        if number % 10_000 == 9_999:
            print(f"{number + 1:,}: {dict(outcomes)}", flush=True)
    print(
        f"{count:,} mutants of {len(list(seeds()))} files: "
        + ", ".join(f"{n:,} {k}" for k, n in outcomes.items())
    )
    print(f"largest peak over the baseline {largest / 1e6:.0f} MB of {MOST / 1e6:.0f} MB")
    return failures


def _problem(answer: dict[str, object], taken: int) -> str:
    if taken > MOST:
        return "over the memory"
    sizes = answer.get("made", [])
    wrong = any(not (1 <= w <= s and 1 <= h <= s) for (w, h), s in zip(sizes, (64, 16), strict=False))  # type: ignore[call-overload]
    return "wrong size" if wrong else "a reason of several lines" if answer.get("several lines") else ""


def main() -> int:
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    failures = run(count, seed)
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
