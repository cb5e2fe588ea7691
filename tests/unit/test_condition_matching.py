"""Which events a condition lets through, and what becomes of one that it cannot decide."""

from __future__ import annotations

from typing import Any

import pytest
from support.deliveries import event
from support.stream import OK, Row, Stream

from cdc_triggers.core.columns import Holds
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.matching import Match, Matcher
from cdc_triggers.core.records import Revision, TriggerRow
from cdc_triggers.core.recovery import OwedRow, RecoveryPlan
from cdc_triggers.core.snapshot import Snapshot
from cdc_triggers.core.spec import Trigger
from cdc_triggers.testing import log_row

COLUMNS = ((1, "id"), (2, "status"), (3, "total"))
NONE_BEFORE = Snapshot(1, 1, frozenset())


def revision(
    condition: str | None, number: int = 1, applied: Snapshot = NONE_BEFORE, **spec: Any
) -> Revision:
    given = {
        "name": "t",
        "table": "items",
        "webhook": "http://t/",
        "definition": {"insert": {}, "update": {}, "delete": {}, "enable_manual": True},
        "condition": condition,
        **spec,
    }
    return Revision(
        number, Trigger.model_validate(given), {name: n for n, name in COLUMNS}, applied
    )


def trigger(*revisions: Revision, columns: tuple[tuple[int, str], ...] = COLUMNS) -> TriggerRow:
    return TriggerRow(1, "t", 1, False, (1,), columns, revisions, Holds(frozenset({3})))  # noqa: FBT003


def match(row: TriggerRow, op: str = "INSERT", *, xid: int = 100, **images: bytes) -> list[Match]:
    return list(Matcher([row]).match(event(1, op, xid=xid, **images)))  # type: ignore[arg-type]


def test_true_is_a_match_and_false_is_none() -> None:
    row = trigger(revision('new.status == "paid"'))
    assert not match(row, new=b'{"id":1,"status":"new","total":1}')
    (found,) = match(row, new=b'{"id":1,"status":"paid","total":1}')
    assert (found.key, found.error) == ("[1]", None)


def test_an_error_is_a_match_that_carries_its_reason() -> None:
    (found,) = match(trigger(revision("new.total > 5")), new=b'{"id":1,"status":"","total":null}')
    assert found.key == "[1]"
    assert str(found.error).startswith("condition: ")
    assert str(found.error).endswith("(null: new.total)")


def test_it_is_not_asked_about_what_its_operations_and_columns_leave_out() -> None:
    definition = {"update": {"columns": ["status"]}}
    row = trigger(revision("old.total > 5.0", definition=definition))
    image = b'{"id":1,"status":"new","total":null}'
    assert not match(row, new=image)
    assert not match(row, "UPDATE", old=image, new=image.replace(b"null", b"1"))
    assert match(row, "UPDATE", old=image, new=image.replace(b"new", b"paid"))[0].error


def test_an_invocation_by_hand_is_never_asked_about() -> None:
    row = trigger(revision("false"))
    found = event(1, "MANUAL", new=b"{}", trigger_name="t")
    assert len(Matcher([row]).match(found)) == 1


def test_the_revision_that_was_in_force_for_the_event_decides() -> None:
    older = revision("new.id == 1", 1)
    newer = revision("new.id == 2", 2, Snapshot(50, 50, frozenset()))
    row = trigger(newer, older)
    image = b'{"id":1,"status":"","total":1}'
    assert [m.revision.number for m in match(row, xid=49, new=image)] == [1]
    assert not match(row, xid=50, new=image)


def test_columns_are_followed_through_a_rename() -> None:
    renamed = ((1, "id"), (2, "state"), (3, "amount"))
    row = trigger(revision('new.status == "paid" && new.total / 4.0 == 0.5'), columns=renamed)
    assert [m.error for m in match(row, new=b'{"id":1,"state":"paid","amount":2}')] == [None]
    before = Matcher([trigger(revision("true"))])
    after = Matcher([row], before)
    old = event(1, new=b'{"id":1,"status":"paid","total":2}')
    assert [m.error for m in after.match(old)] == [None]
    assert not after.stale


def test_several_triggers_ask_about_one_event_each_for_itself() -> None:
    rows = [
        trigger(revision(condition))._replace(id=number)
        for number, condition in enumerate(["new.id == 1", "new.id == 2", None, "new.id > 0"])
    ]
    found = Matcher(rows).match(event(1, new=b'{"id":1,"status":"","total":1}'))
    assert [m.trigger.id for m in found] == [0, 2, 3]


@pytest.mark.parametrize("condition", ["new.id == 1", "new.v == null"])
def test_a_skipped_event_settles_with_its_commit(condition: str) -> None:
    stream = conditional(condition)
    stream.change([Row("INSERT", None, 2)])
    stream.read(9)
    assert stream.take() is None
    assert stream.engine.ledger.settled == stream.engine.ledger.received > 0
    assert not stream.database.deliveries


def conditional(condition: str) -> Stream:
    """A stream with one trigger, ordered by key, that has this condition."""
    stream = Stream(["key"])
    (row,) = stream.database.triggers.values()
    spec = row.revisions[0].spec.model_copy(update={"condition": condition})
    changed = row._replace(revisions=(row.revisions[0]._replace(spec=spec),))
    stream.database.triggers[row.id] = changed
    stream.engine.set_triggers([changed], stream.clock.monotonic())
    return stream


def test_an_undecided_event_is_kept_dead_and_holds_nobody_back() -> None:
    stream = conditional("1 / (new.id - 1) >= 0")
    stream.change([Row("INSERT", None, 1), Row("UPDATE", 1, 2), Row("INSERT", None, 3)])
    stream.read(9)
    taken = [stream.take(), stream.take(), stream.take()]
    assert [d and d.event.id for d in taken] == ["e2", "e3", None]
    assert stream.engine.ledger.settled < stream.engine.ledger.received
    for delivery in taken[:2]:
        assert delivery
        stream.finish(delivery, OK)
    stream.write()
    assert stream.engine.ledger.settled == stream.engine.ledger.received
    (kept,) = stream.database.deliveries.values()
    assert (kept.event.id, kept.status, kept.tries) == ("e1", "dead", 0)
    assert kept.last_error == "condition: divides by zero"
    assert len(stream.database.attempts) == 2


def test_a_crash_before_an_undecided_event_is_written_decides_it_again() -> None:
    stream = conditional("1 / (new.id - 1) >= 0")
    stream.change([Row("INSERT", None, 1)])
    stream.read(9)
    stream.start()
    assert not stream.database.deliveries
    stream.read(9)
    stream.write()
    assert [row.status for row in stream.database.deliveries.values()] == ["dead"]
    stream.start()
    stream.read(9)
    stream.write()
    assert len(stream.database.deliveries) == 1


def test_recovered_events_are_asked_about_too() -> None:
    row = trigger(revision("10 / (new.id - 1) > 0"))
    owed = [
        OwedRow(log_row(f"e{n}", op="INSERT", new=b'{"id":%d,"status":"","total":1}' % n), none)
        for n, none in enumerate([frozenset[int]()] * 3)
    ]
    parks = list(RecoveryPlan([row], Lsn(1)).parks(owed))
    assert [(p.event.id, p.status, p.reason, p.last_error) for p in parks] == [
        ("e1", "dead", "recovered", "condition: divides by zero"),
        ("e2", "parked", "recovered", None),
    ]
