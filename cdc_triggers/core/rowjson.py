"""Where are the fields of a row that PostgreSQL wrote as JSON?

A row is cut, never interpreted: parsing and writing again would change numbers (1.10, 1e400),
escapes and lone surrogates of json columns. The writer is `row_to_json`: compact at the top level,
but json columns are copied as the user wrote them, white space around them included.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from cdc_triggers.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Possessive quantifiers (Python 3.11): no input makes these patterns try twice.
_ESCAPE = rb'\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})'
_STRING = rb'"[^"\\\x00-\x1f]*+(?:' + _ESCAPE + rb'[^"\\\x00-\x1f]*+)*+"'
_NUMBER = rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
_SCALAR = rb"(?:" + _STRING + rb"|" + _NUMBER + rb"|null|true|false)"
_LEAF = rb'(?:[^"{}\[\]]++|' + _STRING + rb")"
_LEVEL_1 = rb"(?:\{" + _LEAF + rb"*+\}|\[" + _LEAF + rb"*+\])"
_INNER = rb"(?:" + _LEAF + rb"|" + _LEVEL_1 + rb")"
_LEVEL_2 = rb"(?:\{" + _INNER + rb"*+\}|\[" + _INNER + rb"*+\])"
_SPACE = rb"[ \t\n\r]*+"

PLAIN_BYTES: Final = 4096
"""Longer rows are not parsed to be read in part: what is in them may be large."""

_loads: Final = orjson.loads

_FLAT = re.compile(
    rb'"([^"\\\x00-\x1f]++)":(' + _SCALAR + rb"|" + _LEVEL_2 + rb')(?:,(?=")|\}\Z)|(?s:.++)',
)
"""A field as row_to_json writes it; whatever is not one is swallowed whole, with an empty name."""

_OPEN = re.compile(_SPACE + rb"\{" + _SPACE)
_FIELD = re.compile(rb"(" + _STRING + rb")" + _SPACE + rb":" + _SPACE + rb"(" + _SCALAR + rb")?+")
_NEXT = re.compile(_SPACE + rb"(?:,()" + _SPACE + rb"|\}" + _SPACE + rb"\Z)")
_BRACKET = re.compile(rb'[^"{}\[\]]*+(?:' + _STRING + rb'[^"{}\[\]]*+)*+([{}\[\]])')
_CLOSES = {ord("{"): ord("}"), ord("["): ord("]")}


def fields(raw: bytes) -> dict[str, bytes]:
    """Cut one JSON object into name and raw value, in the order written.

    Values are slices of `raw` without the white space around them. What stands inside a nested
    value is not checked beyond its brackets and strings.

    Raises:
        DecodeError: it is not one JSON object with distinct names.
    """
    pairs = _FLAT.findall(raw, 1)
    if not pairs or not pairs[-1][0] or raw[:1] != b"{":
        return _nested(raw)
    try:
        found = {name.decode(): value for name, value in pairs}
    except UnicodeDecodeError as error:
        raise DecodeError("a row image holds a name that is not UTF-8") from error
    return found if len(found) == len(pairs) else _nested(raw)


def plain(raw: bytes) -> dict[str, Any] | None:
    """The same object parsed, if it is short and its texts stand in it as they are; else None.

    Where only names and a few values are wanted, it takes a fifth of the time of `fields`.
    """
    if len(raw) > PLAIN_BYTES or b"\\" in raw:
        return None
    try:
        found = _loads(raw)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def plain_key(row: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """What `key_text` makes of these values; None if they do not tell: their digits are needed."""
    texts = []
    for name in names:
        value = row.get(name)
        kind = type(value)
        if kind is int and value:  # a 0 can have been -0
            texts.append(str(value))
        elif kind is str:
            texts.append(f'"{value}"')
        elif value is None:
            texts.append("null")
        else:
            return None
    return f"[{','.join(texts)}]"


def write(pairs: Iterable[tuple[str, bytes]]) -> bytes:
    """Build the object of these names and raw values, in their order."""
    return b"{%b}" % b",".join(b"%b:%b" % (_quoted(name), value) for name, value in pairs)


def key_text(values: Sequence[bytes]) -> str:
    """Write raw values as the text of a JSON array: `[1,"a"]`.

    Raises:
        DecodeError: a value is not UTF-8.
    """
    try:
        return f"[{b','.join(values).decode()}]"
    except UnicodeDecodeError as error:
        raise DecodeError("an ordering key is not UTF-8") from error


@lru_cache(maxsize=4096)
def _quoted(name: str) -> bytes:
    return json.dumps(name, ensure_ascii=False).encode()


def _nested(raw: bytes) -> dict[str, bytes]:
    """The way for any valid object: deep nesting, white space, escaped names."""
    found: dict[str, bytes] = {}
    match = _OPEN.match(raw)
    if match is None:
        raise DecodeError("a row image is not a JSON object")
    pos = match.end()
    if raw[pos : pos + 1] == b"}" and not raw[pos + 1 :].strip(b" \t\n\r"):
        return found
    while True:
        match = _FIELD.match(raw, pos)
        if match is None:
            raise _broken(raw, pos)
        name = _unquoted(match[1])
        if name in found:
            raise DecodeError(f"a row image has the name {name!r} twice")
        end = match.end()
        if match[2] is None:
            start, end = end, _skip(raw, end)
            found[name] = raw[start:end]
        else:
            found[name] = match[2]
        match = _NEXT.match(raw, end)
        if match is None:
            raise _broken(raw, end)
        if match[1] is None:
            return found
        pos = match.end()


def _skip(raw: bytes, start: int) -> int:
    """The end of the object or array that begins at `start`. A loop: nesting may be deep."""
    if raw[start : start + 1] not in (b"{", b"["):
        raise _broken(raw, start)
    awaited: list[int] = []
    pos = start
    while True:
        match = _BRACKET.match(raw, pos)
        if match is None:
            raise _broken(raw, pos)
        pos = match.end()
        bracket = raw[pos - 1]
        if bracket in _CLOSES:
            awaited.append(_CLOSES[bracket])
        elif bracket != awaited.pop():
            raise _broken(raw, pos - 1)
        elif not awaited:
            return pos


def _unquoted(name: bytes) -> str:
    try:
        text = json.loads(name)
    except ValueError as error:
        raise DecodeError("a row image holds a name that is not UTF-8") from error
    assert isinstance(text, str)
    return text


def _broken(raw: bytes, pos: int) -> DecodeError:
    return DecodeError(f"a row image of {len(raw)} bytes is not valid JSON at byte {pos}")
