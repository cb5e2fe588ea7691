"""The writer's trace context: untrusted text of its session, as W3C or as Hasura writes it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
"""W3C Trace Context, level 1: version 00 has four parts, a later one may have more."""

_MEMBER = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}")
STATE_CHARACTERS = 512
STATE_MEMBERS = 32


class TraceContext(NamedTuple):
    """A place in a trace. Ids are in lower-case hex; `state` is a W3C tracestate, or empty."""

    trace_id: str
    span_id: str
    sampled: bool
    state: str = ""

    @property
    def traceparent(self) -> str:
        """The same as a W3C header."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def context_of(trace: bytes | None) -> TraceContext | None:
    """What the writer's session says of its trace; None if it says nothing, or nothing valid."""
    if not trace:
        return None
    return _cached(trace) if len(trace) <= STATE_CHARACTERS else _context(trace)


def _context(trace: bytes) -> TraceContext | None:
    parsed = json_object(trace) or traceparent(trace)
    if parsed is None:
        return None
    trace_id = _text(parsed.get("trace_id")).lower()
    span_id = _text(parsed.get("span_id")).lower()
    if not _is_trace(trace_id, span_id):
        return None
    sampled = _text(parsed.get("sampling_state")) in {"1", "d"}
    return TraceContext(trace_id, span_id, sampled, _state(parsed.get("tracestate")))


_cached = lru_cache(maxsize=256)(_context)


def traceparent(trace: bytes) -> Mapping[str, object] | None:
    """What a W3C `traceparent` says, in the words of Hasura's trace context."""
    found = _TRACEPARENT.fullmatch(trace.decode(errors="replace").strip())
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not _is_trace(trace_id, span_id):
        return None
    sampled = "1" if int(flags, 16) & 1 else "0"
    return {"trace_id": trace_id, "span_id": span_id, "sampling_state": sampled}


def _text(value: object) -> str:
    """A text, or a whole number; of what may be nested too deep for `str` nothing is wanted."""
    return str(value) if isinstance(value, str | int) else ""


def _state(value: object) -> str:
    """A tracestate that may stand in a header: all of it, or nothing."""
    if not isinstance(value, str) or len(value) > STATE_CHARACTERS:
        return ""
    members = [member.strip(" ") for member in value.split(",")]
    valid = len(members) <= STATE_MEMBERS and all(map(_MEMBER.fullmatch, members))
    return ",".join(members) if valid else ""


def _is_trace(trace_id: str, span_id: str) -> bool:
    """W3C: all zeros mean that there is no trace."""
    if not (_TRACE_ID.fullmatch(trace_id) and _SPAN_ID.fullmatch(span_id)):
        return False
    return bool(trace_id.strip("0") and span_id.strip("0"))


def json_object(text: bytes) -> dict[str, object] | None:
    """What it says, if it is a JSON object."""
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) else None
