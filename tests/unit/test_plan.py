"""Planning is pure: the wanted triggers and a catalog in, changes and problems out."""

from __future__ import annotations

from support.specs import trigger

from cdc_triggers.core.catalog import (
    Applied,
    Captured,
    CaptureTrigger,
    Catalog,
    Details,
    Kind,
    Relation,
)
from cdc_triggers.core.plan import NEW_TABLE, Change, make_plan, numbered

ORDERS = Relation(10, "public", "orders", Kind.ORDINARY)
PLAIN = Details({"id": 1, "status": 2}, (), (1,), False, False, False, True, True)  # noqa: FBT003 - positional in this table of facts
CAPTURE = tuple(
    capture
    for op in ("insert", "update", "delete")
    for capture in (
        CaptureTrigger(f"00_cdc_triggers_{op}_5", f"capture_{op}", ("5",), "O"),
        CaptureTrigger(f"00_cdc_triggers_{op}_5_attached", "capture_row", ("5", "attached"), "O"),
    )
)


def catalog(
    relation: Relation = ORDERS, details: Details = PLAIN, *applied: Applied, captured: bool = False
) -> Catalog:
    return Catalog(
        role="me",
        relations=[relation],
        details={relation.oid: details},
        capture={relation.oid: CAPTURE} if captured else {},
        captured=[Captured(5, relation.oid, "statement", (1,))] if captured else [],
        applied=applied,
    )


def applied(**changes: object) -> Applied:
    before = Applied(3, "t", 10, trigger(), 1, {}, (1,))
    return before._replace(**changes)  # type: ignore[arg-type]


def test_a_database_as_wanted_gives_an_empty_plan() -> None:
    assert make_plan([trigger()], {}, catalog(ORDERS, PLAIN, applied(), captured=True)).empty


HASURAS = ("notify_hasura_other_INSERT", "notify_hasura_t_INSERT", "notify_hasura_t_UPDATE")


def test_hasuras_capture_for_the_same_trigger_is_noted_and_left_alone() -> None:
    found = catalog(ORDERS, PLAIN, applied(), captured=True)._replace(hasura={10: HASURAS})
    plan = make_plan([trigger()], {}, found)
    assert (plan.empty, plan.silenced) == (True, ())
    (note,) = plan.notes
    assert note.startswith("t: Hasura captures public.orders for its trigger of this name too")


def test_hasuras_capture_for_the_same_trigger_is_turned_off_if_that_is_asked_for() -> None:
    found = catalog(ORDERS, PLAIN, applied(), captured=True)._replace(hasura={10: HASURAS})
    plan = make_plan([trigger()], {}, found, replace_hasura=True)
    assert [beside.name for beside in plan.silenced] == list(HASURAS[1:])
    assert (plan.empty, plan.notes) == (False, ())
    off = make_plan([trigger()], {}, found._replace(hasura={}), replace_hasura=True)
    assert off.empty


def test_only_the_owner_of_a_table_can_turn_hasuras_capture_off() -> None:
    found = catalog(ORDERS, PLAIN._replace(owned=False))._replace(hasura={10: HASURAS})
    (problem,) = make_plan([trigger()], {}, found, replace_hasura=True).problems
    assert problem.startswith("t: --replace-hasura needs the owner of public.orders, and me is not")
    assert not make_plan([trigger()], {}, found).problems


def test_a_new_table_is_captured_by_statement_under_the_id_it_will_get() -> None:
    plan = make_plan([trigger()], {}, catalog())
    (table,) = plan.tables
    assert (table.table_id, table.level, plan.names(Change.ADDED)) == (
        NEW_TABLE,
        "statement",
        ("t",),
    )
    assert numbered(table, "5") == CAPTURE


def test_partitions_inheritance_and_own_row_triggers_need_row_triggers() -> None:
    for details in (
        PLAIN._replace(is_partition=True),
        PLAIN._replace(inherits=True),
        PLAIN._replace(own_row_triggers=True),
    ):
        (table,) = make_plan([trigger()], {}, catalog(ORDERS, details)).tables
        assert (table.level, {t.function for t in table.create}) == ("row", {"capture_row"})


def test_the_name_of_a_partitioned_table_comes_from_the_root_or_from_the_log() -> None:
    relation = ORDERS._replace(kind=Kind.PARTITIONED)
    for is_partition, naming in ((False, "root"), (True, "parent")):
        details = PLAIN._replace(inherits=True, is_partition=is_partition)
        (table,) = make_plan([trigger()], {}, catalog(relation, details)).tables
        assert {t.arguments[1] for t in table.create} == {naming}


def test_replicated_rows_name_the_trigger_only_if_another_does_not_want_them() -> None:
    wants, other = trigger("a", trigger_on_replication=True), trigger("b")
    for specs, meant in (([wants], set()), ([wants, other], {"a"})):
        (table,) = make_plan(specs, {}, catalog()).tables
        replica = [t for t in table.create if t.enabled == "R"]
        assert len(replica) == 3
        assert {name for t in replica for name in t.arguments[2:]} == meant


def test_a_capture_trigger_name_fits_into_an_identifier() -> None:
    longest = trigger("x" * 42, trigger_on_replication=True)
    (table,) = make_plan([longest, trigger()], {}, catalog()).tables
    assert all(len(t.name) <= 63 for t in numbered(table, str(2**31 - 1)))


def test_a_key_that_changed_in_the_database_is_a_new_revision() -> None:
    details = PLAIN._replace(key_attnums=(2,))
    plan = make_plan([trigger()], {}, catalog(ORDERS, details, applied(), captured=True))
    assert plan.names(Change.CHANGED) == ("t",)
    assert plan.tables[0].key_attnums == (2,)


def test_a_column_dropped_and_made_again_is_a_new_revision() -> None:
    spec = trigger(definition={"update": {"columns": ["status"]}})
    details = PLAIN._replace(columns={"id": 1, "status": 3})
    before = applied(spec=spec, attnums={"status": 2})
    plan = make_plan([spec], {}, catalog(ORDERS, details, before))
    assert plan.names(Change.CHANGED) == ("t",)


def test_a_column_renamed_since_is_followed_and_noted() -> None:
    spec = trigger(definition={"update": {"columns": ["old_name"]}})
    before = applied(spec=spec, attnums={"old_name": 2})
    plan = make_plan([spec], {}, catalog(ORDERS, PLAIN, before))
    assert (plan.problems, plan.changes) == ((), ())
    assert plan.notes == ("t: column old_name is now called status",)


def test_removing_the_last_trigger_drops_capture_and_nothing_else_is_needed() -> None:
    plan = make_plan([], {}, catalog(ORDERS, PLAIN, applied(), captured=True))
    (table,) = plan.tables
    assert (plan.names(Change.REMOVED), table.needed, table.create) == (("t",), False, ())
    assert table.drop == CAPTURE


def test_a_name_used_twice_is_a_problem_with_its_place() -> None:
    plan = make_plan([trigger(), trigger()], {"t": "f.yaml:9"}, catalog())
    assert plan.problems[0].startswith("f.yaml:9: t: 2 triggers have this name")
    assert (plan.changes, plan.tables) == ((), ())


def test_what_cannot_be_captured_is_refused_with_what_to_do() -> None:
    for kind in Kind:
        if kind in (Kind.ORDINARY, Kind.PARTITIONED):
            continue
        plan = make_plan([trigger()], {}, catalog(ORDERS._replace(kind=kind)))
        (problem,) = plan.problems
        assert "t: public.orders " in problem
        assert ":" in problem.partition("public.orders")[2]
