"""Spans as OTLP's protobuf, put together from parts that are encoded once.

The SDK makes an object per span, per attribute and per value, and encodes them one by one: more
work than all else that is done for an event. Here a span is a template, its ids and times, and a
few parts that are mostly known. `tests/unit/test_otlp.py` reads them with the official classes.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from struct import pack
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cdc_triggers.core.trace import TraceContext

Value = str | bool | int | float
Pairs = tuple[tuple[str, Value], ...]

_IDS_AND_TIMES: Final = 2 + 16 + 2 + 8 + 2 + 8 + 9 + 9
_REMOTE: Final = 0x300
"""Flags: it is known whether the parent is remote, and it is."""

_SMALL: Final = 0x80
_TABLE: Final = 2_048


class Kind(IntEnum):
    """What a span is to its peer; OTLP's numbers."""

    INTERNAL = 1
    CLIENT = 3
    CONSUMER = 5


class Template:
    """What spans of one kind have in common.

    Args:
        name: of the spans.
        kind: what they are to their peer.
        pairs: attributes that all of them have.
        remote: the span above is in another process.
    """

    __slots__ = ("_rest", "_size")

    def __init__(self, name: str, kind: Kind, pairs: Pairs, *, remote: bool = False) -> None:
        flags = 1 | (_REMOTE if remote else 0x100)
        parts = [_text(b"\x2a", name), bytes((0x30, kind)), *(attribute(*pair) for pair in pairs)]
        self._rest = b"".join((*parts, pack("<BBI", 0x85, 0x01, flags)))
        self._size = _IDS_AND_TIMES + len(self._rest)

    def span(
        self,
        trace_id: bytes,
        span_id: bytes,
        parent: bytes,
        start_ns: int,
        end_ns: int,
        *,
        own: bytes,
    ) -> bytes:
        """A sampled span that is over, as part of a request.

        Args:
            trace_id: 16 bytes.
            span_id: 8 bytes.
            parent: 8 bytes, or none.
            start_ns: nanoseconds since 1970; `end_ns` too.
            end_ns: see there.
            own: what the functions below make, in any order.
        """
        size = self._size + len(own)
        if not parent:
            size -= 2 + 8
        return b"".join(
            (
                _FRAMES[size] if size < _TABLE else _framed(size),
                trace_id,
                b"\x12\x08",
                span_id,
                b"\x22\x08" if parent else b"",
                parent,
                b"\x39",
                start_ns.to_bytes(8, "little"),
                b"\x41",
                end_ns.to_bytes(8, "little"),
                self._rest,
                own,
            )
        )


class Text:
    """An attribute of many spans whose value differs; of short ASCII values the frame is kept."""

    __slots__ = ("_frames", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._frames: dict[int, bytes] = {}

    def part(self, value: str) -> bytes:
        """The attribute with this value."""
        data = value.encode("utf-8", "replace")
        size = len(data)
        frame = self._frames.get(size)
        if frame is None:
            frame = attribute(self._name, "x" * size)[: -size or None]
            if size < _SMALL:
                self._frames[size] = frame
        return frame + data


class Number:
    """An attribute of many spans whose value is a natural number; small ones are kept."""

    __slots__ = ("_frames", "_small")

    def __init__(self, name: str) -> None:
        bounds = (1 << (7 * size) for size in range(10))
        self._frames = [_frame(name, size, least) for size, least in enumerate(bounds, 1)]
        self._small = [self._frames[0] + _varint(value) for value in range(_SMALL)]

    def part(self, value: int) -> bytes:
        """The attribute with this value."""
        if value < _SMALL:
            return self._small[value]
        data = _varint(value)
        return self._frames[len(data) - 1] + data


def _frame(name: str, size: int, least: int) -> bytes:
    """An attribute whose number takes so many bytes, without these."""
    return (b"\x4a" + _sized(_pair(name, least if size > 1 else 0)))[:-size]


def request(spans: Sequence[bytes], resource: bytes, scope: bytes) -> bytes:
    """An ExportTraceServiceRequest; `resource` and `scope` are what the functions below make."""
    size = len(scope)
    for span in spans:
        size += len(span)
    inner = resource + b"\x12" + _length(size) + scope
    head = b"\x0a" + _length(len(inner) - len(scope) + size) + inner
    return b"".join((head, *spans))  # a batch has megabytes: they are copied once


def resource(pairs: Iterable[tuple[str, Value]]) -> bytes:
    """The resource of a request."""
    return b"\x0a" + _sized(b"".join(b"\x0a" + _sized(_pair(*pair)) for pair in pairs))


def scope(name: str, version: str) -> bytes:
    """What made the spans of a request."""
    return b"\x0a" + _sized(_text(b"\x0a", name) + _text(b"\x12", version))


@lru_cache(maxsize=1024)
def attribute(name: str, value: Value) -> bytes:
    """Part of a span."""
    return b"\x4a" + _sized(_pair(name, value))


@lru_cache(maxsize=1024)
def error(text: str) -> bytes:
    """Part of a span: it failed, and why."""
    return b"\x7a" + _sized(_text(b"\x12", text) + b"\x18\x02")


@lru_cache(maxsize=256)
def state(text: str) -> bytes:
    """Part of a span: its W3C tracestate."""
    return _text(b"\x1a", text)


def link(context: TraceContext) -> bytes:
    """Part of a span: a span of another process that it follows from."""
    parts = (
        b"\x0a\x10",
        bytes.fromhex(context.trace_id),
        b"\x12\x08",
        bytes.fromhex(context.span_id),
        state(context.state) if context.state else b"",
        pack("<BI", 0x35, int(context.sampled) | _REMOTE),
    )
    return b"\x6a" + _sized(b"".join(parts))


def _pair(name: str, value: Value) -> bytes:
    if isinstance(value, str):
        inner = _text(b"\x0a", value)
    elif isinstance(value, bool):
        inner = b"\x10\x01" if value else b"\x10\x00"
    elif isinstance(value, int):
        inner = b"\x18" + _varint(value & 0xFFFFFFFFFFFFFFFF)
    else:
        inner = pack("<Bd", 0x21, value)
    return _text(b"\x0a", name) + b"\x12" + _sized(inner)


def _text(tag: bytes, text: str) -> bytes:
    return tag + _sized(text.encode("utf-8", "replace"))


def _sized(data: bytes) -> bytes:
    return _length(len(data)) + data


def _length(size: int) -> bytes:
    return _LENGTHS[size] if size < _TABLE else _varint(size)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= _SMALL:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _framed(size: int) -> bytes:
    """What is before the trace id of a span of so many bytes."""
    return b"\x12" + _varint(size) + b"\x0a\x10"


_LENGTHS: Final = tuple(map(_varint, range(_TABLE)))
_FRAMES: Final = tuple(map(_framed, range(_TABLE)))
