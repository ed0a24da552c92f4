"""The questions: each a stage, some hours of it, and what its downstream saw. Times are simulated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from benchmarks.pace.before import NOW
from benchmarks.pace.stage import Contender, Stage
from chalicelib.config import override
from dev.simulation.boundary import Boundary
from dev.simulation.network import Faults
from dev.simulation.world import BEGIN

Figures = dict[str, float]
Measure = Callable[[Boundary, Contender, int], Figures]

MINUTE, HOUR = 60.0, 3600.0
# What a stage sees on a bad day: new processes, events delivered twice, a twentieth of all calls failing.
BAD_DAY = Faults(cold=0.02, invoked_twice=0.02, failing=0.05)


def worst_window(moments: Sequence[float], weights: Sequence[float], seconds: float) -> float:
    """The heaviest window of so many seconds; `moments` in order."""
    worst = total = 0.0
    first = 0
    for last, at in enumerate(moments):
        total += weights[last]
        while at - moments[first] >= seconds:
            total -= weights[first]
            first += 1
        worst = max(worst, total)
    return worst


def over_capacity(stage: Stage, moments: Sequence[float], seconds: float = MINUTE) -> float:
    """The worst window's events over what the capacity of their moments allows in it.

    SQS delays by whole seconds: what is due in an hour's last second may be there in the next hour's first.
    """
    ordered = sorted(moments)

    def capacity(at: float) -> int:
        known = stage.ssm.override
        return max(override.capacity_at(stage.config, known, one) for one in (at, at - 1))

    weights = [MINUTE / seconds / capacity(at) for at in ordered]
    return worst_window(ordered, weights, seconds)


def dues(stage: Stage) -> list[float]:
    return [one.due for one in stage.sent]


def even(boundary: Boundary, contender: Contender, seed: int) -> Figures:
    """Half an hour at full pace on a bad day; some seeds with shards, some with a change by the hour."""
    changes = contender is NOW and seed % 3 == 2  # the others know no hours
    by_hour = {"capacity_by_hour": "08:10-08:20=200, else=1000; UTC"} if changes else {}
    stage = Stage(
        boundary,
        contender,
        seed,
        1000,
        shards=4 if seed % 2 and contender is NOW else 1,
        faults=BAD_DAY,
        settings=by_hour,
    )
    stage.backlog(stage.bulk if contender is NOW else stage.source, 60_000)
    stage.arrive(stage.source, 300, 0, 30 * MINUTE)
    stage.wait(30 * MINUTE)
    return {"worst_60s_over_capacity": over_capacity(stage, dues(stage))}


def peak_second(boundary: Boundary, contender: Contender, seed: int) -> Figures:
    """The fullest second, over what the capacity is in one. Ten that are sent together appear together."""
    figures: Figures = {}
    for capacity in (1_000, 10_000):
        stage = Stage(boundary, contender, seed, capacity)
        stage.backlog(stage.source, 10 * capacity)
        stage.wait(8 * MINUTE)
        seconds = Counter(int(one) for one in dues(stage))
        figures[f"peak_second_over_mean_at_{capacity}"] = max(seconds.values()) / (capacity / MINUTE)
    return figures


def outage(boundary: Boundary, contender: Contender, seed: int) -> Figures:
    """The downstream is out for an hour, in the middle of arrivals of three fifths of the capacity.

    They end with it: what then waits are tries and what was sent back untried.
    """
    capacity, from_s, to_s = 1000, 0.5 * HOUR, 1.5 * HOUR
    stage = Stage(
        boundary,
        contender,
        seed,
        capacity,
        faults=Faults(cold=0.001),
        downstream=lambda at, _: not from_s <= at < to_s,
    )
    stage.arrive(stage.source, 0.6 * capacity, 0, to_s)
    stage.wait(to_s + 7 * HOUR)
    within = [one for one in stage.calls if from_s <= one.at - BEGIN < to_s]
    worked = Counter(int((one.at - BEGIN - to_s) // MINUTE) for one in stage.calls if one.ok)
    full = next((minute for minute in range(7 * 60) if worked[minute] >= 0.9 * capacity), 7 * 60)
    return {
        "worst_60s_over_capacity_with_outage": over_capacity(stage, dues(stage)),
        "worst_60s_of_calls_with_outage": over_capacity(stage, [one.at for one in stage.calls]),
        "letters_after_1h_outage": sum(event.letters > 0 for event in stage.census.events),
        "calls_in_outage_over_capacity": len(within) / (capacity * (to_s - from_s) / MINUTE),
        "minutes_to_full_rate": full,
        "waiting_7h_after_outage": sum(not (one.done or one.letters) for one in stage.census.events),
    }


def stall(boundary: Boundary, contender: Contender, seed: int) -> Figures:
    """The consumer does not run for ten minutes; what the downstream then gets in a minute."""
    stage = Stage(boundary, contender, seed, 1000)
    stage.backlog(stage.source, 40_000)
    stage.wait(10 * MINUTE)
    stage.poller.stop()
    stage.wait(20 * MINUTE)
    stage.poller.go_on()
    stage.wait(30 * MINUTE)
    return {"worst_60s_after_10min_stall": over_capacity(stage, [one.at for one in stage.calls])}


def lone_upload(boundary: Boundary, contender: Contender, seed: int) -> Figures:
    """One upload, half a minute after others began to upload a hundred thousand within a minute."""
    figures: Figures = {}
    for name, folders, each in (("100k_of_another", 1, 100_000), ("50_tenants", 50, 2_000)):
        stage = Stage(boundary, contender, seed, 1000)
        stage.burst([f"tenant-{number}" for number in range(folders)], each, at_s=65.0, over_s=MINUTE)
        stage.wait(95.0)
        figures[f"lone_upload_behind_{name}_ticks"] = ticks_until_forwarded(
            stage, stage.upload("lone").number
        )
    return figures


def live_behind_bulk(boundary: Boundary, contender: Contender, seed: int) -> Figures:
    """One upload behind a million that were backfilled."""
    stage = Stage(boundary, contender, seed, 1000)
    stage.backlog(stage.bulk if stage.config.bulk_queue_url else stage.source, 1_000_000)
    stage.wait(5 * MINUTE + 20)
    return {"live_behind_1m_bulk_ticks": ticks_until_forwarded(stage, stage.upload("lone").number)}


def ticks_until_forwarded(stage: Stage, number: int, most: int = 120) -> float:
    """Ticks that begin after it was uploaded, until it is forwarded; `most` if none of these does."""
    at = stage.census.events[number].at
    for minute in range(1, most + 1):
        stage.wait((at - BEGIN) // MINUTE * MINUTE + (minute + 1) * MINUTE)
        if any(one.event == number for one in stage.sent):
            return minute
    return most


def sick_sandbox(boundary: Boundary, contender: Contender, seed: int) -> Figures:
    """One of five processes of the consumer reaches the downstream no more; what the others still do."""
    worked = []
    for sick in (False, True):
        numbers: list[int] = []

        def works(at: float, sandbox: int, sick: bool = sick, numbers: list[int] = numbers) -> bool:
            if sandbox not in numbers:
                numbers.append(sandbox)
            return not (sick and sandbox == numbers[0])

        # As slow as five are busy with: 4 threads each, 300 a minute.
        stage = Stage(boundary, contender, seed, 300, pollers=5, call_s=3.0, downstream=works)
        stage.backlog(stage.source, 40_000)
        stage.wait(70 * MINUTE)
        worked.append(sum(one.ok for one in stage.calls if one.at - BEGIN >= 10 * MINUTE))
    return {"healthy_share_with_one_sick_sandbox_of_5": worked[1] / worked[0]}


def calls_of_aws(boundary: Boundary, contender: Contender, seed: int) -> Figures:
    """The drain's calls an event of a full tick, and of one that finds nothing."""
    stage = Stage(boundary, contender, seed, 10_000)
    stage.backlog(stage.source, 60_000)
    stage.wait(4 * MINUTE)
    before, sent = stage.asked["drain"], len(stage.sent)
    stage.wait(5 * MINUTE)
    each = (stage.asked["drain"] - before) / (len(stage.sent) - sent)
    stage = Stage(boundary, contender, seed, 10_000)
    stage.upload("lone")
    stage.wait(3 * MINUTE)
    before = stage.asked["drain"]
    for schedule in stage.schedules.values():
        schedule.expect(stage.loop.now)
    stage.wait(5 * MINUTE)
    return {"calls_per_event": each, "idle_calls": stage.asked["drain"] - before}


BEST_IS_MOST = {"healthy_share_with_one_sick_sandbox_of_5"}
# Each with how many seeds it is asked.
MEASURES: tuple[tuple[Measure, int], ...] = (
    (even, 6),
    (peak_second, 2),
    (outage, 2),
    (stall, 2),
    (lone_upload, 1),
    (live_behind_bulk, 2),
    (sick_sandbox, 1),
    (calls_of_aws, 1),
)
