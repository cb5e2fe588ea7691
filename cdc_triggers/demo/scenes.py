"""What the demo plays, scene by scene. Every expectation is checked: what fails it is an error."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from cdc_triggers.core.views import EventFilter
from cdc_triggers.demo.stage import DemoError
from cdc_triggers.wiring import operating

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cdc_triggers.core.views import Status
    from cdc_triggers.demo.endpoints import Arrival
    from cdc_triggers.demo.screen import Screen
    from cdc_triggers.demo.shop import Written
    from cdc_triggers.demo.stage import Stage

LOAD: Final = 500
RATE: Final = 200
"""Orders of the steady load, and how many of them a second."""

T = TypeVar("T")

_SLOT: Final = "cdc_triggers"
_PATIENCE_S: Final = 10.0
_STEP_S: Final = 0.02
_LOOK_S: Final = 0.2
_PRODUCTS: Final = 3
_PAYLOAD: Final = frozenset({"id", "status", "total"})


class Tally(NamedTuple):
    """The demo in figures.

    Attributes:
        rate: orders a second that the steady load came to; a busy machine may not reach RATE.
        p50_s, p99_s: of the steady load, from just before COMMIT was sent to the whole request.
    """

    captured: int
    delivered: int
    retried: int
    dead: int
    redelivered: int
    rate: float
    p50_s: float
    p99_s: float


class Play:
    """One run on one stage. The scenes build on each other: call them in the order of `run`."""

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self._stage = stage
        self._screen = screen
        self._shop = stage.shop
        self._customer = 0
        self._seen = 0
        self._not_wanted = 0
        self._died: set[str] = set()
        self._redelivered: set[str] = set()
        self._load: list[float] = []
        self._rate = 0.0

    def run(self) -> Tally:
        """All scenes.

        Raises:
            DemoError: something expected did not happen.
        """
        self._inserts()
        order = self._updates()
        self._delete(order)
        self._failing_twice()
        self._dead_and_redelivered()
        self._steady_load()
        return self._tally()

    def _inserts(self) -> None:
        self._screen.heading("Inserts", columns=True)
        ada = self._shop.write("add_customer", name="Ada", email="ada@example.com")
        self._customer = ada.ids[0]
        self._show("a customer", ada, self._expect("customer_added", ada))
        order = self._shop.write("add_order", customer=self._customer, total="40.00")
        self._show("an order", order, self._expect("order_changed", order))
        items = self._shop.write("add_items", order=order.ids[0])
        arrivals = self._expect("items_added", items, _PRODUCTS)
        if {arrival.row_id for arrival in arrivals} != set(items.ids):
            raise DemoError(f"three items were written, but these came: {arrivals}")
        self._show("three items, one statement", items, arrivals)

    def _updates(self) -> int:
        """Of one order, so that its webhooks come in order: the last one proves the others."""
        self._screen.heading("Updates (the trigger names status and total)")
        written = self._shop.write("add_order", customer=self._customer, total="12.50")
        order = written.ids[0]
        self._expect("order_changed", written)
        paid = self._shop.write("set_status", order=order, status="paid")
        (arrival,) = self._expect("order_changed", paid)
        self._check(arrival, status="paid")
        self._show("status becomes paid", paid, [arrival])
        self._shop.write("set_note", order=order, note="ring twice")
        self._not_wanted += 1
        total = self._shop.write("set_total", order=order, total="14.00")
        (arrival,) = self._expect("order_changed", total)
        self._check(arrival, total=14)
        self._screen.remark("a note is added", "no webhook: note is not named")
        self._show("total becomes 14.00", total, [arrival])
        return order

    def _delete(self, order: int) -> None:
        self._screen.heading("A delete")
        gone = self._shop.write("delete_order", order=order)
        (arrival,) = self._expect("order_changed", gone)
        if arrival.op != "DELETE":
            raise DemoError(f"a DELETE was expected, and this came: {arrival}")
        self._show("the order is deleted", gone, [arrival])

    def _failing_twice(self) -> None:
        self._screen.heading("An endpoint that fails twice (interval_sec: 1)")
        paid = self._shop.write("add_payment", customer=self._customer, amount="14.00")
        for label, status in (("a payment", 503), ("retry 1", 503), ("retry 2", 200)):
            (arrival,) = self._expect("payment_received", paid, status=status)
            self._show(label, paid, [arrival])
        self._one_event("payment_received", 3)

    def _dead_and_redelivered(self) -> None:
        self._screen.heading("An endpoint that is down (num_retries: 1)")
        name = "parcel_booked"
        parcel = self._shop.write("add_parcel", customer=self._customer, weight=1200)
        for label in ("a parcel", "retry 1, the last"):
            (arrival,) = self._expect(name, parcel, status=503)
            self._show(label, parcel, [arrival])
        self._died = self._await_dead(name)
        self._screen.remark("no retry is left", "dead: kept until somebody decides", "red")
        self._stage.endpoints.mend("/carrier")
        began = self._now()
        words = ("events", "redeliver", "--trigger", name, "--status", "dead")
        said = self._stage.run(*words)
        self._screen.command(" ".join(("cdc-triggers", *words)), said, self._now() - began)
        (arrival,) = self._expect(name, parcel)
        self._one_event(name, 3)
        self._redelivered = {arrival.event_id}
        if self._redelivered != self._died:
            raise DemoError(f"{self._died} was dead, and {self._redelivered} was redelivered")
        self._screen.arrival("the same event id, mended endpoint", arrival, arrival.at - parcel.at)

    def _steady_load(self) -> None:
        self._screen.heading(f"A steady load: {LOAD} orders, {RATE} a second")
        since = len(self._stage.endpoints.arrivals)
        written: dict[int, float] = {}
        begin = self._now()
        for number in range(LOAD):
            time.sleep(max(0.0, begin + number / RATE - self._now()))
            order = self._shop.write("add_order", customer=self._customer, total="9.90")
            written[order.ids[0]] = order.at
        self._rate = LOAD / (self._now() - begin)
        found = self._wait(lambda all_: len(all_) >= since + LOAD)
        arrivals = {a.row_id: a for a in (found or self._stage.endpoints.arrivals)[since:] if a.ok}
        if missing := written.keys() - arrivals.keys():
            raise self._missing(f"{len(missing)} of {LOAD} orders")
        self._load = sorted(arrivals[number].at - at for number, at in written.items())
        self._screen.step(
            f"written at {self._rate:.0f} a second; all have arrived", self._now() - begin
        )

    def _tally(self) -> Tally:
        """Compare what was written, what arrived, and what cdc-triggers says of itself."""
        arrivals = self._stage.endpoints.arrivals
        captured, delivered = self._shop.captured(), [a for a in arrivals if a.ok]
        expected = self._shop.rows_written - self._not_wanted
        if captured != self._shop.rows_written:
            raise DemoError(f"{self._shop.rows_written} rows were written, {captured} captured")
        if len(delivered) != expected or len({a.event_id for a in delivered}) != expected:
            raise DemoError(f"{expected} events were to be delivered, {len(delivered)} were")
        self._await_status(expected)
        retried = {a.event_id for a in arrivals if a.retry}
        return Tally(
            captured=captured,
            delivered=expected,
            retried=len(retried),
            dead=len(self._died),
            redelivered=len(self._redelivered),
            rate=self._rate,
            p50_s=percentile(self._load, 50),
            p99_s=percentile(self._load, 99),
        )

    def _expect(
        self, trigger: str, written: Written, count: int = 1, status: int = 200
    ) -> Sequence[Arrival]:
        """The next webhooks of a trigger that came after this write and were answered so."""
        seen = self._seen

        def news(arrivals: Sequence[Arrival]) -> list[Arrival]:
            return [a for a in arrivals[seen:] if a.trigger == trigger and a.at > written.at]

        found = self._wait(lambda all_: len(news(all_)) >= count)
        if found is None:
            raise self._missing(f"{count} of {trigger}")
        self._seen = len(found)
        arrivals = news(found)
        wrong = [a for a in arrivals if a.status != status or a.row_id not in written.ids]
        if wrong or len(arrivals) != count:
            raise DemoError(f"{count} of {trigger} with {status} expected, these came: {arrivals}")
        return arrivals

    def _wait(self, wanted: Callable[[Sequence[Arrival]], bool]) -> Sequence[Arrival] | None:
        """All arrivals once they are as wanted; None if they are not, or the stream has died."""
        deadline = self._now() + _PATIENCE_S
        while (found := self._stage.endpoints.wait(wanted, _LOOK_S)) is None:
            if self._now() > deadline or not self._stage.streaming:
                return None
        return found

    def _missing(self, what: str) -> DemoError:
        return DemoError(f"no webhook came: {what}", hint=self._stage.stream_tail())

    def _check(self, arrival: Arrival, **values: object) -> None:
        """An update's webhook has the columns of the trigger's payload, with these values."""
        row: Mapping[str, object] = arrival.row
        if row.keys() != _PAYLOAD or any(row.get(name) != value for name, value in values.items()):
            raise DemoError(f"{values} was expected, and this came: {arrival}")

    def _one_event(self, trigger: str, attempts: int) -> None:
        """Every attempt carried the same event id."""
        made = [a.event_id for a in self._stage.endpoints.arrivals if a.trigger == trigger]
        if len(made) != attempts or len(set(made)) != 1:
            raise DemoError(f"{attempts} attempts of one event of {trigger} expected, got {made}")

    def _await_dead(self, trigger: str) -> set[str]:
        wanted = EventFilter(trigger, "dead", None, 10)
        with operating.open_admin(self._stage.dsn) as admin:
            return self._until(
                lambda: {line.id for line in admin.events(wanted)}, f"{trigger} has nothing dead"
            )

    def _await_status(self, delivered: int) -> None:
        """What the stream has recorded says the same; it records in batches, so a little later."""

        def settled(status: Status) -> bool:
            triggers = status.triggers
            return sum(t.delivered for t in triggers) == delivered and not any(
                t.parked or t.dead for t in triggers
            )

        with operating.open_admin(self._stage.dsn) as admin:
            self._until(
                lambda: settled(admin.status(_SLOT)), "`status` does not show all as delivered"
            )

    def _until(self, found: Callable[[], T], otherwise: str) -> T:
        deadline = self._now() + _PATIENCE_S
        while not (value := found()):
            if self._now() > deadline:
                raise DemoError(otherwise, hint=self._stage.stream_tail())
            time.sleep(_STEP_S)
        return value

    def _show(self, label: str, written: Written, arrivals: Sequence[Arrival]) -> None:
        for number, arrival in enumerate(arrivals):
            self._screen.arrival("" if number else label, arrival, arrival.at - written.at)

    def _now(self) -> float:
        return self._stage.clock.monotonic()


def percentile(ordered: Sequence[float], share: int) -> float:
    """The nearest-rank percentile of sorted values."""
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]
