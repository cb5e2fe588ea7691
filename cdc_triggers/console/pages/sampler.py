"""Measures once a second, in a thread and on a connection of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.app.admin import lowest_id
from cdc_triggers.console.pages.history import COARSE_S, FINE_S, Key
from cdc_triggers.console.pages.measured import Counted, Figures, Measured, figures, total
from cdc_triggers.console.pages.owing import Owing
from cdc_triggers.core.meter import SECONDS, Meter
from cdc_triggers.errors import CdcTriggersError, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cdc_triggers.console.pages.history import History
    from cdc_triggers.ports import Telemetry
    from cdc_triggers.postgres.console import ConsoleDatabase, Look

_BACK_S = 20
_ATTEMPTS = 4000
_WINDOW = 6
"""Figures are of the last minute: six looks of ten seconds."""

_TWO = 2
_NONE = Counted(0, 0, (0,) * (len(SECONDS) + 1))
_ATTEMPTS_S = 5.0


class _Before(NamedTuple):
    """The counters of the last look but one."""

    at: float
    delivered: int | None
    wal: int


class AttemptCounter:
    """Fills a meter from the attempts that were recorded: for who has none of a stream's own.

    It sees the attempts for events of the last seconds, and of very many only the newest.
    """

    def __init__(self, database: ConsoleDatabase) -> None:
        self._database = database
        self._seen: dict[tuple[str, str, int], None] = {}
        self.meter = Meter()

    def look(self, at: float) -> None:
        """Count what came since the last look.

        Raises:
            CdcTriggersError: the database could not be asked.
        """
        from_id = lowest_id(datetime.fromtimestamp(at - _BACK_S, UTC))
        first = not self._seen
        for each in self._database.attempts(from_id, _ATTEMPTS):
            key = (each.event_id, each.trigger_name, each.attempt)
            if key in self._seen:
                continue
            self._seen[key] = None
            if first:
                continue
            trigger = self.meter.of(each.trigger_name)
            if each.outcome == "delivered":
                trigger.delivered += 1
            kind = "2xx" if each.outcome == "delivered" else "failed"
            trigger.attempts[kind] = trigger.attempts.get(kind, 0) + 1
            if each.attempt == 1:
                trigger.first_attempt.add(each.latency_s)
        for key in list(self._seen)[: -2 * _ATTEMPTS]:
            del self._seen[key]


class Sampler:
    """Measures into a history until it is closed.

    Args:
        database: is closed with it.
        history: what is written.
        meter: the counters of the stream in this process; None: it has none, or does not lead.
        telemetry: is told if it ends by itself.
    """

    def __init__(
        self,
        database: ConsoleDatabase,
        history: History,
        meter: Callable[[], Meter | None],
        telemetry: Telemetry,
    ) -> None:
        self._database = database
        self._history = history
        self._meter = meter
        self._telemetry = telemetry
        self._attempts = AttemptCounter(database)
        self._over = threading.Event()
        self._owing = Owing(database)
        self._attempts_at = 0.0
        self._coarse_at = time.time()
        self._before: _Before | None = None
        self._counted: deque[dict[str, Counted]] = deque([{}], maxlen=_WINDOW + 1)
        self._figures: dict[str, Figures] = {}
        self._lately: dict[str, Figures] = {}
        self._sampled = False
        self._rates: list[float] = []
        threading.Thread(target=self._run, name="console sampler", daemon=True).start()

    def close(self) -> None:
        """Measure no more; what runs is left to itself."""
        self._over.set()

    def _run(self) -> None:
        try:
            due = time.monotonic() + FINE_S
            while not self._over.wait(max(0.0, due - time.monotonic())):
                self._try()
                due = max(due + FINE_S, time.monotonic())
        except Exception as error:  # noqa: BLE001 - a thread that ends without a word looks like calm
            self._missed(time.time(), "nothing is measured any more: see the log")
            self._telemetry.fact("error", "console.measuring_ended", error=place_of(error))
        finally:
            self._database.close()

    def _try(self) -> None:
        try:
            self._sample(time.time())
        except CdcTriggersError as error:
            text = f"{error.message}: {error.hint}" if error.hint else error.message
            self._missed(time.time(), text)

    def _missed(self, at: float, trouble: str) -> None:
        self._before = None
        owing = self._owing
        latest = Measured(
            *(at, trouble, None, None, None, None),
            *(owing.by_name, owing.counted_at, {}, self._sampled),
        )
        self._history.note(latest)
        self._history.push(at, {}, {} if self._coarse_due(at) else None)

    def _sample(self, at: float) -> None:
        look = self._database.look()
        self._owing.look(at)
        meter = self._meter()
        if meter is None and at - self._attempts_at >= _ATTEMPTS_S:
            self._attempts_at = at
            self._attempts.look(at)
        counted = snapshot(meter or self._attempts.meter)
        if self._sampled != (meter is None):  # these counters are of another kind
            self._sampled = meter is None
            self._counted.clear()
            self._counted.append(counted)
        coarse_due = self._coarse_due(at)
        if coarse_due:
            self._count(counted)
        events_s, wal_s = self._rates_since(look)
        self._history.note(
            Measured(
                *(at, "", look.slot, look.stream, events_s, wal_s),
                *(self._owing.by_name, self._owing.counted_at, self._lately, self._sampled),
            )
        )
        fine = self._fine(look, events_s, wal_s)
        self._history.push(at, fine, self._coarse(fine) if coarse_due else None)

    def _coarse_due(self, at: float) -> bool:
        if at - self._coarse_at < COARSE_S - FINE_S / 2:
            return False
        self._coarse_at = at
        return True

    def _rates_since(self, look: Look) -> tuple[float | None, float | None]:
        """Events and bytes of WAL a second, since the last look."""
        delivered = None if look.stream is None else look.stream.delivered
        before, self._before = self._before, _Before(look.at, delivered, look.wal)
        if before is None or look.at <= before.at:
            return None, None
        seconds = look.at - before.at
        wal_s = max(0, look.wal - before.wal) / seconds
        if delivered is None or before.delivered is None or delivered < before.delivered:
            return None, wal_s
        events_s = (delivered - before.delivered) / seconds
        self._rates.append(events_s)
        return events_s, wal_s

    def _count(self, counted: dict[str, Counted]) -> None:
        self._counted.append(counted)
        self._figures = self._since(-2)
        self._lately = self._since(0)

    def _since(self, place: int) -> dict[str, Figures]:
        """What each trigger did since an earlier look; that of all together has no name."""
        if len(self._counted) < _TWO:
            return {}
        before, after = self._counted[place], self._counted[-1]
        looks = len(self._counted) - 1 if place == 0 else 1
        found = {
            name: figures(before.get(name, _NONE), counted, SECONDS, COARSE_S * looks)
            for name, counted in after.items()
        }
        if after:
            was, now = total([*before.values(), _NONE]), total(list(after.values()))
            found[""] = figures(was, now, SECONDS, COARSE_S * looks)
        return found

    def _fine(
        self, look: Look, events_s: float | None, wal_s: float | None
    ) -> dict[Key, float | None]:
        slot, stream = look.slot, look.stream
        return {
            ("events", ""): events_s,
            ("wal", ""): wal_s,
            ("lag", ""): None if slot is None else slot.lag_bytes,
            ("held", ""): None if slot is None else slot.held_bytes,
            ("oldest", ""): None if stream is None else stream.oldest_unsettled_age_s or 0.0,
        }

    def _coarse(self, fine: Mapping[Key, float | None]) -> dict[Key, float | None]:
        rates, self._rates = self._rates, []
        values = dict(fine)
        values[("events", "")] = sum(rates) / len(rates) if rates else None
        for name, each in self._figures.items():
            values |= {
                ("delivered", name): each.delivered,
                ("failed", name): each.failed,
                ("median", name): each.median_s,
                ("p99", name): each.p99_s,
            }
        owed = self._owing.by_name
        for name, line in owed.items():
            values[("parked", name)] = float(line.parked)
            values[("dead", name)] = float(line.dead)
        if self._owing.counted_at is not None:
            values[("parked", "")] = float(sum(each.parked for each in owed.values()))
            values[("dead", "")] = float(sum(each.dead for each in owed.values()))
        return values


def snapshot(meter: Meter) -> dict[str, Counted]:
    """The counters of each trigger now."""
    return {
        name: Counted.of(
            each.delivered,
            sum(each.attempts.values()) - each.attempts.get("2xx", 0),
            each.first_attempt,
        )
        for name, each in meter.triggers.copy().items()
    }
