"""Redeliveries that run beside the pages: slowly, seen by all, and safe when this process ends.

Each has a thread, a connection and a line of the audit. The line says how far it is, and ending the
line stops it, from whatever process; a lock that its session holds says that it runs. When its
process ends the lock is gone, and the line tells how many were put back: the others are dead as
before.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from cdc_triggers.app import redelivery
from cdc_triggers.app.redelivery import OTHERS, STOPPED, DeadRedelivery, Pace
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
    letters: DeadLetters
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
            ApiError: the trigger has one already, or too many run in this process.
        """
        with self._lock, ExitStack() as stack:
            if len(self._jobs) >= AT_ONCE:
                raise _conflict(f"{AT_ONCE} redeliveries run already: wait for one, or stop one")
            letters = stack.enter_context(self._backend.dead_letters(changing=True))
            if wanted.trigger in letters.running().values():
                raise _conflict(f"a redelivery of {wanted.trigger} runs already: wait, or stop it")
            job = _Job(wanted, total, rate, letters.begin(intent), letters)
            thread = threading.Thread(
                target=self._work, args=(job, stack.pop_all()), name="redelivery", daemon=True
            )
            self._jobs[job.number] = job, thread
            thread.start()
        return job.number

    def stop(self, number: int) -> bool:
        """Stop one, in whatever process it runs; False: it is asked to, and still at a step.

        Raises:
            NotFoundError: it does not run.
        """
        with self._backend.dead_letters() as letters:
            return redelivery.stop(letters, number, time.monotonic, time.sleep)

    def close(self) -> None:
        """Stop all; what they have not put back stays dead. Idempotent."""
        with self._lock:
            found = list(self._jobs.values())
        for job, _ in found:
            job.by = job.by or "stopped with its process"
            job.stop.set()
        for _, thread in found:
            thread.join(_ENDS_S)

    def _work(self, job: _Job, stack: ExitStack) -> None:
        work = DeadRedelivery(job.letters, job.wanted)
        result, text = "failed", "unexpected: see the log"
        try:
            noting = _Noting(job, work)
            whole = redelivery.run(work, Pace(job.rate), time.monotonic, noting.wait)
            result, text = ("done", "") if whole else ("failed", f"{job.by}: {OTHERS}")
        except CdcTriggersError as error:
            text = f"{error.message}: {OTHERS}"
        finally:
            self._end(job, result, told(work.done, job.total, text))
            stack.close()
            with self._lock:
                del self._jobs[job.number]

    def _end(self, job: _Job, result: str, text: str) -> None:
        """Note the end. Where the database is gone the line stays: it says how far this came."""
        try:
            with self._backend.audit() as audit:
                audit.end(job.number, result, text)
        except CdcTriggersError:
            return


class _Noting:
    """Waits between two steps, and notes now and then how far it is."""

    def __init__(self, job: _Job, work: DeadRedelivery) -> None:
        self._job, self._work = job, work
        self._noted = 0.0

    def wait(self, seconds: float) -> bool:
        """True: it is to stop."""
        now = time.monotonic()
        if now - self._noted >= _NOTED_S:
            self._noted = now
            detail = told(self._work.done, self._job.total)
            if not self._job.letters.progress(self._job.number, detail):
                self._job.by = STOPPED
                return True
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
