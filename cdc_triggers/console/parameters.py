"""Parameters that several calls share: one name, one meaning, one pattern."""

from __future__ import annotations

from cdc_triggers.console.operation import Parameter

LIMIT = 500
_UUID = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_NAME = "^[A-Za-z][A-Za-z0-9_-]{0,41}$"
_SINCE = "^([0-9]{1,9}[smhdw]|[0-9]{4}-[0-9]{2}-[0-9]{2}.*)$"

_TRIGGER_SCHEMA = {"type": "string", "pattern": _NAME, "maxLength": 42}
NAME = Parameter("name", "name of an applied trigger", _TRIGGER_SCHEMA)
EVENT = Parameter(
    "id", "id of an event, a UUID", {"type": "string", "format": "uuid", "pattern": _UUID}
)
OF_TRIGGER = Parameter("trigger", "only for this trigger", _TRIGGER_SCHEMA)
SINCE = Parameter(
    "since",
    "an age (90s, 30m, 1h, 2d) or a time in ISO 8601",
    {"type": "string", "pattern": _SINCE, "examples": ["1h", "2026-11-24T14:22:00Z"]},
)
PAGE = Parameter(
    "limit",
    "lines at most; an event's lines are never torn apart",
    {"type": "integer", "minimum": 1, "maximum": LIMIT, "default": 50},
    default=50,
)
BEFORE = Parameter(
    "before", "`next` of the page before", {"type": "string", "format": "uuid", "pattern": _UUID}
)
DRY_RUN = Parameter(
    "dry_run",
    "only count what would be sent again",
    {"type": "boolean", "default": False},
    default=False,
)
