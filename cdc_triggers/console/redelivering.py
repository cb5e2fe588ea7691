"""Redeliveries that run beside the pages: slowly, seen by all, and safe when this process ends.

Each has a thread, a connection and a line of the audit. The line says how far it is; a lock that
its session holds says that it runs. When the process ends the lock is gone, and the line tells how
many were put back: the others are dead as before.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from cdc_triggers.app import redelivery
from cdc_triggers.app.redelivery import DeadRedelivery, Pace
from cdc_triggers.console.answers import ApiError
from cdc_triggers.errors import CdcTriggersError

if TYPE_CHECKING:
    from cdc_triggers.core.dead import DeadWanted
    from cdc_triggers.core.views import AuditIntent
    from cdc_triggers.postgres.dead_letters import DeadLetters
    from cdc_triggers.wiring.serving import Backend

ACTION: Final = "dead.redelivery"
AT_ONCE: Final = 4
"""Redeliveries of one process: each holds a connection."""

_NOTED_S: Final = 1.0
_ENDS_S: Final = 5.0


@dataclass
class _Job:
    """One that runs. `by` says how it was stopped."""

    wanted: DeadWanted
    total: int
    rate: float | None
    number: int
    stop: threading.Event = field(default_factory=threading.Event)
    by: str = ""


class Redeliveries:
    """Those of this process."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._jobs: dict[int, tuple[_Job, threading.Thread]] = {}

    def begin(self, intent: AuditIntent, wanted: DeadWanted, total: int, rate: float | None) -> int:
        """Begin one; returns its number in the audit.

        Raises:
            ApiError: the trigger has one already, or too many run.
        """
        with self._lock:
            running = [job for job, _ in self._jobs.values()]
            if any(job.wanted.trigger == wanted.trigger for job in running):
                raise _conflict(f"a redelivery of {wanted.trigger} runs already: wait, or stop it")
            if len(running) >= AT_ONCE:
                raise _conflict(f"{AT_ONCE} redeliveries run already: wait for one, or stop one")
            with self._backend.audit() as audit:
                number = audit.begin(intent)
            job = _Job(wanted, total, rate, number)
            thread = threading.Thread(
                target=self._work, args=(job,), name="redelivery", daemon=True
            )
            self._jobs[number] = job, thread
            thread.start()
        return number

    def stop(self, number: int) -> bool:
        """Stop one after its step; False: it does not run here."""
        with self._lock:
            found = self._jobs.get(number)
        if found is None:
            return False
        found[0].by = "stopped by hand"
        found[0].stop.set()
        found[1].join(_ENDS_S)
        return True

    def here(self) -> frozenset[int]:
        """The numbers of those that run in this process."""
        with self._lock:
            return frozenset(self._jobs)

    def close(self) -> None:
        """Stop all; what they have not put back stays dead. Idempotent."""
        with self._lock:
            found = list(self._jobs.values())
        for job, _ in found:
            job.by = job.by or "stopped with its process"
            job.stop.set()
        for _, thread in found:
            thread.join(_ENDS_S)

    def _work(self, job: _Job) -> None:
        work = None
        result, text = "failed", "unexpected: see the log"
        try:
            with self._backend.dead_letters(changing=True) as letters:
                letters.hold(job.number)
                work = DeadRedelivery(letters, job.wanted)
                noting = _Noting(letters, job, work)
                whole = redelivery.run(work, Pace(job.rate), time.monotonic, noting.wait)
            result, text = ("done", "") if whole else ("failed", f"{job.by}: the others stay dead")
        except CdcTriggersError as error:
            text = f"{error.message}: the others stay dead"
        finally:
            with self._lock:
                del self._jobs[job.number]
            self._end(job, result, told(work.done if work else 0, job.total, text))

    def _end(self, job: _Job, result: str, text: str) -> None:
        """Note the end. Where the database is gone the line stays: it says how far this came."""
        try:
            with self._backend.audit() as audit:
                audit.end(job.number, result, text)
        except CdcTriggersError:
            return


class _Noting:
    """Waits between two steps, and notes now and then how far it is."""

    def __init__(self, letters: DeadLetters, job: _Job, work: DeadRedelivery) -> None:
        self._letters, self._job, self._work = letters, job, work
        self._noted = 0.0

    def wait(self, seconds: float) -> bool:
        """True: it is to stop."""
        now = time.monotonic()
        if now - self._noted >= _NOTED_S:
            self._noted = now
            self._letters.progress(self._job.number, told(self._work.done, self._job.total))
        return self._job.stop.wait(seconds)


def told(done: int, total: int, more: str = "") -> str:
    """`12 of 40 put back`; `read` reads it again."""
    return f"{done} of {max(done, total)} put back{': ' if more else ''}{more}"


def read(detail: str) -> tuple[int, int]:
    """How many of how many, as `told` says it."""
    words = detail.split(" ", 3)
    if len(words) > 2 and words[0].isdecimal() and words[1] == "of" and words[2].isdecimal():  # noqa: PLR2004
        return int(words[0]), int(words[2])
    return 0, 0


def _conflict(text: str) -> ApiError:
    return ApiError(HTTPStatus.CONFLICT, "conflict", text)
