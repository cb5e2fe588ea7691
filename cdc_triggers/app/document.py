"""Values as JSON for those who ask: the command line's `--json`, and the HTTP API."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from cdc_triggers.core.views import EventDetail, TriggerView

_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


def dumps(value: object, *, indent: bool = False) -> bytes:
    """One JSON document: named tuples as objects, times as ISO 8601 in UTC.

    Raises:
        TypeError: something in it has no JSON form.
    """
    return orjson.dumps(
        value, default=encode, option=_OPTIONS | (orjson.OPT_INDENT_2 if indent else 0)
    )


def raw(text: str | None) -> orjson.Fragment | None:
    """JSON text that goes into a document as it is, so that numbers keep their digits."""
    return None if text is None else orjson.Fragment(text)


def body(content: bytes) -> object:
    """A request's or an answer's body: JSON as it is, anything else as text, nothing as null."""
    text = content.decode("utf-8", "replace")
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text or None
    return raw(text)


def pretty(text: str) -> str:
    """JSON text indented for people, numbers digit by digit; odd text stays as it is."""
    try:
        value = json.loads(text, parse_int=_Number, parse_float=_Number)
        return orjson.dumps(value, default=encode, option=orjson.OPT_INDENT_2).decode()
    except (ValueError, TypeError, RecursionError):
        return text


def fields(text: str) -> dict[str, str] | None:
    """The fields of a JSON object, each as JSON text with its digits; None: it is none."""
    try:
        value = json.loads(text, parse_int=_Number, parse_float=_Number)
        if not isinstance(value, dict):
            return None
        return {k: orjson.dumps(v, default=encode).decode() for k, v in value.items()}
    except (ValueError, TypeError, RecursionError):
        return None


def iso(at: datetime) -> str:
    """A time as in the body of a request: UTC, microseconds, `Z`."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def trigger(view: TriggerView) -> dict[str, object]:
    """A trigger with its definition."""
    return {**view._asdict(), "definition": raw(view.definition)}


def event(detail: EventDetail) -> dict[str, object]:
    """An event with its deliveries and attempts."""
    values = detail.event._asdict()
    values |= {"old": raw(detail.event.old), "new": raw(detail.event.new)}
    attempts = [
        {**a._asdict(), "request": raw(a.request), "response": raw(a.response)}
        for a in detail.attempts
    ]
    return {"event": values, "deliveries": detail.deliveries, "attempts": attempts}


def encode(value: Any) -> Any:
    """What orjson does not know.

    Raises:
        TypeError: we do not know it either.
    """
    if isinstance(value, _Number):
        return orjson.Fragment(value.text)
    if isinstance(value, datetime):
        return iso(value)
    if hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


class _Number:
    """A JSON number that is only passed on."""

    def __init__(self, text: str) -> None:
        self.text = text
