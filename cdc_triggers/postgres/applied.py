"""Which triggers are applied, and what are their tables like now?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdc_triggers.core import snapshot
from cdc_triggers.core.columns import TableColumns
from cdc_triggers.core.model import STORED
from cdc_triggers.core.records import Revision, TriggerRow
from cdc_triggers.core.spec import Trigger
from cdc_triggers.postgres.columns import table_columns
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg2.extensions import cursor


def applied_triggers(cur: cursor) -> list[TriggerRow]:
    """All of them in the order in which they were applied first."""
    cur.execute(query("store_triggers"))
    rows = cur.fetchall()
    tables = table_columns(cur, {row[5] for row in rows})
    return [_trigger(row, tables) for row in rows]


def _trigger(row: tuple[Any, ...], tables: Mapping[int, TableColumns]) -> TriggerRow:
    trigger_id, name, table_id, paused, ordering, oid, revisions = row
    table = tables.get(oid, TableColumns())
    return TriggerRow(
        id=trigger_id,
        name=name,
        table_id=table_id,
        paused=paused,
        ordering_attnums=tuple(ordering),
        columns=table.columns,
        revisions=tuple(_revision(*each) for each in revisions),
        holds=table.holds,
    )


def _revision(number: int, spec: object, attnums: dict[str, int], applied: str) -> Revision:
    trigger = Trigger.model_validate(spec, context=STORED)
    return Revision(number, trigger, attnums, snapshot.parse(applied))
