"""In which form is a row sent: which columns, and which values not as PostgreSQL wrote them?

A value is wrapped or rewritten by the type of its column; all others stay the bytes that they are.
"""

from __future__ import annotations

from typing import NamedTuple

from cdc_triggers.core import geojson, rowjson
from cdc_triggers.core.columns import Holds
from cdc_triggers.core.spec import Columns, Operation, Trigger

AS_IS: frozenset[str] = frozenset()
_NUMBER = b"-0123456789"


class Shape(NamedTuple):
    """The form of one row.

    Attributes:
        columns: those that are sent; `*` is all of them.
        numbers: columns whose numbers are sent as strings, digit by digit.
        places: columns whose values PostGIS wrote in hexadecimal; sent as GeoJSON.
    """

    columns: Columns = "*"
    numbers: frozenset[str] = AS_IS
    places: frozenset[str] = AS_IS

    def image(self, raw: bytes | None) -> bytes | None:
        """The row in this form; None stays None.

        Raises:
            DecodeError: `raw` is not a JSON object.
        """
        if raw is None or self == WHOLE:
            return raw
        columns = self.columns
        return rowjson.write(
            (name, self._value(name, value))
            for name, value in rowjson.fields(raw).items()
            if columns == "*" or name in columns
        )

    def _value(self, name: str, value: bytes) -> bytes:
        if name in self.numbers and value[0] in _NUMBER:
            return b'"%b"' % value
        if name in self.places and value[:1] == b'"':
            return geojson.of_hex(value[1:-1]) or value
        return value


WHOLE = Shape()
"""The row as PostgreSQL wrote it."""


def shape_of(spec: Trigger, op: str, holds: Holds[str]) -> Shape:
    """How a row of the table as it is now would be sent."""
    if op == "MANUAL":
        return WHOLE
    operation: Operation | None = getattr(spec.definition, op.lower())
    numbers = holds.large if spec.stringify_numeric_types else AS_IS
    return Shape("*" if operation is None else operation.payload, numbers, holds.places)
