"""The rows of one event, taken apart once for all the triggers that ask."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cdc_triggers.core import payload, rowjson
from cdc_triggers.core.cel.cost import text_units
from cdc_triggers.core.cel.lexer import INT_LIMIT
from cdc_triggers.core.event import Event
from cdc_triggers.errors import ConditionError

DEPTH = 64
"""How deep arrays and objects in a column may be nested; of the evaluator nobody knows."""

_INT_CHARACTERS = 20
_BRACKETS = b"[{"
_QUOTE = ord('"')
_NESTING = re.compile(rb'"(?:[^"\\]++|\\.)*+"|([\[{])|[\]}]')
_SPECIAL = {"NaN", "Infinity", "-Infinity"}
"""How PostgreSQL writes these doubles as JSON: as text."""


class Field(NamedTuple):
    """One column of one image.

    Attributes:
        name: as the row has it.
        raw: its JSON.
        double: numbers in it are doubles, whatever they look like.
    """

    name: str
    raw: bytes
    double: bool

    @property
    def units(self) -> int:
        """How much it counts: every value in it, and something for texts.

        What is counted stands before each value. It may also stand in a text: then it counts more.
        """
        units = text_units(len(self.raw))
        if self.raw[0] in _BRACKETS:
            units += sum(map(self.raw.count, (b"[", b"{", b",", b":")))
        return units


class Naming(NamedTuple):
    """How the columns of a spec are found in a row.

    Attributes:
        now: what a column that the spec names was called when the row changed.
        doubles: columns of the row whose numbers are doubles.
    """

    now: Mapping[str, str]
    doubles: Collection[str]


class Images:
    """Old and new row of an event; each part is read when it is asked for, once."""

    __slots__ = ("_event", "_new", "_old", "_plain", "_session", "_values")

    def __init__(self, event: Event) -> None:
        self._event = event
        self._old: dict[str, bytes] | None = None
        self._new: dict[str, bytes] | None = None
        self._plain: dict[str, Any] | None = None
        self._session: dict[str, str] | None = None
        self._values: dict[tuple[str, str, bool], Any] = {}

    @property
    def old(self) -> dict[str, bytes]:
        """The columns of the old row; none of an INSERT."""
        if self._old is None:
            self._old = rowjson.fields(self._event.old) if self._event.old else {}
        return self._old

    @property
    def new(self) -> dict[str, bytes]:
        """The columns of the new row; none of a DELETE."""
        if self._new is None:
            self._new = rowjson.fields(self._event.new) if self._event.new else {}
        return self._new

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the row, in its order."""
        if self._new is None and self._old is None:
            self._plain = rowjson.plain(self._event.new or self._event.old or b"{}")
            if self._plain is not None:
                return tuple(self._plain)
        return tuple(self.new or self.old)

    def keys(self, names: Sequence[str]) -> tuple[str | None, str | None]:
        """The ordering keys of the new row and of the old one; None: there is no such row."""
        event = self._event
        first = None if self._plain is None else rowjson.plain_key(self._plain, names)
        if first is not None and event.old is None:
            return first, None
        if first is not None and event.new is None:
            return None, first
        return (
            None if event.new is None else first or _key(self.new, names),
            None if event.old is None else _key_of(event.old, names) or _key(self.old, names),
        )

    def session(self) -> dict[str, str]:
        """The session variables, as the webhook gets them; none if there are none."""
        if self._session is None:
            parsed = json.loads(payload.session_variables(self._event.session))
            self._session = parsed if isinstance(parsed, dict) else {}
        return self._session

    @property
    def session_units(self) -> int:
        """How much the session variables count."""
        return text_units(len(self._event.session or b""))

    def fields(
        self, side: str, columns: Iterable[str], naming: Naming, *, whole: bool
    ) -> dict[str, Field] | None:
        """Columns of one image by the name that the spec has for them; None: there is no such row.

        Args:
            side: `old` or `new`.
            columns: those that the spec names; what the row does not have is left out.
            naming: what they are called in the row.
            whole: all other columns too.
        """
        if (self._event.old if side == "old" else self._event.new) is None:
            return None
        row = self.old if side == "old" else self.new
        found = dict(_named(row, columns, naming))
        if whole:
            known = {field.name for field in found.values()}
            for name, raw in row.items():
                if name not in known:
                    found[name] = Field(name, raw, name in naming.doubles)
        return found

    def value(self, side: str, field: Field) -> Any:
        """A column as Python has it, and so CEL.

        Raises:
            ConditionError: it is nested deeper than `DEPTH`.
        """
        key = (side, field.name, field.double)
        if key not in self._values:
            self._values[key] = _parsed(field)
        return self._values[key]


def _key(row: Mapping[str, bytes], names: Sequence[str]) -> str:
    return rowjson.key_text([row.get(name, b"null") for name in names])


def _key_of(raw: bytes, names: Sequence[str]) -> str | None:
    row = rowjson.plain(raw)
    return None if row is None else rowjson.plain_key(row, names)


def _named(
    row: Mapping[str, bytes], columns: Iterable[str], naming: Naming
) -> Iterator[tuple[str, Field]]:
    for name in columns:
        now = naming.now.get(name, name)
        if (raw := row.get(now)) is not None:
            yield name, Field(now, raw, now in naming.doubles)


def _parsed(field: Field) -> Any:
    raw = field.raw
    if raw[0] == _QUOTE and b"\\" not in raw:
        value: Any = _text(raw[1:-1])
    else:
        if raw[0] in _BRACKETS and _depth(raw) > DEPTH:
            raise ConditionError(f"column {field.name} is nested more than {DEPTH} deep")
        decode = _WITH_DOUBLES if field.double else _WITH_INTS
        value = decode(_text(raw))
    return _doubles(value) if field.double and _QUOTE in raw else value


def _doubles(value: Any) -> Any:
    """With the doubles that JSON has no number for, in arrays too."""
    if isinstance(value, list):
        return [_doubles(each) for each in value]
    return float(value) if isinstance(value, str) and value in _SPECIAL else value


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ConditionError("a column is not UTF-8") from None


def _whole(text: str) -> int | float:
    """A whole number that fits into 64 bits is an int, any other a double: the nearest."""
    if len(text) <= _INT_CHARACTERS and -INT_LIMIT <= (number := int(text)) < INT_LIMIT:
        return number
    return float(text)


# made once: json.loads with arguments makes one at every call
_WITH_INTS = json.JSONDecoder(parse_int=_whole).decode
_WITH_DOUBLES = json.JSONDecoder(parse_int=float).decode


def _depth(raw: bytes) -> int:
    """How deep it is nested, as far as that may be too deep; else 0."""
    if raw.count(b"[") + raw.count(b"{") <= DEPTH:
        return 0
    depth = most = 0
    for match in _NESTING.finditer(raw):
        if match[1]:
            depth += 1
            most = max(most, depth)
        elif raw[match.start()] != _QUOTE:
            depth -= 1
    return most
