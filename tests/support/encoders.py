"""What both output plugins and the server write, and strategies for it."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from cdc_triggers.core.lsn import Lsn, show
from cdc_triggers.core.messages import Begin, Commit, LogRow, Message, Signal

if TYPE_CHECKING:
    from collections.abc import Sequence

OID = 16384
EPOCH_2000_US = 946_684_800_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def relation(
    columns: Sequence[str], oid: int = OID, name: bytes = b"cdc_triggers\0event_log\0"
) -> bytes:
    head = b"R" + struct.pack(">I", oid) + name + b"d" + struct.pack(">H", len(columns))
    return head + b"".join(b"\0%b\0" % c.encode() + struct.pack(">Ii", 25, -1) for c in columns)


def insert(values: Sequence[bytes | None], oid: int = OID) -> bytes:
    columns = (b"n" if v is None else b"t" + struct.pack(">I", len(v)) + v for v in values)
    return b"I" + struct.pack(">IcH", oid, b"N", len(values)) + b"".join(columns)


def pgoutput_of(message: Message) -> bytes:
    match message:
        case Begin(final_lsn, commit_us, xid):
            return b"B" + struct.pack(">QqI", final_lsn, commit_us - EPOCH_2000_US, xid)
        case Commit(commit_lsn, end_lsn, commit_us):
            times = struct.pack(">QQq", commit_lsn, end_lsn, commit_us - EPOCH_2000_US)
            return b"C\0" + times
        case Signal(content):
            head = struct.pack(">BQ", 1, 77) + b"cdc_triggers\0"
            return b"M" + head + struct.pack(">I", len(content)) + content
        case LogRow():
            return insert(message)
    raise AssertionError(message)


def wal2json_of(message: Message) -> bytes:
    match message:
        case Begin(final_lsn, commit_us, xid):
            record = {"action": "B", "xid": xid, "timestamp": timestamp(commit_us)}
            record |= {"lsn": show(final_lsn), "nextlsn": show(Lsn(final_lsn + 48))}
        case Commit(commit_lsn, end_lsn, commit_us):
            record = {"action": "C", "xid": 1, "timestamp": timestamp(commit_us)}
            record |= {"lsn": show(commit_lsn), "nextlsn": show(end_lsn)}
        case Signal(content):
            record = {"action": "M", "xid": 1, "transactional": True, "prefix": "cdc_triggers"}
            record |= {"content": content.decode()}
        case LogRow():
            record = row_record(message)
        case _:
            raise AssertionError(message)
    return json.dumps(record, ensure_ascii=False).encode()


def row_record(row: LogRow) -> dict[str, object]:
    numbers = {"bucket", "seq", "table_id"}
    columns = [
        {
            "name": name,
            "type": "bigint" if name in numbers else "text",
            "value": value if value is None else int(value) if name in numbers else value.decode(),
        }
        for name, value in zip(LogRow._fields, row, strict=True)
    ]
    place = {"schema": "cdc_triggers", "table": "event_log_3"}
    return {"action": "I", "xid": 1, "lsn": "0/1", **place, "columns": columns}


def timestamp(us: int) -> str:
    at = EPOCH + timedelta(microseconds=us)
    text = at.strftime("%Y-%m-%d %H:%M:%S")
    fraction = f".{at.microsecond:06}".rstrip("0") if at.microsecond else ""
    return f"{text}{fraction}+00"


lsns = st.integers(0, 2**63 - 1).map(Lsn)
times = st.integers(1_000_000_000_000_000, 4_000_000_000_000_000)
xids = st.integers(0, 2**32 - 1)
# PostgreSQL's text: no NUL, no surrogates.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300).map(str.encode)
numbers = st.integers(0, 2**31 - 1).map(lambda n: b"%d" % n)
maybe = st.none() | texts
rows = st.builds(
    LogRow, numbers, numbers, texts, numbers, *[texts] * 5, maybe, maybe, maybe, maybe, maybe
)
messages = st.one_of(
    st.builds(Begin, lsns, times, xids),
    st.builds(Commit, lsns, lsns, times),
    st.builds(Signal, texts),
    rows,
)


def xlog_data(payload: bytes, start: int = 1) -> bytes:
    """A message of the stream, as it comes in CopyData."""
    return b"w" + struct.pack(">QQq", start, start, 0) + payload


def keepalive(wal_end: int, reply: int) -> bytes:
    return b"k" + struct.pack(">QqB", wal_end, 0, reply)
