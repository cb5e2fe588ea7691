"""What comes out of the decoders is what went in; of anything else nothing comes out."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.encoders import (
    insert,
    messages,
    pgoutput_of,
    relation,
    row_record,
    rows,
    texts,
    wal2json_of,
)

from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.messages import Begin, Commit, LogRow, Message, Other, Signal
from cdc_triggers.core.pgoutput import PgOutput
from cdc_triggers.core.wal2json import Wal2Json
from cdc_triggers.errors import DecodeError


def ready() -> PgOutput:
    decoder = PgOutput()
    decoder.decode(relation(LogRow._fields))
    return decoder


# ---- what comes out is what went in


@given(messages)
def test_pgoutput_messages_survive_the_round_trip(message: Message) -> None:
    payload = pgoutput_of(message)
    assert ready().decode(payload) == message
    assert ready().decode(memoryview(payload)) == message


@given(messages)
def test_both_plugins_give_the_same_message(message: Message) -> None:
    assert Wal2Json().decode(wal2json_of(message)) == ready().decode(pgoutput_of(message))


@given(rows, st.permutations([*LogRow._fields, "extra", "later"]))
def test_columns_are_found_by_name_and_unknown_ones_ignored(row: LogRow, order: list[str]) -> None:
    decoder = PgOutput()
    decoder.decode(relation(order))
    assert decoder.decode(insert([getattr(row, name, b"?") for name in order])) == row


def test_a_relation_described_anew_is_read_in_its_new_shape() -> None:
    decoder = ready()
    row = LogRow(*[b"x"] * 14)
    decoder.decode(relation([*LogRow._fields, "extra"]))
    assert decoder.decode(insert([*row, None])) == row


# ---- nothing else comes out


@given(messages, st.data())
def test_a_truncated_pgoutput_message_is_refused(message: Message, data: st.DataObject) -> None:
    payload = pgoutput_of(message)
    cut = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(DecodeError):
        ready().decode(payload[:cut])


@given(messages, st.binary(min_size=1, max_size=20))
def test_bytes_after_a_pgoutput_message_are_refused(message: Message, more: bytes) -> None:
    with pytest.raises(DecodeError):
        ready().decode(pgoutput_of(message) + more)


@given(messages, st.data())
def test_a_truncated_wal2json_line_is_refused(message: Message, data: st.DataObject) -> None:
    payload = wal2json_of(message)
    cut = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(DecodeError):
        Wal2Json().decode(payload[:cut])


@given(messages, st.data())
def test_flipped_bits_raise_nothing_but_decode_errors(
    message: Message, data: st.DataObject
) -> None:
    for decoder, encoded in ((ready(), pgoutput_of(message)), (Wal2Json(), wal2json_of(message))):
        payload = bytearray(encoded)
        for place in data.draw(st.lists(st.integers(0, len(payload) * 8 - 1), max_size=3)):
            payload[place // 8] ^= 1 << place % 8
        decodes_or_refuses(decoder, bytes(payload))


@given(st.sampled_from(b"BCRIMOYTUDx"), st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_decode_errors(kind: int, rest: bytes) -> None:
    decodes_or_refuses(ready(), bytes([kind]) + rest)
    decodes_or_refuses(Wal2Json(), rest)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)


@given(messages, st.data())
def test_wal2json_fields_of_any_type_raise_nothing_but_decode_errors(
    message: Message, data: st.DataObject
) -> None:
    record = json.loads(wal2json_of(message))
    key = data.draw(st.sampled_from(sorted(record)))
    record[key] = data.draw(json_values)
    decodes_or_refuses(Wal2Json(), json.dumps(record).encode())


def decodes_or_refuses(decoder: PgOutput | Wal2Json, payload: bytes) -> None:
    try:
        message = decoder.decode(payload)
    except DecodeError:
        return
    assert isinstance(message, Begin | Commit | LogRow | Signal | Other)


# ---- what is not ours, and what must not be


@pytest.mark.parametrize("payload", [b"O" + bytes(8) + b"o\0", b"Y\0\0\0\x01public\0mood\0"])
def test_messages_that_carry_nothing_for_us_are_named(payload: bytes) -> None:
    assert PgOutput().decode(payload) in {Other("origin"), Other("type")}


def test_updates_deletes_and_truncates_are_not_ours() -> None:
    kinds = [PgOutput().decode(kind + b"\0\0\0\x01") for kind in (b"U", b"D", b"T")]
    assert kinds == [Other("update"), Other("delete"), Other("truncate")]
    lines = [Wal2Json().decode(b'{"action":"%b"}' % kind) for kind in (b"U", b"D", b"T")]
    assert lines == kinds


@pytest.mark.parametrize(
    "name",
    [b"public\0event_log\0", b"cdc_triggers\0attempt\0", b"cdc_triggers\0event_log_x\0"],
)
def test_rows_of_other_tables_are_not_ours(name: bytes) -> None:
    decoder = PgOutput()
    assert decoder.decode(relation(LogRow._fields, 7, name)) == Other("relation")
    assert decoder.decode(insert([b"x"] * 14, 7)) == Other("insert")
    schema, table, _ = name.decode().split("\0")
    record = row_record(LogRow(*[b"1"] * 14)) | {"schema": schema, "table": table}
    assert Wal2Json().decode(json.dumps(record).encode()) == Other("insert")


def test_rows_of_a_partition_of_the_log_are_ours() -> None:
    decoder = PgOutput()
    decoder.decode(relation(LogRow._fields, 7, b"cdc_triggers\0event_log_7\0"))
    assert decoder.decode(insert([b"x"] * 14, 7)) == LogRow(*[b"x"] * 14)


@given(texts, st.binary(max_size=50))
def test_logical_messages_of_others_are_not_signals(prefix: bytes, content: bytes) -> None:
    assume(prefix != b"cdc_triggers")
    tail = struct.pack(">I", len(content)) + content
    assert PgOutput().decode(b"M\1" + bytes(8) + prefix + b"\0" + tail) == Other("message")


def test_a_logical_message_outside_transactions_is_not_a_signal() -> None:
    payload = pgoutput_of(Signal(b"reload"))
    assert PgOutput().decode(payload[:1] + b"\0" + payload[2:]) == Other("message")
    line = wal2json_of(Signal(b"reload")).replace(b"true", b"false")
    assert Wal2Json().decode(line) == Other("message")


def test_wal2json_writes_foreign_content_that_is_not_utf_8_and_it_does_no_harm() -> None:
    line = b'{"action":"M","xid":1,"transactional":true,"prefix":"theirs","content":"\xff"}'
    assert Wal2Json().decode(line) == Other("message")


@pytest.mark.parametrize("name", LogRow._fields)
def test_a_missing_column_of_the_log_is_named(name: str) -> None:
    rest = [column for column in LogRow._fields if column != name]
    with pytest.raises(DecodeError, match=f"no column {name}"):
        PgOutput().decode(relation(rest))
    record = row_record(LogRow(*[b"1"] * 14))
    columns = [{"name": column, "type": "text", "value": "1"} for column in rest]
    with pytest.raises(DecodeError, match=f"no column {name}"):
        Wal2Json().decode(json.dumps(record | {"columns": columns}).encode())


@pytest.mark.parametrize("place", range(9))
def test_a_null_where_the_log_allows_none_is_named(place: int) -> None:
    values: list[bytes | None] = [b"1"] * 14
    values[place] = None
    with pytest.raises(DecodeError, match=f"column {LogRow._fields[place]} of the log is NULL"):
        ready().decode(insert(values))
    line = json.dumps(row_record(LogRow._make(values)))
    with pytest.raises(DecodeError, match=f"column {LogRow._fields[place]} of the log is NULL"):
        Wal2Json().decode(line.encode())


@pytest.mark.parametrize("kind", [b"u", b"b"])
def test_unchanged_toast_and_binary_values_are_refused(kind: bytes) -> None:
    payload = insert([b"1"] * 13) + kind + b"\0\0\0\0"
    payload = payload[:6] + struct.pack(">H", 14) + payload[8:]
    with pytest.raises(DecodeError, match="kind"):
        ready().decode(payload)


def test_a_row_of_a_relation_never_described_is_refused() -> None:
    with pytest.raises(DecodeError, match="not described"):
        PgOutput().decode(insert([b"1"] * 14))


@pytest.mark.parametrize("option", ["lsn", "nextlsn", "timestamp"])
def test_a_wal2json_option_that_is_off_is_named(option: str) -> None:
    record = json.loads(wal2json_of(Commit(Lsn(1), Lsn(2), 1_700_000_000_000_000)))
    del record[option]
    with pytest.raises(DecodeError, match=option):
        Wal2Json().decode(json.dumps(record).encode())


def test_wal2json_commit_times_are_read_in_any_time_zone() -> None:
    line = wal2json_of(Begin(Lsn(1), 1_700_000_000_123_450, 1))
    assert b"2023-11-14 22:13:20.12345+00" in line
    moved = line.replace(b"2023-11-14 22:13:20.12345+00", b"2023-11-15 03:43:20.12345+05:30")
    assert Wal2Json().decode(moved) == Wal2Json().decode(line)


# ---- recorded from PostgreSQL 15 with both plugins on one transaction


def test_one_recorded_transaction_reads_the_same_from_both_plugins() -> None:
    fields = b'"xid":730,"timestamp":"2026-11-24 05:47:25.852872+00","lsn":"0/152E500"'
    begin = Begin(Lsn(0x152E500), 1_795_499_245_852_872, 730)
    binary = bytes.fromhex("42000000000152e500000303fe038678c8000002da")
    line = b'{"action":"B",%b,"nextlsn":"0/152E530"}' % fields
    assert PgOutput().decode(binary) == Wal2Json().decode(line) == begin
    commit = Commit(Lsn(0x152E500), Lsn(0x152E530), 1_795_499_245_852_872)
    binary = bytes.fromhex("4300000000000152e500000000000152e530000303fe038678c8")
    line = b'{"action":"C",%b,"nextlsn":"0/152E530"}' % fields
    assert PgOutput().decode(binary) == Wal2Json().decode(line) == commit
