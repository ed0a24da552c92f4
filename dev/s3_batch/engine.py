"""A job's life: prepare the manifest, wait for confirmation, run the tasks, write the report.

Statuses: https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-job-status.html
"""

from __future__ import annotations

import csv
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev.s3_batch import manifests
from dev.s3_batch.manifests import BadManifest, Task
from dev.s3_batch.operations import Perform
from dev.s3_batch.reports import Outcome, Report

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TERMINAL = frozenset({"Complete", "Cancelled", "Failed"})

# Which status may follow which. Pausing and Paused come from priorities alone, never from a request.
NEXT: dict[str, frozenset[str]] = {
    "New": frozenset({"Preparing", "Cancelling", "Failing"}),
    "Preparing": frozenset({"Suspended", "Ready", "Cancelling", "Failing"}),
    "Suspended": frozenset({"Ready", "Cancelling", "Failing"}),
    "Ready": frozenset({"Active", "Cancelling", "Failing"}),
    "Active": frozenset({"Completing", "Pausing", "Cancelling", "Failing"}),
    "Pausing": frozenset({"Paused", "Completing", "Cancelling", "Failing"}),
    "Paused": frozenset({"Active", "Cancelling", "Failing"}),
    "Completing": frozenset({"Complete", "Failing"}),
    "Cancelling": frozenset({"Cancelled", "Failing"}),
    "Failing": frozenset({"Failed"}),
}

# Once 1,000 tasks have been tried, a job of which more than half have failed is stopped:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-job-status.html
THRESHOLD_TASKS = 1000
THRESHOLD_RATE = 0.5

NOT_RUN = Outcome(False, 0)


class WrongStatus(Exception):
    """The job cannot go from the status it has to the one asked for."""


class Job:
    """One job: what DescribeJob shows, and where its files are."""

    def __init__(self, shown: dict[str, Any], folder: Path) -> None:
        self.shown = shown
        self.folder = folder
        self.tags: list[dict[str, str]] = []

    @property
    def id(self) -> str:
        return str(self.shown["JobId"])

    @property
    def status(self) -> str:
        return str(self.shown["Status"])

    @property
    def progress(self) -> dict[str, int]:
        progress: dict[str, int] = self.shown["ProgressSummary"]
        return progress

    @property
    def started(self) -> bool:
        """Whether a task was run."""
        return self.progress["NumberOfTasksSucceeded"] + self.progress["NumberOfTasksFailed"] > 0


class Engine:
    """Runs jobs on a bounded pool of workers, the highest priority first.

    `attempts` is how often a task that ends in TemporaryFailure is tried in all; AWS gives no number
    (docs/s3-batch-operations.md#uncertain-retries). `active_jobs` run side by side; a job of a higher
    priority makes the lowest pause (docs/s3-batch-operations.md#uncertain-priorities).
    """

    def __init__(
        self,
        s3: S3Client,
        perform: Perform,
        *,
        s3_as: Callable[[str], S3Client] | None = None,
        workers: int = 8,
        active_jobs: int = 2,
        attempts: int = 3,
    ) -> None:
        """`s3_as` gives a client with the rights of a role; without it, `s3` does all."""
        self._s3 = s3
        self._s3_as = s3_as or (lambda role: s3)
        self._perform = perform
        self._window = 4 * workers  # tasks handed out and not yet reported, for each job
        self._active_jobs = active_jobs
        self._attempts = attempts
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="task")
        self._files = tempfile.TemporaryDirectory(prefix="s3-batch-")
        self._jobs: list[Job] = []
        self._closed = False
        self.changed = threading.Condition()

    def start(self, shown: dict[str, Any]) -> Job:
        """Take on a job in status New, given as DescribeJob shows it."""
        folder = Path(self._files.name, shown["JobId"])
        folder.mkdir()
        job = Job(shown, folder)
        with self.changed:
            self._jobs.append(job)
        threading.Thread(target=self._live, args=(job,), name=f"job-{job.id}", daemon=True).start()
        return job

    def close(self) -> None:
        """Stop handing out tasks and remove every file."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()
        self._pool.shutdown(cancel_futures=True)
        self._files.cleanup()

    def move(self, job: Job, to: str, reason: str = "") -> None:
        """Change a job's status. Raises WrongStatus where the graph has no such edge."""
        with self.changed:
            if to not in NEXT.get(job.status, frozenset()):
                raise WrongStatus(f"The job's status is {job.status}: it cannot become {to}")
            job.shown["Status"] = to
            if reason:
                job.shown["StatusUpdateReason"] = reason
            if to == "Suspended":
                job.shown["SuspendedDate"] = datetime.now(UTC)
                job.shown["SuspendedCause"] = "AwaitingConfirmation"
            if to in TERMINAL:
                job.shown["TerminationDate"] = datetime.now(UTC)
            self.schedule()

    def schedule(self) -> None:
        """Let the jobs of the highest priority run, the oldest first among equals."""
        with self.changed:
            candidates = [job for job in self._jobs if job.status in ("Ready", "Active", "Paused")]
            candidates.sort(key=lambda job: -job.shown["Priority"])
            for place, job in enumerate(candidates):
                if place < self._active_jobs:
                    job.shown["Status"] = "Active"
                elif job.status == "Active":
                    job.shown["Status"] = "Pausing"
            self.changed.notify_all()

    def _live(self, job: Job) -> None:
        try:
            self._prepare_and_run(job)
        except WrongStatus:
            self._end_cancelled(job)  # somebody cancelled between two steps
        except Exception as e:  # noqa: BLE001 - whatever went wrong, the job must end and say so
            self._fail(job, "InternalError", repr(e))
        finally:
            manifests.forget(job.folder)

    def _prepare_and_run(self, job: Job) -> None:
        manifest = job.folder / "tasks.csv"
        self.move(job, "Preparing")
        try:
            # S3 lists a bucket by itself, and reads a manifest that is given as the job's role.
            s3 = self._s3 if job.shown.get("ManifestGenerator") else self._s3_as(job.shown["RoleArn"])
            total = manifests.copy(s3, job.shown, manifest)
        except BadManifest as e:
            self._fail(job, e.code, str(e))
            return
        job.progress["TotalNumberOfTasks"] = total
        self.move(job, "Suspended" if job.shown["ConfirmationRequired"] else "Ready")
        if not self._may_go_on(job):
            self._end_cancelled(job)
            return
        report = Report(job.folder)
        try:
            self._run(job, manifest, report)
            with self.changed:
                if job.status in ("Active", "Pausing"):
                    self.move(job, "Completing")
            if job.shown["Report"].get("Enabled") and job.started:
                report.upload(self._s3_as(job.shown["RoleArn"]), job.id, job.shown["Report"])
        finally:
            report.close()
        self.move(job, {"Completing": "Complete", "Cancelling": "Cancelled", "Failing": "Failed"}[job.status])

    def _run(self, job: Job, manifest: Path, report: Report) -> None:
        """Every task, and those that failed for a time once more, until none is left or no try is."""
        todo: Iterator[tuple[Task, Outcome]] = ((task, NOT_RUN) for task in manifests.tasks(manifest))
        for attempt in range(1, self._attempts + 1):
            again = job.folder / f"again-{attempt}.csv"
            with again.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                for task, outcome in self._outcomes(job, todo):
                    if outcome.temporary and attempt < self._attempts:
                        writer.writerow((*task, outcome.http_status, outcome.error_code, outcome.message))
                    else:
                        self._report(job, report, task, outcome)
            if job.status in ("Cancelling", "Failing"):
                # What waits for another try has run: the report must tell of it.
                for task, outcome in chain(_failures(again), todo if attempt > 1 else ()):
                    self._report(job, report, task, outcome)
                return
            todo = _failures(again)

    def _outcomes(self, job: Job, todo: Iterator[tuple[Task, Outcome]]) -> Iterator[tuple[Task, Outcome]]:
        """Tasks with their new outcomes. At most a window of them is in memory.

        Where the job ends early, what has not begun stays in `todo`.
        """
        window: deque[tuple[Task, Future[Outcome]]] = deque()
        while self._may_go_on(job):
            task, _ = next(todo, (None, NOT_RUN))
            if task is None:
                break
            window.append((task, self._pool.submit(self._perform, job.shown, task)))
            if len(window) >= self._window:
                first, future = window.popleft()
                yield first, future.result()
        for task, future in window:
            yield task, future.result()

    def _may_go_on(self, job: Job) -> bool:
        """Whether the next task may start; waits while the job is suspended, ready or paused."""
        with self.changed:
            while not self._closed:
                if job.status == "Active":
                    return True
                if job.status == "Pausing":
                    self.move(job, "Paused")
                elif job.status in ("Suspended", "Ready", "Paused"):
                    self.changed.wait()
                else:
                    return False
        raise RuntimeError("the server is closing")

    def _report(self, job: Job, report: Report, task: Task, outcome: Outcome) -> None:
        report.add(task, outcome)
        with self.changed:
            job.progress["NumberOfTasksSucceeded" if outcome.succeeded else "NumberOfTasksFailed"] += 1
            failed = job.progress["NumberOfTasksFailed"]
            done = failed + job.progress["NumberOfTasksSucceeded"]
            if job.status == "Active" and done >= THRESHOLD_TASKS and failed > done * THRESHOLD_RATE:
                # The words and the code are ours: docs/s3-batch-operations.md#uncertain-codes
                _add_reason(job, "FailureThresholdExceeded", f"{failed} of the first {done} tasks failed")
                self.move(job, "Failing")

    def _fail(self, job: Job, code: str, reason: str) -> None:
        with self.changed:
            if job.status in TERMINAL or self._closed:
                return
            _add_reason(job, code, reason)
            if job.status != "Failing":
                self.move(job, "Failing")
            self.move(job, "Failed")

    def _end_cancelled(self, job: Job) -> None:
        with self.changed:
            if job.status == "Cancelling":
                self.move(job, "Cancelled")


def _add_reason(job: Job, code: str, reason: str) -> None:
    job.shown["FailureReasons"] = [{"FailureCode": code, "FailureReason": reason[:256]}]


def _failures(path: Path) -> Iterator[tuple[Task, Outcome]]:
    with path.open(newline="", encoding="utf-8") as file:
        for bucket, key, version_id, http_status, code, message in csv.reader(file):
            yield Task(bucket, key, version_id or None), Outcome(False, int(http_status), code, message)
