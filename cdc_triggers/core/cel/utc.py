"""Times in UTC, whatever the offset in their text.

The evaluator's accessors tell the hours of that offset, and CEL's those of UTC. A sum has the
offset of its first part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdc_triggers.core.cel.nodes import Binary, Call, Literal, Node

if TYPE_CHECKING:
    from cdc_triggers.core.problems import Place

_EPOCH = "1970-01-01T00:00:00Z"


def in_utc(node: Node) -> Node:
    """The same expression with every `timestamp()` brought to UTC."""
    made: Node = type(node)(*map(_rebuilt, node))
    if not (isinstance(made, Call) and made.function == "timestamp"):
        return made
    place = made.place
    return Binary(place, "+", _epoch(place), Binary(place, "-", made, _epoch(place)))


def _rebuilt(value: Any) -> Any:
    if isinstance(value, Node):
        return in_utc(value)
    # a Place is a tuple too, but not only that
    return tuple(map(_rebuilt, value)) if type(value) is tuple else value


def _epoch(place: Place) -> Call:
    return Call(place, "timestamp", None, (Literal(place, "string", _EPOCH),))
