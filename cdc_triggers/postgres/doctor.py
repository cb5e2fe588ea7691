"""The facts about a database that `core.health` judges; SQL is in `sql/queries/doctor_*.sql`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cdc_triggers.core import health
from cdc_triggers.core.health import Facts, Holder, RoleFacts, TableFacts
from cdc_triggers.core.providers import TRACES
from cdc_triggers.core.slot_health import PublicationFacts, SlotFacts
from cdc_triggers.errors import CdcTriggersError
from cdc_triggers.postgres.connect import connect, connect_replication, translated
from cdc_triggers.postgres.queries import query
from cdc_triggers.postgres.remedies import PoolerError, ReplicationRightError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2.extensions import connection

    from cdc_triggers.core.finding import Finding

APPLICATION_NAME: Final = "cdc-triggers doctor"

_SETTINGS: Final = (
    "default_transaction_read_only",
    "idle_replication_slot_timeout",
    "max_replication_slots",
    "max_slot_wal_keep_size",
    "max_wal_senders",
    "output_plugin_libraries",
    "server_encoding",
    "synchronous_commit",
    "wal_level",
)


class Wanted(NamedTuple):
    """What the user is about to run: the doctor examines the database for that."""

    slot: str = "cdc_triggers"
    plugin: str = "pgoutput"
    publication: str = "cdc_triggers"
    tables: Sequence[str] = ()


def examine(dsn: str, wanted: Wanted) -> tuple[Finding, ...]:
    """Connect, look, and judge; changes nothing.

    Raises:
        UsageError: the connection string makes no sense.
        DatabaseError: the database cannot be reached or asked.
    """
    return health.examine(collect(dsn, wanted))


def collect(dsn: str, wanted: Wanted) -> Facts:
    """The facts. It also tries a connection for replication: only that shows a pooler in the way.

    Raises:
        UsageError: the connection string makes no sense.
        DatabaseError: the database cannot be reached or asked.
    """
    with closing(connect(dsn, application_name=APPLICATION_NAME)) as asked, translated():
        return _collect(asked, wanted, _refusal(dsn))


def _collect(asked: connection, wanted: Wanted, refusal: CdcTriggersError | None) -> Facts:
    (server,) = _rows(asked, "server", settings=list(_SETTINGS), traces=list(TRACES))
    (role,) = _rows(asked, "role")
    slots = _rows(asked, "slot", slots=[wanted.slot])
    (publication,) = _rows(asked, "publication", slot=wanted.slot, publication=wanted.publication)
    parameters = asked.get_dsn_parameters()
    return Facts(
        host=asked.info.host or parameters.get("host", ""),
        port=asked.info.port,
        same_backend=server.pop("backend_pid") == asked.info.backend_pid,
        traces=frozenset(server.pop("traces")),
        role=_role(role, refusal),
        tables=tuple(
            TableFacts(**row) for row in _rows(asked, "tables", tables=list(wanted.tables))
        ),
        publication=PublicationFacts(name=wanted.publication, **publication),
        slot=SlotFacts(**slots[0]) if slots else None,
        other_slots=tuple(SlotFacts(**row) for row in _other_slots(asked, wanted.slot)),
        wanted_slot=wanted.slot,
        wanted_plugin=wanted.plugin,
        holders=tuple(
            Holder(**row) for row in _rows(asked, "holders", patience_s=health.PATIENCE_S)
        ),
        **server,
    )


def _other_slots(asked: connection, wanted: str) -> list[dict[str, Any]]:
    """The other slots that apply has made here, or a stream has used."""
    (recorded,) = _rows(asked, "recorded")
    if not recorded["readable"]:
        return []
    with asked.cursor() as cursor:
        cursor.execute(query("apply_slot_names"))
        names = sorted({name for (name,) in cursor} - {wanted})
    return [row for row in _rows(asked, "slot", slots=names) if row["here"]]


def _refusal(dsn: str) -> CdcTriggersError | None:
    """Why no connection for replication can be made; None if it can."""
    try:
        connect_replication(dsn, application_name=APPLICATION_NAME).close()
    except CdcTriggersError as error:
        return error
    return None


def _role(row: dict[str, Any], refusal: CdcTriggersError | None) -> RoleFacts:
    if refusal is None:
        return RoleFacts(**row)
    return RoleFacts(
        **row,
        refusal=refusal.message,
        refusal_hint=refusal.hint,
        refused_right=isinstance(refusal, ReplicationRightError),
        refused_pooler=isinstance(refusal, PoolerError),
    )


def _rows(asked: connection, name: str, **arguments: object) -> list[dict[str, Any]]:
    with asked.cursor() as cursor:
        cursor.execute(query(f"doctor_{name}"), arguments)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]
