"""The SQL of capture: functions with their constants baked in, and capture triggers."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple

from psycopg2 import sql

from cdc_triggers.core.plan import ATTACHED, PREFIX
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2 import extensions

    from cdc_triggers.core.catalog import CaptureTrigger, Relation
    from cdc_triggers.core.hasura_capture import Beside
    from cdc_triggers.postgres.migrations import Migration

# uuidv7() is there from PostgreSQL 18 on.
_NATIVE_UUID_VERSION: Final = 180000

_REFERENCING: Final = {
    "capture_insert": "REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT",
    "capture_update": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT",
    "capture_delete": "REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT",
    "capture_row": "FOR EACH ROW",
}

# Asked for every row, before the trigger is queued: with a function of PostgreSQL's own it costs
# nothing that can be measured. The name becomes an oid, which a rename does not change.
_ONLY_ATTACHED: Final = "FOR EACH ROW WHEN (pg_catalog.pg_partition_root({}::regclass) IS NOT NULL)"

_DOOMED: Final = sql.Identifier("cdc_triggers", "capture_doomed")


class Rendered(NamedTuple):
    """SQL and the lock that it takes on the table until the transaction ends."""

    sql: sql.Composable
    lock: str


def functions_sql(cursor: extensions.cursor, version: int) -> str:
    """The text of all capture functions, with what is this database's own baked in."""
    cursor.execute(query("apply_rings"))
    text, baked = _template(version), {}
    for name, buckets, period_s in cursor.fetchall():
        kind = "event" if name == "event_log" else name
        baked[f"{kind}_buckets"], baked[f"{kind}_period_s"] = str(buckets), str(period_s)
    cursor.execute(query("apply_event_id_base"))
    baked["event_id_base"] = "".join(f"({base})" for (base,) in cursor.fetchall())
    for name, value in baked.items():
        text = text.replace("{" + name + "}", value)
    return text


def installation_sql(todo: Sequence[Migration], version: int) -> str:
    """For people: all that the first installation runs; the rings' constants stay in braces."""
    parts = [query("apply_migration_table"), *(each.sql for each in todo)]
    parts += [query("apply_ring_partitions"), _template(version)]
    return "\n".join(["CREATE SCHEMA cdc_triggers;", *(_ended(part) for part in parts)])


def _ended(text: str) -> str:
    return text.rstrip().removesuffix(";") + ";"


def _template(version: int) -> str:
    """The capture functions as they are written, with this server's way to make a UUID."""
    folder = files("cdc_triggers") / "sql" / "capture"
    parts = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    text = "\n".join(part.read_text("utf-8") for part in parts)
    return text.replace("{uuid}", _uuid(version))


def checksum(text: str) -> str:
    """Tells whether the functions in the database are these."""
    return hashlib.sha256(text.encode()).hexdigest()


def create_trigger(relation: Relation, trigger: CaptureTrigger) -> tuple[Rendered, ...]:
    """Create it, or replace the one of its name; TRIGGER on the table is all it takes."""
    table = sql.Identifier(relation.schema, relation.name)
    created = sql.SQL(
        "CREATE OR REPLACE TRIGGER {} AFTER {} ON {}\n    {}\n    EXECUTE FUNCTION {}({})"
    )
    rendered = created.format(
        sql.Identifier(trigger.name),
        _operation(trigger),
        table,
        _scope(relation, trigger),
        sql.Identifier("cdc_triggers", trigger.function),
        sql.SQL(", ").join(map(sql.Literal, trigger.arguments)),
    )
    lock = f"SHARE ROW EXCLUSIVE on {relation}: writers wait, readers do not"
    if trigger.enabled == "O":
        return (Rendered(rendered, lock),)
    enabled = sql.SQL("ALTER TABLE {} ENABLE REPLICA TRIGGER {}")
    enable = enabled.format(table, sql.Identifier(trigger.name))
    return (Rendered(rendered, lock), Rendered(enable, lock))


def _scope(relation: Relation, trigger: CaptureTrigger) -> sql.Composable:
    """Whether it fires per statement or per row, and on which rows."""
    if ATTACHED not in trigger.arguments[1:2]:
        return sql.SQL(_REFERENCING[trigger.function])
    quoted = (name.replace('"', '""') for name in (relation.schema, relation.name))
    return sql.SQL(_ONLY_ATTACHED).format(sql.Literal(".".join(f'"{name}"' for name in quoted)))


def drop_trigger(relation: Relation, trigger: CaptureTrigger, owned: bool) -> tuple[Rendered, ...]:  # noqa: FBT001 - a fact of the catalog, not a switch
    """Drop it. A role that is not the owner drops the function under it instead."""
    table = sql.Identifier(relation.schema, relation.name)
    lock = f"ACCESS EXCLUSIVE on {relation}: all wait"
    if owned:
        dropped = sql.SQL("DROP TRIGGER {} ON {}").format(sql.Identifier(trigger.name), table)
        return (Rendered(dropped, lock),)
    ends = sql.SQL("DROP FUNCTION {} CASCADE").format(_DOOMED)
    return (
        Rendered(sql.SQL(query("apply_doomed")), ""),
        _doom(relation, trigger),
        Rendered(ends, lock),
    )


def silence_hasura(beside: Beside) -> Rendered:
    """Turn one of Hasura's capture triggers off. Off, not dropped: it can be turned on again."""
    table = sql.Identifier(beside.relation.schema, beside.relation.name)
    disabled = sql.SQL("ALTER TABLE {} DISABLE TRIGGER {}")
    lock = f"SHARE ROW EXCLUSIVE on {beside.relation}: writers wait, readers do not"
    return Rendered(disabled.format(table, sql.Identifier(beside.name)), lock)


def _doom(relation: Relation, trigger: CaptureTrigger) -> Rendered:
    """The trigger of that name, now on the function that is about to be dropped with it."""
    replaced = sql.SQL("CREATE OR REPLACE TRIGGER {} AFTER {} ON {} {} EXECUTE FUNCTION {}()")
    per_row = sql.SQL("FOR EACH ROW" if trigger.arguments[1:] else "FOR EACH STATEMENT")
    rendered = replaced.format(
        sql.Identifier(trigger.name),
        _operation(trigger),
        sql.Identifier(relation.schema, relation.name),
        per_row,
        _DOOMED,
    )
    return Rendered(rendered, f"SHARE ROW EXCLUSIVE on {relation}: writers wait")


def _operation(trigger: CaptureTrigger) -> sql.SQL:
    """What it fires on: its name says so."""
    return sql.SQL(trigger.name.removeprefix(PREFIX).partition("_")[0].upper())


def _uuid(version: int) -> str:
    return "uuidv7()" if version >= _NATIVE_UUID_VERSION else query("apply_uuid").strip()
