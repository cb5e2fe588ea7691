"""Bytes that no server should send: an error that says so, never a hang, never a wrong message."""

from __future__ import annotations

import json
import struct
import time
from collections import deque
from typing import TYPE_CHECKING, cast

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.encoders import (
    OID,
    insert,
    keepalive,
    lsns,
    messages,
    pgoutput_of,
    relation,
    rows,
    texts,
    wal2json_of,
    xlog_data,
)

from cdc_triggers.core import rowjson
from cdc_triggers.core.event import Event, event_of
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.messages import LogRow, Message, Other
from cdc_triggers.core.pgoutput import PgOutput
from cdc_triggers.core.shape import Shape
from cdc_triggers.core.wal2json import Wal2Json
from cdc_triggers.errors import DecodeError
from cdc_triggers.postgres.replication import ReplicationSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cdc_triggers.postgres.libpq import CopyBoth

SOON_S = 5.0
WHOLE = 200
"""Longer messages come in two parts: so both ways are taken here."""

EXTREMES = st.sampled_from([0, 1, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1])


def ready() -> PgOutput:
    decoder = PgOutput()
    decoder.decode(relation(LogRow._fields))
    return decoder


def outcome(decode: Callable[[bytes], object], data: bytes) -> object:
    """What comes out; None if it is refused. Any other error, or a hang, fails the test."""
    started = time.perf_counter()
    try:
        return decode(data)
    except DecodeError:
        return None
    finally:
        assert time.perf_counter() - started < SOON_S


# ---- the plugins' messages


@given(messages, messages, st.data())
def test_two_messages_in_one_give_either_of_them_or_nothing_of_their_rows(
    one: Message, other: Message, data: st.DataObject
) -> None:
    """A message that lost its end and got another's: what is decoded is of its very length."""
    first, second = pgoutput_of(one), pgoutput_of(other)
    cut = data.draw(st.integers(0, len(first)))
    spliced = first[:cut] + second[data.draw(st.integers(0, len(second))) :]
    found = outcome(ready().decode, spliced)
    if isinstance(found, LogRow):
        assert pgoutput_of(found) == spliced
    outcome(Wal2Json().decode, wal2json_of(one)[:cut] + wal2json_of(other))


@given(messages, st.data(), EXTREMES)
def test_lengths_and_counts_that_lie_are_refused(
    message: Message, data: st.DataObject, lie: int
) -> None:
    payload = bytearray(pgoutput_of(message))
    size, layout = data.draw(st.sampled_from([(2, ">H"), (4, ">I")]))
    place = data.draw(st.integers(1, max(1, len(payload) - size)))
    payload[place : place + size] = struct.pack(layout, lie % (1 << 8 * size))
    found = outcome(ready().decode, bytes(payload))
    if isinstance(found, LogRow):
        assert pgoutput_of(found) == payload


@given(st.lists(st.one_of(texts, st.none()), max_size=20), st.integers(0, 2**16 - 1))
def test_a_row_has_as_many_columns_as_its_relation_or_is_refused(
    values: list[bytes | None], count: int
) -> None:
    payload = insert(values)
    payload = payload[:6] + struct.pack(">H", count) + payload[8:]
    found = outcome(ready().decode, payload)
    assert found is None or len(values) == count == len(LogRow._fields)


@given(
    st.lists(
        st.one_of(rows.map(insert), messages.map(pgoutput_of), st.binary(max_size=40)), max_size=8
    ),
    rows,
    st.data(),
)
def test_what_was_refused_leaves_no_trace_in_the_decoder(
    noise: list[bytes], row: LogRow, data: st.DataObject
) -> None:
    """Only a whole relation message changes how rows are read."""
    decoder = ready()
    cut = relation(["a", *LogRow._fields])
    for payload in [*noise, cut[: data.draw(st.integers(0, len(cut) - 1))]]:
        if payload[:1] != b"R" or len(payload) < len(cut):
            outcome(decoder.decode, payload)
    assert decoder.decode(insert(row)) == row


@pytest.mark.parametrize(
    "payload",
    [
        b"I" + struct.pack(">IcH", OID, b"N", 14) + b"t\0\0\0\0" * 500_000,
        b"R" + struct.pack(">I", OID) + b"a\0b\0d" + b"\xff\xff" + b"\0" * 2_000_000,
        b"R" + struct.pack(">I", OID) + b"x" * 5_000_000,
        b"M\1" + bytes(8) + b"x" * 5_000_000,
        b"n" * 5_000_000,
        b"[" * 500_000,
        b'{"action":' * 200_000,
        b'{"action":"M","content":"' + b"\xff" * 2_000_000 + b'"}',
        b'{"action":"I","schema":"cdc_triggers","table":"event_log","columns":['
        + b'{"name":"a","value":1},' * 100_000
        + b"{}]}",
        b'{"action":"B","xid":' + b"9" * 1_000_000 + b"}",
    ],
    ids=lambda payload: f"{payload[:12]!r}",
)
def test_megabytes_of_nonsense_are_refused_at_once(payload: bytes) -> None:
    for decode in (ready().decode, Wal2Json().decode):
        assert outcome(decode, payload) in (None, Other("message"))


@given(
    st.tuples(*[st.binary(max_size=12) | texts] * 9),
    st.tuples(*[st.none() | st.binary(max_size=12)] * 5),
)
def test_a_row_of_any_bytes_is_an_event_or_is_refused(
    required: tuple[bytes, ...], rest: tuple[bytes | None, ...]
) -> None:
    found = outcome(lambda _: event_of(LogRow(*required, *rest), Lsn(1), 0), b"")
    assert found is None or isinstance(found, Event)


# ---- the messages around them


class Scripted:
    """A connection in COPY BOTH mode that has received these messages."""

    def __init__(self, received: Sequence[bytes]) -> None:
        self.received = deque(received)
        self.size = 0
        self._rest = b""

    def receive(self, head: int) -> bytes | None:
        if not self.received:
            return None
        message = self.received.popleft()
        self.size = len(message)
        taken = self.size if self.size <= WHOLE else head
        self._rest = message[taken:]
        return message[:taken]

    def rest(self) -> bytes:
        return self._rest

    def fill(self) -> None:
        pass


def source_of(received: Sequence[bytes]) -> ReplicationSource:
    source = ReplicationSource("")
    source._copy = cast("CopyBoth", Scripted(received))
    source._decoder = ready()
    return source


def read_all(received: Sequence[bytes]) -> list[Message]:
    return list(source_of(received).read(1_000))


@given(st.lists(st.tuples(lsns, messages), max_size=5), st.lists(lsns, max_size=3))
def test_messages_come_out_in_order_and_keepalives_are_taken_note_of(
    sent: list[tuple[Lsn, Message]], ends: list[Lsn]
) -> None:
    received = [xlog_data(pgoutput_of(message), start) for start, message in sent]
    source = source_of([*received, *(keepalive(end, 1) for end in ends)])
    assert source.read(100) == [message for _, message in sent]
    assert source.server_lsn() >= max(ends, default=Lsn(0))
    assert source.reply_due() == bool(ends)


@given(
    st.one_of(
        messages.map(lambda m: xlog_data(pgoutput_of(m))), lsns.map(lambda n: keepalive(n, 0))
    ),
    st.data(),
)
def test_a_cut_message_of_the_stream_is_refused(whole: bytes, data: st.DataObject) -> None:
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(DecodeError):
        read_all([cut])


@given(st.lists(st.binary(max_size=60), max_size=4), st.sampled_from([b"", b"w", b"k", b"v"]))
def test_random_messages_of_the_stream_raise_nothing_but_decode_errors(
    parts: list[bytes], kind: bytes
) -> None:
    outcome(lambda _: read_all([kind + part for part in parts]), b"")


def test_a_flood_of_keepalives_ends() -> None:
    source = source_of([keepalive(n, 0) for n in range(50_000)])
    started = time.perf_counter()
    assert source.read(1_000) == []
    assert source.server_lsn() == 49_999
    assert time.perf_counter() - started < SOON_S


# ---- rows as JSON

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
tables = st.dictionaries(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), json_values, max_size=6
)
layouts = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n\t", "\r :")])


@given(tables, layouts, st.booleans())
def test_whatever_is_an_object_is_read_as_one(
    table: dict[str, object],
    layout: tuple[str, str],
    ascii_only: bool,  # noqa: FBT001 - drawn
) -> None:
    """A row refused without need would stop the stream for good."""
    raw = json.dumps(table, separators=layout, ensure_ascii=ascii_only).encode()
    found = rowjson.fields(raw)
    assert {name: json.loads(value) for name, value in found.items()} == table


@given(tables, tables, st.data())
@settings(max_examples=300)
def test_a_row_that_was_cut_and_joined_is_read_as_json_reads_it_or_refused(
    one: dict[str, object], other: dict[str, object], data: st.DataObject
) -> None:
    first, second = json.dumps(one).encode(), json.dumps(other).encode()
    raw = first[: data.draw(st.integers(0, len(first)))]
    raw += second[data.draw(st.integers(0, len(second))) :]
    found = cast("dict[str, bytes] | None", outcome(rowjson.fields, raw))
    try:
        known = orjson.loads(raw)
    except orjson.JSONDecodeError:
        # what is nested is PostgreSQL's affair; nothing else may pass
        assert found is None or any(value[:1] in b"{[" for value in found.values())
        return
    if found is None:
        pairs = json.loads(raw, object_pairs_hook=list)
        assert not isinstance(known, dict) or len(pairs) != len(known), "refused without need"
    else:
        assert {name: orjson.loads(value) for name, value in found.items()} == known


@given(st.one_of(st.binary(max_size=80), tables.map(lambda t: json.dumps(t).encode())), st.data())
def test_some_columns_of_anything_are_an_object_of_known_names_or_refused(
    raw: bytes, data: st.DataObject
) -> None:
    wanted = data.draw(st.sets(st.text(max_size=5), max_size=3))
    known = cast("dict[str, bytes] | None", outcome(rowjson.fields, raw))
    wanted |= set(list(known or ())[::2])
    picked = cast("bytes | None", outcome(Shape(tuple(wanted)).image, raw))
    assert (picked is None) == (known is None)
    if picked is not None and known is not None:
        assert rowjson.fields(picked) == {n: v for n, v in known.items() if n in wanted}
