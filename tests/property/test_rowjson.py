from __future__ import annotations

import json
import time
from contextlib import suppress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cdc_triggers.core import rowjson
from cdc_triggers.core.shape import Shape
from cdc_triggers.errors import DecodeError

strings = st.text(st.characters(codec="utf-8"), max_size=20).map(
    lambda text: json.dumps(text, ensure_ascii=False).encode()
)
numbers = st.from_regex(rb"\A-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?\Z")
spaces = st.text(" \t\n\r", max_size=3).map(str.encode)
scalars = st.one_of(
    st.sampled_from(
        [b"null", b"true", b"false", b'"\\ud800"', b'"\\u0000"', b'"}{\\"],:"', b"1e400"]
    ),
    strings,
    numbers,
)


def arrays(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    items = st.lists(inner, max_size=3)
    return st.builds(lambda xs, s: b"[" + s + (b"," + s).join(xs) + s + b"]", items, spaces)


def objects(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    # A json column may repeat a name: it is copied as it is.
    members = st.lists(st.tuples(strings, inner), max_size=3)
    return st.builds(
        lambda xs, s: b"{" + s + b",".join(s + k + s + b":" + v + s for k, v in xs) + b"}",
        members,
        spaces,
    )


values = st.recursive(scalars, lambda inner: arrays(inner) | objects(inner), max_leaves=8)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=63)
tables = st.dictionaries(names, values, max_size=8)
flat_tables = st.dictionaries(st.from_regex(r"\A[a-z_]{1,12}\Z"), scalars, min_size=1, max_size=8)


def write(table: dict[str, bytes], around: bytes = b"") -> bytes:
    """As row_to_json: compact, but with the white space that a json column brings along."""
    named = (json.dumps(name, ensure_ascii=False).encode() for name in table)
    members = (
        b"%b:%b%b%b" % (n, around, v, around) for n, v in zip(named, table.values(), strict=True)
    )
    return b"{" + b",".join(members) + b"}"


@given(st.one_of(tables, flat_tables), spaces)
def test_every_value_comes_back_byte_for_byte_in_order(
    table: dict[str, bytes], around: bytes
) -> None:
    found = rowjson.fields(write(table, around))
    assert list(found.items()) == list(table.items())


@given(tables, st.data())
def test_some_columns_of_a_row_keep_its_order_and_every_digit(
    table: dict[str, bytes], data: st.DataObject
) -> None:
    wanted = data.draw(st.sets(st.sampled_from(sorted(table)))) if table else set()
    picked = Shape((*wanted, "not there\n")).image(write(table))
    assert picked == write({name: value for name, value in table.items() if name in wanted})


@given(st.lists(values, max_size=4))
def test_key_text_is_a_json_array_of_the_raw_values(parts: list[bytes]) -> None:
    text = rowjson.key_text(parts)
    assert text == "[" + ",".join(part.decode() for part in parts) + "]"


def test_key_text_of_a_number_and_a_text() -> None:
    assert rowjson.key_text([b"1", b'"a"']) == '[1,"a"]'


@given(st.one_of(tables, flat_tables), spaces, st.data())
def test_a_row_that_is_read_in_part_has_the_same_names_and_key_or_leaves_it_to_the_other_way(
    table: dict[str, bytes], around: bytes, data: st.DataObject
) -> None:
    raw = write(table, around)
    read = rowjson.plain(raw)
    assume(read is not None)
    assert read is not None
    assert list(read) == list(table)
    wanted = data.draw(st.lists(st.sampled_from([*table, "not there\n"]), max_size=3))
    key = rowjson.plain_key(read, wanted)
    assert key in {None, rowjson.key_text([table.get(name, b"null") for name in wanted])}


@pytest.mark.parametrize(
    ("row", "key"),
    [
        (b'{"id":42,"name":"\xc3\xa9","none":null}', '[42,"\xe9",null,null]'),
        (b'{"id":0,"name":"a"}', None),
        (b'{"id":18446744073709551616,"name":"a"}', None),
        (b'{"id":1.0,"name":"a"}', None),
        (b'{"id":true,"name":"a"}', None),
        (b'{"id":[1],"name":"a"}', None),
    ],
)
def test_only_whole_numbers_and_texts_are_keys_without_a_look_at_their_digits(
    row: bytes, key: str | None
) -> None:
    read = rowjson.plain(row)
    assert read is not None
    assert rowjson.plain_key(read, ["id", "name", "none", "not there"]) == key


@pytest.mark.parametrize(
    "row",
    [
        b'{"id":"\\u0041"}',
        b'{"id":1e400}',
        b'{"id":"\xff"}',
        b"[1]",
        b'{"id":"%b"}' % (b"x" * 4096),
    ],
    ids=["escaped", "too large a number", "not UTF-8", "no object", "long"],
)
def test_what_cannot_be_read_in_part_is_left_to_the_other_way(row: bytes) -> None:
    assert rowjson.plain(row) is None


@given(st.one_of(tables, flat_tables), st.data())
def test_a_truncated_row_is_refused(table: dict[str, bytes], data: st.DataObject) -> None:
    raw = write(table)
    with pytest.raises(DecodeError):
        rowjson.fields(raw[: data.draw(st.integers(0, len(raw) - 1))])


@given(st.one_of(tables, flat_tables), st.data())
def test_flipped_bits_raise_nothing_but_decode_errors(
    table: dict[str, bytes], data: st.DataObject
) -> None:
    raw = bytearray(write(table))
    for place in data.draw(st.lists(st.integers(0, len(raw) * 8 - 1), max_size=3)):
        raw[place // 8] ^= 1 << place % 8
    try:
        found = rowjson.fields(bytes(raw))
    except DecodeError:
        return
    assert all(value in raw for value in found.values())


@given(
    st.one_of(
        st.binary(max_size=60), st.text('{}[]":,\\ u019enulltrue-.', max_size=40).map(str.encode)
    )
)
def test_bytes_that_json_refuses_at_the_top_level_are_refused(raw: bytes) -> None:
    try:
        found = rowjson.fields(raw)
    except DecodeError:
        return
    # Nested values are trusted to PostgreSQL; everything around them must be right.
    flat = b",".join(b'"%d":0' % place for place in range(len(found)))
    assert len(json.loads(b"{" + flat + b"}")) == len(found)
    if not any(value[:1] in b"{[" for value in found.values()):
        assert list(json.loads(raw.decode(errors="surrogateescape"))) == list(found)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"}", b"[]", b"null", b"1", b'{"a"}', b'{"a":}', b'{"a":1,}', b'{,"a":1}',
        b'{"a":1}}', b'{"a":1}{"b":2}', b'{"a":1 "b":2}', b'{"a":01}', b'{"a":1,"a":2}', b"{a:1}",
        b'{"a":[1}', b'{"a":[1}]}', b'{"a":"\n"}', b'{"\xff":1}', b'{"a":[[[[1]]}', b'{"a":{]}',
    ],
)  # fmt: skip
def test_what_is_not_an_object_with_distinct_names_is_refused(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        rowjson.fields(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"a":' + b'[{"k":"v\\""},' * 100_000 + b"1" + b"]" * 100_000 + b"}",
        b'{"a":"' + b'\\"' * 500_000,
        b'{"a":[' + b'"x",' * 300_000,
        b'{"a":{' + b'"x":"y",' * 200_000,
        b'{"' + b'":"' * 300_000,
        b'{"a":"' + b"x" * 1_000_000 + b'"}',
    ],
)
def test_long_and_deep_rows_take_time_in_proportion_to_their_length(raw: bytes) -> None:
    started = time.perf_counter()
    with suppress(DecodeError):
        rowjson.fields(raw)
    assert time.perf_counter() - started < 5
