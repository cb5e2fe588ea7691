"""Which message does this line of the output plugin `wal2json` hold?

Format version 2 with include-transaction, include-lsn, include-timestamp and include-xids. Compared
with pgoutput on the same transactions: `lsn` of B and C is the commit record's LSN, `nextlsn` is
pgoutput's `end_lsn`. A message (`M`) has neither flags nor relations: it is complete in itself.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import orjson

from cdc_triggers.core import lsn
from cdc_triggers.core.messages import Begin, Commit, LogRow, Message, Other, Signal
from cdc_triggers.core.pgoutput import LOG_TABLE, PREFIX, REQUIRED, SCHEMA
from cdc_triggers.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Mapping

_Wanted = TypeVar("_Wanted", str, int, bool, list[object])

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIMESTAMP = re.compile(r"\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?[+-]\d\d(?::\d\d){0,2}")
_LOG_TABLE = re.compile(LOG_TABLE.pattern.decode())
_IGNORED = {"U": Other("update"), "D": Other("delete"), "T": Other("truncate")}
_FOREIGN_ROW = Other("insert")
_FOREIGN_MESSAGE = Other("message")


class Wal2Json:
    """Decoder of one replication connection; it keeps nothing between messages."""

    def decode(self, payload: bytes | memoryview) -> Message:
        """Read the payload of one XLogData message.

        Raises:
            DecodeError: it is not a line of format version 2, or an option named above is off.
        """
        record = _parse(payload)
        del payload  # it may be large, and so is what is made of the record
        action = record.get("action")
        if action == "I":
            return _row(record)
        if action == "B":
            return Begin(_lsn(record, "lsn"), _microseconds(record), _get(record, "xid", int))
        if action == "C":
            return Commit(_lsn(record, "lsn"), _lsn(record, "nextlsn"), _microseconds(record))
        if action == "M":
            return _logical_message(record)
        if isinstance(action, str) and action in _IGNORED:
            return _IGNORED[action]
        raise DecodeError(
            f"unknown wal2json action {action!r}",
            hint="the slot must be read with format-version 2",
        )


def _parse(payload: bytes | memoryview) -> Mapping[str, object]:
    try:
        record = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        # The content of somebody else's logical message is bytes of any kind, written as they are.
        text = bytes(payload).decode(errors="replace")
        try:
            record = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise DecodeError(f"wal2json wrote what is not JSON: {error}") from error
        if not isinstance(record, dict) or record.get("action") != "M":
            raise DecodeError(f"wal2json wrote what is not UTF-8: {error}") from error
    if not isinstance(record, dict):
        raise DecodeError("wal2json wrote what is not an object")
    return record


def _row(record: Mapping[str, object]) -> Message:
    if record.get("schema") != SCHEMA.decode() or not _LOG_TABLE.fullmatch(
        _get(record, "table", str)
    ):
        return _FOREIGN_ROW
    values: dict[object, bytes | None] = {}
    for column in _get(record, "columns", list):
        if not isinstance(column, dict) or "name" not in column or "value" not in column:
            raise DecodeError("wal2json wrote a column without name or value")
        values[column["name"]] = _bytes(column["name"], column["value"])
    try:
        row = LogRow._make(values[name] for name in LogRow._fields)
    except KeyError as error:
        raise DecodeError(
            f"cdc_triggers.event_log has no column {error.args[0]}",
            hint="the schema is not the one this version installs: run `cdc-triggers apply`",
        ) from None
    if None in row[:REQUIRED]:
        raise DecodeError(f"column {LogRow._fields[row.index(None)]} of the log is NULL")
    return row


def _bytes(name: object, value: object) -> bytes | None:
    """The column's text output: integers come as JSON numbers, all else of ours as strings."""
    if value is None:
        return None
    if type(value) is str:
        return value.encode()
    if type(value) is int:
        return b"%d" % value
    if name in LogRow._fields:
        raise DecodeError(f"wal2json wrote column {name} of the log as {type(value).__name__}")
    return b""


def _logical_message(record: Mapping[str, object]) -> Message:
    """Only transactional messages have a place among the rows; others are not ours."""
    transactional = _get(record, "transactional", bool)
    if _get(record, "prefix", str) != PREFIX.decode() or not transactional:
        return _FOREIGN_MESSAGE
    return Signal(_get(record, "content", str).encode())


def _get(record: Mapping[str, object], key: str, wanted: type[_Wanted]) -> _Wanted:
    value = record.get(key)
    if type(value) is not wanted:
        raise DecodeError(
            f"wal2json wrote {key} = {value!r} in action {record.get('action')}",
            hint="read the slot with include-transaction, include-lsn, include-timestamp"
            " and include-xids",
        )
    return value


def _lsn(record: Mapping[str, object], key: str) -> lsn.Lsn:
    text = _get(record, key, str)
    try:
        return lsn.parse(text)
    except ValueError:
        raise DecodeError(f"wal2json wrote {key} = {text!r}, which is not an LSN") from None


def _microseconds(record: Mapping[str, object]) -> int:
    text = _get(record, "timestamp", str)
    try:
        if not _TIMESTAMP.fullmatch(text):
            raise ValueError(text)  # noqa: TRY301 - one way out for both
        return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
    except ValueError:
        raise DecodeError(f"wal2json wrote timestamp = {text!r}") from None
