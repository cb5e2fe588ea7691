"""What a logical replication stream says, the same for every output plugin.

A decoder turns the payload of one XLogData message into one of these. They are NamedTuples because
one is made for every row: a frozen dataclass of ten fields costs four times as much.
"""

from __future__ import annotations

from typing import NamedTuple

from cdc_triggers.core.lsn import Lsn


class Begin(NamedTuple):
    """A committed transaction starts; its rows follow, contiguous.

    Attributes:
        final_lsn: LSN of the commit record.
        commit_us: commit time, microseconds since 1970-01-01 UTC.
        xid: 32-bit transaction id.
    """

    final_lsn: Lsn
    commit_us: int
    xid: int


class Commit(NamedTuple):
    """The transaction is complete. `end_lsn` is the only LSN that may ever be confirmed for it."""

    commit_lsn: Lsn
    end_lsn: Lsn
    commit_us: int


class LogRow(NamedTuple):
    """One row of `cdc_triggers.event_log`, fields as PostgreSQL's text output; None is NULL.

    The order is that of the table's columns; a decoder finds them by name.
    """

    bucket: bytes
    seq: bytes
    id: bytes
    table_id: bytes
    xid: bytes
    created_at: bytes
    op: bytes
    schema_name: bytes
    table_name: bytes
    old: bytes | None
    new: bytes | None
    session: bytes | None
    trace: bytes | None
    trigger_name: bytes | None


class Signal(NamedTuple):
    """A transactional logical message of ours (prefix `cdc_triggers`): `content` says what changed.

    `apply`, pause and resume send `reload`, so that specs change at an exact place of the stream.
    """

    content: bytes


class Other(NamedTuple):
    """A message that carries nothing for us (relation, type, origin, a foreign prefix)."""

    kind: str


Message = Begin | Commit | LogRow | Signal | Other
