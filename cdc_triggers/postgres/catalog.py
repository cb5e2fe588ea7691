"""Reads from the system catalogs what planning must know. Takes no lock and writes nothing."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Any

from cdc_triggers.core.catalog import (
    Applied,
    Captured,
    CaptureTrigger,
    Catalog,
    Details,
    Kind,
    Relation,
)
from cdc_triggers.core.columns import TableColumns
from cdc_triggers.core.resolve import Tables
from cdc_triggers.core.spec import Trigger
from cdc_triggers.postgres.columns import table_columns
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg2 import extensions


def read_catalog(connection: extensions.connection, triggers: Sequence[Trigger]) -> Catalog:
    """The state of the database, with details of the tables that `triggers` or capture concern."""
    with connection.cursor() as cursor:
        role, installed = _rows(cursor, "catalog_server")[0]
        relations = [
            Relation(oid, schema, name, Kind(kind))
            for oid, schema, name, kind in _rows(cursor, "catalog_relations")
        ]
        captured = _captured(cursor) if installed else []
        applied = _applied(cursor) if installed else []
        capture = _capture(cursor)
        oids = {*capture, *(c.oid for c in captured), *_named(triggers, relations, applied)}
        details, hasura = _details(cursor, oids), _hasura(cursor)
        return Catalog(role, relations, details, capture, captured, applied, hasura)


def _named(
    triggers: Sequence[Trigger], relations: Sequence[Relation], applied: Sequence[Applied]
) -> set[int]:
    tables = Tables(relations, applied)
    return {found.oid for spec in triggers if (found := tables.of(spec)) is not None}


def _captured(cursor: extensions.cursor) -> list[Captured]:
    return [
        Captured(number, oid, level, tuple(key))
        for number, oid, level, key in _rows(cursor, "catalog_captured")
    ]


def _applied(cursor: extensions.cursor) -> list[Applied]:
    return [
        Applied(
            number,
            name,
            oid,
            Trigger.model_validate_json(definition),
            revision,
            json.loads(attnums),
            tuple(ordering),
        )
        for number, name, oid, definition, revision, attnums, ordering in _rows(
            cursor, "catalog_applied"
        )
    ]


def _capture(cursor: extensions.cursor) -> dict[int, tuple[CaptureTrigger, ...]]:
    rows = _rows(cursor, "catalog_capture_triggers")
    return {
        oid: tuple(
            CaptureTrigger(name, function, tuple(arguments), enabled)
            for _, name, function, arguments, enabled in group
        )
        for oid, group in groupby(rows, key=lambda row: int(row[0]))
    }


def _hasura(cursor: extensions.cursor) -> dict[int, tuple[str, ...]]:
    rows = _rows(cursor, "catalog_hasura_triggers")
    return {
        oid: tuple(name for _, name in group)
        for oid, group in groupby(rows, key=lambda row: int(row[0]))
    }


def _details(cursor: extensions.cursor, oids: set[int]) -> Mapping[int, Details]:
    tables = table_columns(cursor, oids)
    found = {}
    for oid, virtual, key, *flags in _rows(cursor, "catalog_details", {"oids": sorted(oids)}):
        columns, types, holds = tables.get(oid, TableColumns())
        found[oid] = Details(
            {name: number for number, name in columns}, tuple(virtual), tuple(key), *flags
        )._replace(
            types={name: of for (_, name), of in zip(columns, types, strict=True)}, holds=holds
        )
    return found


def _rows(
    cursor: extensions.cursor, name: str, parameters: Mapping[str, object] | None = None
) -> list[tuple[Any, ...]]:
    cursor.execute(query(name), parameters)
    return cursor.fetchall()
