"""JSON as templates see it: numbers are never interpreted, so they keep their digits.

`1.10`, `1e400` and twenty digits come out as they went in. Only a comparison, an index and
`inverse` ask what a number's value is.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring
from typing import Union

import orjson

_WHOLE_DIGITS = 9
"""More digits than any array has elements."""


class Number:
    """A JSON number: its text, exactly as written."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Number) and (
            self.text == other.text or self.decimal() == other.decimal()
        )

    __hash__ = None  # type: ignore[assignment]  # equal numbers may have several texts

    def __repr__(self) -> str:
        return f"Number({self.text!r})"

    def decimal(self) -> Decimal:
        """Its value.

        Raises:
            ValueError: the exponent is beyond anything that can be compared.
        """
        try:
            return Decimal(self.text)
        except InvalidOperation as error:
            raise ValueError("the exponent of a number is too large") from error

    def whole(self) -> int | None:
        """Its value if it is whole and may be the index of an array; else None."""
        value = self.decimal()
        if value.adjusted() >= _WHOLE_DIGITS or value != value.to_integral_value():
            return None
        return int(value)


Value = Union[None, bool, Number, str, list["Value"], dict[str, "Value"]]  # noqa: UP007 - recursive


class TooLargeError(ValueError):
    """More JSON than is allowed."""


def read(raw: bytes, numbers: int, most: int | None = None) -> Value:
    """Parse JSON text.

    Args:
        raw: UTF-8.
        numbers: how many numbers it may hold.
        most: how many values of any kind; None: that does not matter.

    Raises:
        TooLargeError: it holds more, or is nested too deep to be read.
        ValueError: it is not JSON.
    """
    if most is not None and _values(raw) > most and _values(_outside_strings(raw)) > most:
        raise TooLargeError(f"holds more than {most} values")
    left = numbers

    def number(text: str) -> Number:
        nonlocal left
        left -= 1
        if left < 0:
            raise TooLargeError(f"holds more than {numbers} numbers")
        return Number(text)

    try:
        value: Value = json.loads(
            raw.decode(), parse_int=number, parse_float=number, parse_constant=_no_constant
        )
    except RecursionError as error:
        raise TooLargeError("is nested too deep to be read") from error
    return value


def write(value: Value) -> str:
    """The JSON text: compact, keys in their order, numbers with their digits.

    Text that is no valid Unicode (half of a surrogate pair, which PostgreSQL's json may hold) is
    escaped, so that it comes out as it went in.
    """
    try:
        return orjson.dumps(value, default=_fragment).decode()
    except orjson.JSONEncodeError:  # such text, or nesting deeper than this encoder goes
        return _text(value)


def measure(value: Value, limit: int, most: int | None = None) -> int:
    """About how many bytes of JSON this is, at least one per value; stops above `limit`.

    Raises:
        TooLargeError: it holds more values than `most`.
    """
    size, count = 0, 1
    waiting = [value]
    while waiting and size <= limit:
        one = waiting.pop()
        if not one:
            size += 4
        elif isinstance(one, str):
            size += len(one) + 2
        elif isinstance(one, Number):
            size += len(one.text)
        elif isinstance(one, list):
            count += len(one)
            size += len(one) + 2
            if size <= limit:
                waiting.extend(one)
        elif isinstance(one, dict):
            count += len(one)
            size += sum(map(len, one)) + 4 * len(one) + 2
            if size <= limit:
                waiting.extend(one.values())
        else:
            size += 4
        if most is not None and count > most:
            raise TooLargeError(f"holds more than {most} values")
    return size


def kind(value: Value) -> str:
    """What JSON calls it, with an article."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case Number():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


class _Raw(str):
    """JSON text that is written as it is."""

    __slots__ = ()


_COMMA, _END_ARRAY, _END_OBJECT = map(_Raw, ",]}")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _fragment(value: object) -> orjson.Fragment:
    assert isinstance(value, Number)
    return orjson.Fragment(value.text)


def _values(raw: bytes) -> int:
    """How many values this JSON holds at most: each is the first in something, or after a comma."""
    return 1 + sum(map(raw.count, (b"[", b"{", b",")))


def _outside_strings(raw: bytes) -> bytes:
    """What stands in no string of this JSON."""
    unescaped = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(unescaped.split(b'"')[::2])


def _text(value: Value) -> str:
    """The same text, for what the fast encoder refuses. A loop: nesting may be deep."""
    pieces: list[str] = []
    waiting: list[Value | _Raw] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, _Raw):
            pieces.append(one)
        elif isinstance(one, str):
            pieces.append(encode_basestring(one))
        elif isinstance(one, Number):
            pieces.append(one.text)
        elif isinstance(one, list | dict):
            pieces.append(_opened(one, waiting))
        else:
            pieces.append(json.dumps(one))
    return "".join(pieces).encode(errors="backslashreplace").decode()


def _opened(holder: list[Value] | dict[str, Value], waiting: list[Value | _Raw]) -> str:
    """What an array or object begins with; the rest of it is put on `waiting`, the last first."""
    if isinstance(holder, list):
        opening = "["
        waiting.append(_END_ARRAY)
        for element in reversed(holder):
            waiting += (element, _COMMA)
    else:
        opening = "{"
        waiting.append(_END_OBJECT)
        for key, element in reversed(holder.items()):
            waiting += (element, _Raw(f"{encode_basestring(key)}:"), _COMMA)
    if holder:
        waiting.pop()  # there is none before the first
    return opening
