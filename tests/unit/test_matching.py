from __future__ import annotations

from typing import Any

import pytest
from support.deliveries import event

from cdc_triggers.core.columns import Holds
from cdc_triggers.core.matching import KEY_BYTES, TOTAL_KEY, Matcher, in_force
from cdc_triggers.core.records import Revision, TriggerRow
from cdc_triggers.core.shape import WHOLE
from cdc_triggers.core.snapshot import Snapshot
from cdc_triggers.core.spec import Trigger

NONE_BEFORE = Snapshot(1, 1, frozenset())
COLUMNS = ((1, "id"), (2, "name"), (3, "price"))


def revision(number: int = 1, applied: Snapshot = NONE_BEFORE, **spec: Any) -> Revision:
    given = {"name": "t", "table": "items", "webhook": "http://t/"} | spec
    given.setdefault("definition", {"insert": {}, "update": {}, "delete": {}})
    parsed = Trigger.model_validate(given)
    return Revision(number, parsed, {name: n for n, name in COLUMNS}, applied)


def trigger(
    *revisions: Revision,
    ordering: tuple[int, ...] = (1,),
    columns: tuple[tuple[int, str], ...] = COLUMNS,
    number: int = 1,
) -> TriggerRow:
    first = revisions or (revision(),)
    return TriggerRow(
        id=number,
        name=first[0].spec.name,
        table_id=1,
        paused=False,
        ordering_attnums=ordering,
        columns=columns,
        revisions=first,
    )


def keys(row: TriggerRow, op: str, **images: bytes) -> tuple[str | None, str | None]:
    (match,) = Matcher([row]).match(event(1, op, **images))  # type: ignore[arg-type]
    return match.key, match.old_key


def test_a_trigger_sees_no_transaction_that_committed_before_it_was_applied() -> None:
    row = trigger(revision(applied=Snapshot(50, 60, frozenset({55}))))
    seen = [xid for xid in (49, 54, 55, 56, 60) if Matcher([row]).match(event(1, xid=xid))]
    assert seen == [55, 60]


def test_the_newest_revision_that_was_not_yet_applied_at_the_transaction_is_in_force() -> None:
    older = revision(1, Snapshot(10, 10, frozenset()))
    newer = revision(2, Snapshot(20, 20, frozenset()))
    row = trigger(newer, older)
    found = [in_force(row, xid) for xid in (9, 10, 19, 20)]
    assert found == [None, older, older, newer]


@pytest.mark.parametrize("op", ["INSERT", "UPDATE", "DELETE"])
def test_only_operations_of_the_spec_match(op: str) -> None:
    row = trigger(revision(definition={op.lower(): {}}))
    image = b'{"id":1}'
    found = {
        each
        for each in ("INSERT", "UPDATE", "DELETE")
        if Matcher([row]).match(event(1, each, old=image, new=image))
    }
    assert found == {op}


def test_events_of_another_table_match_nothing() -> None:
    assert not Matcher([trigger()._replace(table_id=2)]).match(event(1, new=b'{"id":1}'))


def test_all_triggers_of_a_table_match_in_their_order() -> None:
    rows = [trigger(number=n) for n in (3, 1, 2)]
    found = Matcher(rows).match(event(1, new=b'{"id":1}'))
    assert [match.trigger.id for match in found] == [3, 1, 2]


def test_an_update_fires_only_if_a_listed_column_changed() -> None:
    matcher = Matcher([trigger(revision(definition={"update": {"columns": ["price"]}}))])
    old = b'{"id":1,"name":"a","price":1.0}'
    other = b'{"id":1,"name":"b","price":1.0}'
    changed = b'{"id":1,"name":"a","price":1.00}'
    assert not matcher.match(event(1, "UPDATE", old=old, new=other))
    assert matcher.match(event(2, "UPDATE", old=old, new=changed))


def test_a_listed_column_is_followed_through_a_rename() -> None:
    columns = ((1, "id"), (2, "name"), (3, "cost"))
    row = trigger(revision(definition={"update": {"columns": ["price"]}}), columns=columns)
    old, new = b'{"id":1,"name":"a","cost":1}', b'{"id":1,"name":"a","cost":2}'
    assert Matcher([row]).match(event(1, "UPDATE", old=old, new=new))


def test_the_ordering_key_is_the_raw_values_of_its_columns() -> None:
    row = trigger(ordering=(1, 2))
    assert keys(row, "INSERT", new=b'{"id":1.10,"name":"x"}') == ('[1.10,"x"]', None)
    assert keys(row, "DELETE", old=b'{"id":7,"name":null}') == ("[7,null]", None)


def test_an_update_that_changes_its_key_has_both() -> None:
    assert keys(trigger(), "UPDATE", old=b'{"id":1}', new=b'{"id":2}') == ("[2]", "[1]")
    assert keys(trigger(), "UPDATE", old=b'{"id":1}', new=b'{"id":1}') == ("[1]", None)


def test_total_order_has_one_key_and_no_order_none() -> None:
    row = b'{"id":1}'
    assert keys(trigger(revision(ordering="total"), ordering=()), "INSERT", new=row) == (
        TOTAL_KEY,
        None,
    )
    assert keys(trigger(revision(ordering="none")), "INSERT", new=row) == (None, None)
    assert keys(trigger(ordering=()), "INSERT", new=row) == (None, None)


@pytest.mark.parametrize("text", ["x" * KEY_BYTES, "é" * KEY_BYTES, "\\u0001" * KEY_BYTES])
def test_a_key_that_no_index_takes_is_told_by_its_digest(text: str) -> None:
    row = trigger(ordering=(2,))
    made = [
        keys(row, "UPDATE", old=f'{{"id":1,"name":"{a}"}}'.encode(), new=b'{"id":1,"name":"b"}')[1]
        for a in (text, text, f"{text}2")
    ]
    assert made[0] == made[1] != made[2]
    assert all(key is not None and len(key.encode()) <= KEY_BYTES for key in made)
    image = f'{{"id":1,"name":"{text}"}}'.encode()
    assert keys(row, "INSERT", new=image) == keys(row, "UPDATE", old=image, new=image)
    assert keys(row, "INSERT", new=image) == (made[0], None)


def test_a_key_that_just_fits_is_its_text() -> None:
    text = "x" * (KEY_BYTES - len('[""]'))
    image = f'{{"id":1,"name":"{text}"}}'.encode()
    assert keys(trigger(ordering=(2,)), "INSERT", new=image) == (f'["{text}"]', None)


def test_the_key_column_is_followed_through_a_rename_in_rows_from_before_and_after() -> None:
    before = Matcher([trigger(columns=((1, "id"), (2, "name")))])
    after = Matcher([trigger(columns=((1, "number"), (2, "name")))], before)
    for image in (b'{"id":5,"name":"a"}', b'{"number":5,"name":"a"}'):
        (match,) = after.match(event(1, new=image))
        assert match.key == "[5]"
    assert not after.stale


def test_an_unknown_layout_is_guessed_and_asked_for_once() -> None:
    matcher = Matcher([trigger(columns=((1, "id"), (2, "name")))])
    assert [m.key for m in matcher.match(event(1, new=b'{"number":5,"name":"a"}'))] == ["[5]"]
    assert matcher.stale
    again = Matcher([trigger(columns=((1, "id"), (2, "name")))], matcher)
    assert [m.key for m in again.match(event(1, new=b'{"number":6,"name":"a"}'))] == ["[6]"]
    assert not again.stale


def test_a_layout_that_was_guessed_and_then_described_stays_known() -> None:
    """A column was dropped and one of its name added, then the one between them was dropped."""
    first = Matcher([trigger(columns=((1, "id"), (2, "a"), (3, "b")), ordering=(4,))])
    row = event(1, new=b'{"id":5,"b":1,"a":2}')
    first.match(row)
    assert first.stale
    described = trigger(columns=((1, "id"), (3, "b"), (4, "a")), ordering=(4,))
    second = Matcher([described], first)
    assert [m.key for m in second.match(row)] == ["[2]"]
    third = Matcher([trigger(columns=((1, "id"), (4, "a")), ordering=(4,))], second)
    assert [m.key for m in third.match(row)] == ["[2]"]
    assert not third.stale


def test_a_manual_event_is_for_the_one_trigger_that_it_names() -> None:
    manual = revision(definition={"enable_manual": True})
    other = revision(name="other", definition={"enable_manual": True})
    closed = revision(name="closed")
    matcher = Matcher([trigger(manual), trigger(other, number=2), trigger(closed, number=3)])
    found = matcher.match(event(1, "MANUAL", new=b"{}", trigger_name="t"))
    assert [(m.trigger.id, m.key) for m in found] == [(1, None)]
    assert not matcher.match(event(1, "MANUAL", new=b"{}", trigger_name="closed"))


def test_payload_columns_have_the_names_of_the_row() -> None:
    row = trigger(columns=((1, "id"), (2, "name"), (3, "cost")))
    found = event(1, new=b'{"id":1,"name":"a","cost":1}')
    narrowed = revision(definition={"insert": {"payload": ["id", "price"]}})
    assert Matcher([row]).shape(found, narrowed).columns == ("id", "cost")
    assert Matcher([row]).shape(found, row.revisions[0]) is WHOLE


def test_only_a_spec_that_asks_for_it_has_its_numbers_as_text() -> None:
    row = trigger()._replace(holds=Holds(large=frozenset({1, 3})))
    found = event(1, new=b'{"id":1,"name":"a","price":1}')
    assert Matcher([row]).shape(found, revision()) is WHOLE
    asked = revision(stringify_numeric_types=True)
    assert Matcher([row]).shape(found, asked).numbers == {"id", "price"}
    assert Matcher([row]).shape(event(1, "MANUAL", new=b'{"id":1}'), asked) is WHOLE


def test_the_type_of_a_column_is_followed_through_its_rename_and_its_end() -> None:
    asked = revision(stringify_numeric_types=True)
    before = Matcher([trigger()._replace(holds=Holds(large=frozenset({3})))])
    renamed = trigger(columns=((1, "id"), (2, "name"), (3, "cost")))
    after = Matcher([renamed._replace(holds=Holds(large=frozenset({3})))], before)
    dropped = Matcher([trigger(columns=((1, "id"), (2, "name")))], after)
    retyped = Matcher([renamed], after)
    old, new = b'{"id":1,"name":"a","price":1}', b'{"id":1,"name":"a","cost":1}'
    assert after.shape(event(1, new=old), asked).numbers == {"price"}
    assert after.shape(event(1, new=new), asked).numbers == {"cost"}
    assert dropped.shape(event(1, new=new), asked).numbers == {"cost"}
    assert retyped.shape(event(1, new=new), asked) == WHOLE
