"""Which message do these bytes of PostgreSQL's own output plugin, `pgoutput`, hold?

Protocol version 1, text format. Source of the layout:
https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.messages import Begin, Commit, LogRow, Message, Other, Signal
from cdc_triggers.errors import DecodeError

SCHEMA: Final = b"cdc_triggers"
LOG_TABLE: Final = re.compile(rb"event_log(?:_[0-9]+)?")
"""The log table; its partitions too, should the publication not publish via the root."""

PREFIX: Final = b"cdc_triggers"
REQUIRED: Final = 9
"""The first nine columns of the log are NOT NULL."""

EPOCH_2000_US: Final = 946_684_800_000_000
"""PostgreSQL counts microseconds from 2000-01-01; we count from 1970-01-01."""

_COLUMNS: Final = tuple(name.encode() for name in LogRow._fields)
_IN_ORDER: Final = tuple(range(len(_COLUMNS)))
_BEGIN: Final = struct.Struct(">cQqI")
_COMMIT: Final = struct.Struct(">cBQQq")
_INSERT: Final = struct.Struct(">cIcH")
_RELATION: Final = struct.Struct(">cI")
_MESSAGE: Final = struct.Struct(">cBQ")
_LENGTH: Final = struct.Struct(">I")
_COUNT: Final = struct.Struct(">H")

_KIND_BEGIN: Final = ord("B")
_KIND_COMMIT: Final = ord("C")
_KIND_INSERT: Final = ord("I")
_KIND_MESSAGE: Final = ord("M")
_KIND_RELATION: Final = ord("R")
_IGNORED: Final = {
    ord("O"): Other("origin"),
    ord("Y"): Other("type"),
    ord("T"): Other("truncate"),
    ord("U"): Other("update"),
    ord("D"): Other("delete"),
}
_NULL: Final = ord("n")
_TEXT: Final = ord("t")
_RELATION_SEEN: Final = Other("relation")
_FOREIGN_ROW: Final = Other("insert")
_FOREIGN_MESSAGE: Final = Other("message")


class _Relation(NamedTuple):
    """How to read rows of a relation: `pick` is None if they are in the order of LogRow."""

    columns: int
    ours: bool
    pick: Callable[[Sequence[bytes | None]], tuple[bytes | None, ...]] | None


class PgOutput:
    """Decoder of one replication connection.

    PostgreSQL describes a relation once per connection, before its first row: keep one decoder for
    as long as the connection, and make a new one with the next.
    """

    def __init__(self) -> None:
        self._relations: dict[int, _Relation] = {}

    def decode(self, payload: bytes | memoryview) -> Message:
        """Read the payload of one XLogData message.

        Raises:
            DecodeError: it is truncated, has bytes left over, or is not of protocol version 1.
        """
        data = payload if type(payload) is bytes else bytes(payload)
        try:
            return self._decode(data)
        except (struct.error, IndexError) as error:
            raise DecodeError(f"a pgoutput message of {len(data)} bytes is cut off") from error

    def _decode(self, data: bytes) -> Message:
        kind = data[0]
        if kind == _KIND_INSERT:
            return self._insert(data)
        if kind == _KIND_BEGIN:
            _, final_lsn, commit_us, xid = _BEGIN.unpack(data)
            return Begin(Lsn(final_lsn), commit_us + EPOCH_2000_US, xid)
        if kind == _KIND_COMMIT:
            _, flags, commit_lsn, end_lsn, commit_us = _COMMIT.unpack(data)
            if flags:
                raise DecodeError(f"pgoutput commit with unknown flags {flags}")
            return Commit(Lsn(commit_lsn), Lsn(end_lsn), commit_us + EPOCH_2000_US)
        if kind == _KIND_RELATION:
            return self._relation(data)
        if kind == _KIND_MESSAGE:
            return _logical_message(data)
        try:
            return _IGNORED[kind]
        except KeyError:
            raise DecodeError(f"unknown pgoutput message type {data[:1]!r}") from None

    def _insert(self, data: bytes) -> Message:
        _, oid, new, count = _INSERT.unpack_from(data)
        relation = self._relations.get(oid)
        if relation is None or new != b"N" or count != relation.columns:
            raise DecodeError(_why_not(oid, relation, new, count))
        values: list[bytes | None] = []
        pos = _walk(data, count, values)
        if pos != len(data):
            raise DecodeError(f"a pgoutput insert of {len(data)} bytes should have {pos}")
        if not relation.ours:
            return _FOREIGN_ROW
        found = relation.pick(values) if relation.pick else values
        if None in found[:REQUIRED]:
            raise DecodeError(f"column {LogRow._fields[found.index(None)]} of the log is NULL")
        return tuple.__new__(LogRow, found)  # as `_make` does it

    def _relation(self, data: bytes) -> Message:
        _, oid = _RELATION.unpack_from(data)
        schema, pos = _text(data, _RELATION.size)
        table, pos = _text(data, pos)
        (count,) = _COUNT.unpack_from(data, pos + 1)  # one byte before it: replica identity
        pos += 3
        names = []
        for _ in range(count):
            name, end = _text(data, pos + 1)  # one byte before it: flags
            names.append(name)
            pos = end + 8  # type and type modifier
        if pos != len(data):
            raise DecodeError(f"pgoutput relation ends at byte {pos} of {len(data)}")
        ours = schema == SCHEMA and LOG_TABLE.fullmatch(table) is not None
        self._relations[oid] = _Relation(count, ours, _picker(names) if ours else None)
        return _RELATION_SEEN


def _walk(data: bytes, count: int, values: list[bytes | None]) -> int:
    """Append the columns of an insert and return the position after them."""
    pos = _INSERT.size
    append = values.append
    unpack = _LENGTH.unpack_from
    for _ in range(count):
        if data[pos] == _NULL:
            append(None)
            pos += 1
            continue
        # One slice tells kind and size of all but long values: half the cost of unpack_from.
        if data[pos : pos + 4] == b"t\0\0\0":
            start = pos + 5
            pos = start + data[pos + 4]
        elif data[pos] == _TEXT:
            start = pos + 5
            pos = start + unpack(data, pos + 1)[0]
        else:
            raise DecodeError(f"a column of a pgoutput insert is of kind {data[pos : pos + 1]!r}")
        append(data[start:pos])
    return pos


def _picker(
    names: list[bytes],
) -> Callable[[Sequence[bytes | None]], tuple[bytes | None, ...]] | None:
    """Map the relation's columns to LogRow by name: a newer schema may have more of them."""
    missing = [name.decode() for name in _COLUMNS if name not in names]
    if missing:
        raise DecodeError(
            f"cdc_triggers.event_log has no column {', '.join(missing)}",
            hint="the schema is not the one this version installs: run `cdc-triggers apply`",
        )
    places = tuple(names.index(name) for name in _COLUMNS)
    if places == _IN_ORDER and len(names) == len(_COLUMNS):
        return None
    return itemgetter(*places)


def _logical_message(data: bytes) -> Message:
    """Only transactional messages have a place among the rows; others are not ours."""
    _, flags, _ = _MESSAGE.unpack_from(data)
    prefix, pos = _text(data, _MESSAGE.size)
    (length,) = _LENGTH.unpack_from(data, pos)
    start = pos + 4
    if start + length != len(data):
        raise DecodeError(f"pgoutput logical message ends at byte {start + length} of {len(data)}")
    if flags > 1:
        raise DecodeError(f"pgoutput logical message with unknown flags {flags}")
    if prefix != PREFIX or not flags:
        return _FOREIGN_MESSAGE
    return Signal(data[start:])


def _text(data: bytes, start: int) -> tuple[bytes, int]:
    """A NUL-terminated string and the position after it."""
    end = data.find(b"\0", start)
    if end < 0:
        raise DecodeError(f"unterminated text in pgoutput message {data[:1]!r}")
    return data[start:end], end + 1


def _why_not(oid: int, relation: _Relation | None, new: bytes, count: int) -> str:
    if relation is None:
        return f"pgoutput row of relation {oid}, which was not described before"
    if new != b"N":
        return f"pgoutput insert with tuple type {new!r}"
    return f"pgoutput row has {count} columns, its relation {relation.columns}"
