"""Spans as OTLP's protobuf, put together from parts that are encoded once.

The SDK makes an object per span, per attribute and per value, and encodes them one by one: more
work than all else that is done for an event. Here a span is a template, its ids and times, and a
few parts that are mostly known. `tests/unit/test_otlp.py` reads them with the official classes.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from struct import Struct, pack
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdc_triggers.core.trace import TraceContext

Value = str | bool | int | float
Pairs = tuple[tuple[str, Value], ...]

_TIMES: Final = Struct("<BQBQ")
_START, _END = 0x39, 0x41
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

    __slots__ = ("_rest",)

    def __init__(self, name: str, kind: Kind, pairs: Pairs, *, remote: bool = False) -> None:
        flags = 1 | (_REMOTE if remote else 0x100)
        parts = [_text(b"\x2a", name), bytes((0x30, kind)), *(attribute(*pair) for pair in pairs)]
        self._rest = b"".join((*parts, pack("<BBI", 0x85, 0x01, flags)))

    def span(
        self,
        trace_id: bytes,
        span_id: bytes,
        parent: bytes,
        start_ns: int,
        end_ns: int,
        *parts: bytes,
    ) -> bytes:
        """A sampled span that is over, as part of a request.

        Args:
            trace_id: 16 bytes.
            span_id: 8 bytes.
            parent: 8 bytes, or none.
            start_ns: nanoseconds since 1970; `end_ns` too.
            end_ns: see there.
            *parts: what the functions below make, in any order.
        """
        data = b"".join(
            (
                b"\x0a\x10",
                trace_id,
                b"\x12\x08",
                span_id,
                b"\x22\x08" if parent else b"",
                parent,
                _TIMES.pack(_START, start_ns, _END, end_ns),
                self._rest,
                *parts,
            )
        )
        return b"\x12" + _length(len(data)) + data


class Text:
    """An attribute of many spans whose value differs; of short ASCII values the frame is kept."""

    __slots__ = ("_frames", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._frames: dict[int, bytes] = {}

    def __call__(self, value: str) -> bytes:
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
    """An attribute of many spans whose value is a natural number, seldom the same."""

    __slots__ = ("_frames",)

    def __init__(self, name: str) -> None:
        bounds = (1 << (7 * size) for size in range(10))
        self._frames = [_frame(name, size, least) for size, least in enumerate(bounds, 1)]

    def __call__(self, value: int) -> bytes:
        """The attribute with this value."""
        data = _varint(value)
        return self._frames[len(data) - 1] + data


def _frame(name: str, size: int, least: int) -> bytes:
    """An attribute whose number takes so many bytes, without these."""
    return (b"\x4a" + _sized(_pair(name, least if size > 1 else 0)))[:-size]


def request(spans: Iterable[bytes], resource: bytes, scope: bytes) -> bytes:
    """An ExportTraceServiceRequest; `resource` and `scope` are what the functions below make."""
    return b"\x0a" + _sized(resource + b"\x12" + _sized(scope + b"".join(spans)))


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


_LENGTHS: Final = tuple(map(_varint, range(_TABLE)))
