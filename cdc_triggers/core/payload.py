"""The bytes that a webhook receives, and the trace headers that go with them.

The row's JSON is passed through as PostgreSQL wrote it: a numeric keeps its digits. What the
writer's session set is untrusted text: whatever it holds, there is a valid body.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson

from cdc_triggers.core import rowjson

if TYPE_CHECKING:
    from cdc_triggers.core.event import Event
    from cdc_triggers.core.spec import Columns

SESSION_PREFIX = "x-hasura-"

CACHED_LENGTH = 1024
"""Sessions up to this many bytes are encoded once: a user's writes all carry the same."""

_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")


def body(
    event: Event, trigger_name: str, current_retry: int, max_retries: int, payload: Columns
) -> bytes:
    """Build the JSON body of one attempt.

    Args:
        event: what happened.
        trigger_name: the trigger it is delivered for.
        current_retry: 0 for the first attempt.
        max_retries: the trigger's num_retries.
        payload: the columns that old and new are narrowed to; `*` leaves them as they are.
    """
    old, new = event.old, event.new
    if payload != "*":
        old = None if old is None else rowjson.pick(old, payload)
        new = None if new is None else rowjson.pick(new, payload)
    # in one go: a row may be large, and each copy of it that is alive counts
    return (
        b'{"id":"%b","created_at":"%b",%b"current_retry":%d,"max_retries":%d},'
        b'"event":{"op":"%b","session_variables":%b,"trace_context":%b,'
        b'"data":{"old":%b,"new":%b}}}'
    ) % (
        event.id.encode(),
        event.created_at.encode(),
        _names(event.schema_name, event.table_name, trigger_name),
        current_retry,
        max_retries,
        event.op.encode(),
        session_variables(event.session),
        trace_context(event.trace),
        b"null" if old is None else old,
        b"null" if new is None else new,
    )


@lru_cache(maxsize=4096)
def _names(schema: str, table: str, trigger: str) -> bytes:
    """Encode the part of the body that is the same for every event of a table and trigger."""
    return b'"table":{"schema":%b,"name":%b},"trigger":{"name":%b},"delivery_info":{' % (
        orjson.dumps(schema),
        orjson.dumps(table),
        orjson.dumps(trigger),
    )


def session_variables(session: bytes | None) -> bytes:
    """Encode the `x-hasura-` keys of the writer's session, in lower case, with text values.

    Returns:
        A JSON object, or `null` if the setting is absent, empty or not a JSON object. A value
        that is not a string is given as its JSON text.
    """
    if not session:
        return b"null"
    return _cached_session(session) if len(session) <= CACHED_LENGTH else _session(session)


def _session(session: bytes) -> bytes:
    parsed = _object(session)
    if parsed is None:
        return b"null"
    try:
        kept = {
            lower: value if isinstance(value, str) else orjson.dumps(value).decode()
            for name, value in parsed.items()
            if (lower := name.lower()).startswith(SESSION_PREFIX)
        }
    except orjson.JSONEncodeError:  # nested deeper than the encoder goes (the decoder goes deeper)
        return b"null"
    return orjson.dumps(kept)


_cached_session = lru_cache(maxsize=1024)(_session)


def trace_context(trace: bytes | None) -> bytes:
    """Pass the writer's trace context on if it is a JSON object; else `null`."""
    return trace if trace and _object(trace) is not None else b"null"


def trace_headers(event: Event) -> tuple[tuple[str, str], ...]:
    """W3C `traceparent` made of the writer's trace context; nothing if absent or malformed."""
    parsed = _object(event.trace) if event.trace else None
    if parsed is None:
        return ()
    trace_id = str(parsed.get("trace_id")).lower()
    span_id = str(parsed.get("span_id")).lower()
    if not (_TRACE_ID.fullmatch(trace_id) and _SPAN_ID.fullmatch(span_id)):
        return ()
    if not (trace_id.strip("0") and span_id.strip("0")):
        return ()  # W3C: all zeros mean that there is no trace
    sampled = str(parsed.get("sampling_state")) in {"1", "d"}
    return (("traceparent", f"00-{trace_id}-{span_id}-{'01' if sampled else '00'}"),)


def _object(text: bytes) -> dict[str, object] | None:
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) else None
