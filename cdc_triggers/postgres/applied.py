"""Which triggers are applied, and what are their tables like now?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from cdc_triggers.core import snapshot
from cdc_triggers.core.columns import TableColumns
from cdc_triggers.core.model import STORED
from cdc_triggers.core.records import Revision, TriggerRow
from cdc_triggers.core.spec import Trigger
from cdc_triggers.errors import DatabaseError
from cdc_triggers.postgres.columns import table_columns
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg2.extensions import cursor


def applied_triggers(cur: cursor) -> list[TriggerRow]:
    """All of them in the order in which they were applied first.

    Raises:
        DatabaseError: one was applied by a version that knows more, or less, of a trigger.
    """
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
        revisions=tuple(_revision(name, *each) for each in revisions),
        holds=table.holds,
    )


def _revision(
    name: str, number: int, spec: object, attnums: dict[str, int], applied: str
) -> Revision:
    try:
        trigger = Trigger.model_validate(spec, context=STORED)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, wrong["loc"]))
        raise DatabaseError(
            f"this version cannot read trigger {name!r} as it was applied: {place}: {wrong['msg']}",
            hint="run the version of cdc-triggers that applied it",
        ) from error
    return Revision(number, trigger, attnums, snapshot.parse(applied))
