"""What an operator does: look at triggers and events, pause, invoke, redeliver.

Names and ids are checked here, so that a typo is answered with the near name and exit code 2.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING

from cdc_triggers.core.event_search import OLDEST
from cdc_triggers.core.views import DeliveryView, EventFilter, Redelivery
from cdc_triggers.errors import DatabaseError, NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cdc_triggers.core.views import EventDetail, EventLine, Status, TriggerView
    from cdc_triggers.ports import Admin

OWED = ("parked", "dead", "archived")
"""States of what has a row of its own."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"(\d{1,9})([smhdw])")


def parse_age(text: str) -> timedelta | None:
    """Read `90s`, `30m`, `1h`, `2d`, `1w`; None: it is no age."""
    found = _AGO.fullmatch(text.strip().lower())
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]]) if found else None


def parse_since(text: str, now: datetime) -> datetime:
    """Read `90s`, `30m`, `1h`, `2d`, `1w` as so long before `now`, or an ISO 8601 time.

    A time without a zone is UTC, as in the events themselves.

    Raises:
        UsageError: it is neither, or too far back to be a date.
    """
    try:
        if (ago := parse_age(text)) is not None:
            return now - ago
        at = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"--since {text!r} is not a time",
            hint="write an age (90s, 30m, 1h, 2d) or a time (2026-11-24T14:22:00Z)",
        ) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def lowest_id(at: datetime | None) -> str:
    """The lowest event id that may have been made at `at` or later.

    Ids are UUID version 7: their first 48 bits are milliseconds since 1970 (RFC 9562). One second
    of slack, since an id and its `created_at` are two readings of the clock.
    """
    if at is None:
        return OLDEST
    milliseconds = max(0, int(at.timestamp() * 1000) - 1000)
    return str(uuid.UUID(int=milliseconds << 80))


def parse_event_id(text: str) -> str:
    """The canonical form of an event id.

    Raises:
        UsageError: it is not a UUID.
    """
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not an event id",
            hint="an event id is a UUID, the `id` of the request's body; see `events list`",
            call="an event id is a UUID, the `id` of the request's body; see GET /api/events",
        ) from error


@dataclass(frozen=True)
class Administration:
    """The operator's use cases on one database.

    Args:
        admin: the database.

    Every method raises DatabaseError if cdc-triggers is not installed there.
    """

    admin: Admin

    def _ready(self) -> Admin:
        if not self.admin.installed():
            raise DatabaseError(
                "cdc-triggers is not installed in this database",
                hint="run `cdc-triggers apply`, or check that --dsn names the right database",
                call="`cdc-triggers apply` installs it: run it, or serve the right database",
            )
        return self.admin

    def triggers(self) -> Sequence[TriggerView]:
        """All applied triggers by name."""
        return self._ready().triggers()

    def trigger(self, name: str) -> TriggerView:
        """One applied trigger.

        Raises:
            NotFoundError: there is none of that name; the hint has the near ones.
        """
        admin = self._ready()
        known = {trigger.name: trigger for trigger in admin.triggers()}
        if name in known:
            return known[name]
        if name in admin.archived_names():
            raise NotFoundError(
                f"trigger {name!r} was dropped: its deliveries are archived and never sent",
                hint=f"see them with `events list --status archived --trigger {name}`",
                call=f"see them with GET /api/deliveries?status=archived&trigger={name}",
            )
        raise unknown_trigger(name, known)

    def set_paused(self, name: str, *, paused: bool) -> bool:
        """Pause or resume a trigger; False if it was so already.

        Raises:
            NotFoundError: see `trigger`.
        """
        return self.admin.set_paused(self.trigger(name).name, paused=paused)

    def may_invoke(self, name: str) -> bool:
        """True if the trigger may be invoked by hand.

        Raises:
            NotFoundError: see `trigger`.
        """
        definition = json.loads(self.trigger(name).definition)
        return bool({**definition, **definition.get("definition", {})}.get("enable_manual"))

    def invoke(self, name: str, payload: str, session: str | None = None) -> str:
        """Make a MANUAL event with this JSON text; returns its id.

        Args:
            name: of the trigger.
            payload: becomes the new row.
            session: session variables of the event, as JSON text.

        Raises:
            NotFoundError: see `trigger`.
            UsageError: the payload is not JSON, or the trigger does not allow it.
        """
        try:
            json.loads(payload, parse_int=str, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"the payload is not JSON: {error}",
                hint="""for example --payload '{"id": 1}'""",
                call='for example {"id": 1}',
            ) from error
        if not self.may_invoke(name):
            raise UsageError(
                f"trigger {name!r} may not be invoked by hand",
                hint="set enable_manual: true in its definition, then `cdc-triggers apply`",
                call=f"set enable_manual: true in its definition, with PUT /api/triggers/{name}",
            )
        return self.admin.invoke(name, payload, session)

    def events(self, wanted: EventFilter) -> Sequence[EventLine]:
        """Events by trigger, newest first.

        Raises:
            NotFoundError: the filter names an unknown trigger.
        """
        admin = self._ready()
        if wanted.trigger is not None and wanted.trigger not in admin.archived_names():
            self.trigger(wanted.trigger)
        from_id = lowest_id(wanted.since)
        if wanted.status in OWED:
            return admin.deliveries(wanted, from_id)
        if wanted.status == "pending":
            return self._pending(wanted)
        if wanted.status == "delivered":
            return admin.delivered(wanted, from_id)
        if wanted.trigger is None:
            # A delivery outlives the ring: it has its own copy of the event.
            pages = (admin.events(wanted, from_id), admin.deliveries(wanted, from_id))
            return _newest(pages, wanted.limit)
        # From where the trigger's own lines are: it may be one in a million of the log's.
        return _newest(
            (
                self._pending(wanted),
                admin.delivered(wanted, from_id),
                admin.deliveries(wanted, from_id),
            ),
            wanted.limit,
        )

    def _pending(self, wanted: EventFilter) -> Sequence[EventLine]:
        since, settled = wanted.since, self.admin.settled_at()
        if settled is not None:
            since = max(since, settled) if since else settled
        return self.admin.events(wanted._replace(status="pending"), lowest_id(since))

    def event(self, text: str) -> EventDetail:
        """One event with everything known about it.

        Raises:
            UsageError: not an id.
            NotFoundError: there is no such event (any more).
        """
        event_id = parse_event_id(text)
        detail = self._ready().event(event_id)
        if detail is None:
            raise _unknown_event(event_id)
        return detail._replace(deliveries=(*detail.deliveries, *_delivered(detail)))

    def redeliver(
        self, texts: Sequence[str], trigger: str | None = None, *, dry_run: bool
    ) -> Redelivery:
        """Send events again, under the same id, tries from 0. All ids are checked before the first.

        Of an event the dead deliveries are sent again; if there are none, the delivered ones.

        Raises:
            UsageError: not an id, or an event that has nothing to send again.
            NotFoundError: there is no such event, or its triggers were dropped.
        """
        if trigger is not None:
            self.trigger(trigger)
        details = [self.event(event_id) for event_id in dict.fromkeys(map(parse_event_id, texts))]
        for detail in details:
            self._check_redeliverable(detail, trigger)
        done = [self.admin.redeliver_event(d.event.id, trigger, dry_run=dry_run) for d in details]
        return Redelivery(
            sum(each.redelivered for each in done), sum(each.already_parked for each in done)
        )

    def _check_redeliverable(self, detail: EventDetail, trigger: str | None) -> None:
        """Refuse what nobody can be owed again.

        Raises:
            UsageError: neither dead nor delivered nor parked: it is pending, or was for no trigger.
            NotFoundError: all its triggers were dropped.
        """
        live = {each.name for each in self.admin.triggers()}
        known = {d.trigger or "": d.status for d in detail.deliveries}
        candidates = {name for name in known if name in live and known[name] != "archived"}
        if trigger in candidates or (trigger is None and candidates):
            return
        if known and trigger is None:
            names = ", ".join(sorted(known))
            raise NotFoundError(
                f"event {detail.event.id} is archived: its trigger {names} was dropped",
                hint="a dropped trigger's events are never delivered, "
                "also when a trigger of that name comes back",
            )
        raise UsageError(
            f"event {detail.event.id} was never delivered, so there is nothing to redeliver",
            hint="it is pending, or no trigger wanted it: see `events show`",
            call=f"it is pending, or no trigger wanted it: see GET /api/events/{detail.event.id}",
        )

    def status(self, slot: str) -> Status:
        """Slot, stream and triggers."""
        return self._ready().status(slot)


def _newest(pages: Iterable[Sequence[EventLine]], limit: int) -> list[EventLine]:
    """One page of several, newest first; of one event for one trigger the first line counts."""
    lines: dict[tuple[str, str | None], EventLine] = {}
    for page in pages:
        for line in page:
            lines.setdefault((line.id, line.trigger), line)
    order = sorted(lines, key=lambda key: (key[0], key[1] or ""), reverse=True)
    return [lines[key] for key in order[:limit]]


def unknown_trigger(name: str, known: Iterable[str]) -> NotFoundError:
    """The error for a name that none of these triggers has."""
    text, names = f"there is no trigger {name!r}", sorted(known)
    if near := get_close_matches(name, names, n=3, cutoff=0.6):
        return NotFoundError(text, hint=f"did you mean {' or '.join(near)}?")
    if names:
        hint, call = "`cdc-triggers triggers list` has them all", "GET /api/triggers has them all"
    else:
        hint = "no trigger is applied yet: run `cdc-triggers apply`"
        call = f"no trigger is applied yet: make it with PUT /api/triggers/{name}"
    return NotFoundError(text, hint=hint, call=call)


def _delivered(detail: EventDetail) -> Iterable[DeliveryView]:
    """The deliveries that are done: they have no row of their own, only an attempt."""
    owed = {d.trigger for d in detail.deliveries}
    done = {a.trigger: a.attempt for a in detail.attempts if a.outcome == "delivered"}
    for trigger, tries in done.items():
        if trigger not in owed:
            yield DeliveryView(
                trigger, "delivered", None, None, tries, None, None, None, None, None, None
            )


def _unknown_event(event_id: str) -> NotFoundError:
    return NotFoundError(
        f"there is no event {event_id}",
        hint="check the id; the log keeps events only for the log_days of `retention`",
    )


def _no_constant(name: str) -> None:
    """Refuse NaN and Infinity, which Python reads and PostgreSQL does not.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{name} is not JSON")
