"""The bytes that a webhook receives, and the trace headers that go with them.

The row's JSON is passed through as PostgreSQL wrote it: a numeric keeps its digits. What the
writer's session set is untrusted text: whatever it holds, there is a valid body.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from cdc_triggers.core.kriti import values
from cdc_triggers.core.shape import WHOLE
from cdc_triggers.core.trace import context_of, json_object, traceparent

if TYPE_CHECKING:
    from cdc_triggers.core.event import Event
    from cdc_triggers.core.shape import Shape

SESSION_PREFIX = "x-hasura-"

OWN_SESSION = "cdc_triggers"
"""Capture wraps the setting `cdc_triggers.session` in an object with this one name."""

CACHED_LENGTH = 1024
"""Sessions up to this many bytes are encoded once: a user's writes all carry the same."""


def body(
    event: Event, trigger_name: str, current_retry: int, max_retries: int, shape: Shape = WHOLE
) -> bytes:
    """Build the JSON body of one attempt.

    Args:
        event: what happened.
        trigger_name: the trigger it is delivered for.
        current_retry: 0 for the first attempt.
        max_retries: the trigger's num_retries.
        shape: in which form old and new are sent.
    """
    old, new = event.old, event.new
    if shape is not WHOLE:
        old, new = shape.image(old), shape.image(new)
    head = (
        b'{"id":"%b","created_at":"%b",%b"current_retry":%d,"max_retries":%d},'
        b'"event":{"op":"%b","session_variables":%b,"trace_context":%b,"data":{"old":'
    ) % (
        event.id.encode(),
        event.created_at.encode(),
        _names(event.schema_name, event.table_name, trigger_name),
        current_retry,
        max_retries,
        event.op.encode(),
        session_variables(event.session),
        trace_context(event.trace),
    )
    # not by format, which asks for a quarter more than it needs: a row may be large
    return b"".join((head, old or b"null", b',"new":', new or b"null", b"}}}"))


@lru_cache(maxsize=4096)
def _names(schema: str, table: str, trigger: str) -> bytes:
    """Encode the part of the body that is the same for every event of a table and trigger."""
    return b'"table":{"schema":%b,"name":%b},"trigger":{"name":%b},"delivery_info":{' % (
        orjson.dumps(schema),
        orjson.dumps(table),
        orjson.dumps(trigger),
    )


def session_variables(session: bytes | None) -> bytes:
    """Encode what the writer's session says of itself: names in lower case, values as text.

    Of `hasura.user` the keys that begin with `x-hasura-` count, of `cdc_triggers.session` all.

    Returns:
        A JSON object, or `null` if the setting is absent, empty or not a JSON object. A value
        that is not a string is given as its JSON text.
    """
    if not session:
        return b"null"
    return _cached_session(session) if len(session) <= CACHED_LENGTH else _session(session)


def _session(session: bytes) -> bytes:
    said, prefix = _said(json_object(session))
    try:
        if said and not all(isinstance(value, str) for value in said.values()):
            orjson.dumps(said)  # how deep it may be nested is the same wherever it is read
            # once more, for the digits of its numbers
            said, prefix = _said(values.read(session, len(session)))
    except (orjson.JSONEncodeError, ValueError):
        said = None
    if said is None:
        return b"null"
    kept = {
        lower: value if isinstance(value, str) else values.write(value)
        for name, value in said.items()
        if (lower := name.lower()).startswith(prefix)
    }
    return orjson.dumps(kept)


def _said(parsed: Any) -> tuple[dict[str, Any] | None, str]:
    """The object that counts, and the prefix of those of its keys that do."""
    if isinstance(parsed, dict) and OWN_SESSION in parsed:
        own = parsed[OWN_SESSION]
        return (own if isinstance(own, dict) else None), ""
    return (parsed if isinstance(parsed, dict) else None), SESSION_PREFIX


_cached_session = lru_cache(maxsize=1024)(_session)


def trace_context(trace: bytes | None) -> bytes:
    """The writer's trace context: a JSON object as it is, a W3C `traceparent` as one; else `null`.

    An object is passed on with whatever it holds, a `traceparent` only if it is valid.
    """
    if not trace:
        return b"null"
    if json_object(trace) is not None:
        return trace
    parent = traceparent(trace)
    return b"null" if parent is None else orjson.dumps(parent)


def trace_headers(event: Event) -> tuple[tuple[str, str], ...]:
    """W3C headers made of the writer's trace context; nothing if absent or malformed."""
    context = context_of(event.trace)
    if context is None:
        return ()
    parent = ("traceparent", context.traceparent)
    return (parent, ("tracestate", context.state)) if context.state else (parent,)
