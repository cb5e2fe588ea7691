"""The shapes of answers and bodies as JSON Schema, made from the values themselves."""

from __future__ import annotations

import types
from datetime import datetime
from typing import Any, Union, get_args, get_origin, get_type_hints

from cdc_triggers.core import views
from cdc_triggers.core.cleanup import CleanupLine
from cdc_triggers.core.plan import Change
from cdc_triggers.core.spec import Definition, Trigger

Schema = dict[str, Any]

REF = "#/components/schemas/{model}"

_PLAIN: dict[object, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
}
_JSON = {"description": "JSON exactly as stored"}

_VIEWS: dict[str, tuple[type, dict[str, Schema]]] = {
    "Trigger": (views.TriggerView, {"definition": {**_JSON, "type": "object"}}),
    "EventLine": (views.EventLine, {}),
    "Event": (views.EventView, {"old": _JSON, "new": _JSON}),
    "Delivery": (views.DeliveryView, {}),
    "Attempt": (views.AttemptView, {"request": _JSON, "response": _JSON}),
    "SlotStatus": (views.SlotStatus, {}),
    "StreamStatus": (views.StreamStatus, {}),
    "TriggerStatus": (views.TriggerStatus, {}),
    "RetentionStatus": (views.RetentionStatus, {}),
    "Status": (views.Status, {}),
    "CleanupLine": (CleanupLine, {}),
}


def components() -> dict[str, Schema]:
    """All of them by name."""
    found = {name: _of_view(kind, more) for name, (kind, more) in _VIEWS.items()}
    found |= _composed() | _changes()
    found |= _spec()
    return found


def _composed() -> dict[str, Schema]:
    following = {"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]}
    return {
        "Error": _object(
            {
                "code": {"type": "string"},
                "path": {"type": "string", "description": "JSONPath into the request"},
                "error": {"type": "string"},
                "internal": {"description": "more of it: all problems, for example"},
            },
            optional={"internal"},
        ),
        "TriggerList": _object({"triggers": _list("Trigger")}),
        "EventList": _object({"events": _list("EventLine"), "next": following}),
        "DeliveryList": _object({"deliveries": _list("EventLine"), "next": following}),
        "CleanupList": _object({"cleanups": _list("CleanupLine")}),
        "EventDetail": _object(
            {
                "event": _ref("Event"),
                "deliveries": _list("Delivery"),
                "attempts": _list("Attempt"),
            }
        ),
        "Probe": _object({"status": {"enum": ["ok"]}}, closed=False),
        "Ready": _readiness({"status": {"enum": ["ok"]}}),
        "NotReady": _readiness({"status": {"enum": ["unavailable"]}, "reason": {"type": "string"}}),
    }


def _readiness(properties: dict[str, Schema]) -> Schema:
    """With what a stream counts; a console alone does not."""
    count = {"type": "integer", "minimum": 0}
    counted = {"recoveries": count, "recovered": count}
    return _object({**properties, **counted}, optional=set(counted), closed=False)


def _changes() -> dict[str, Schema]:
    """What calls that change something answer."""
    changes = [change.value for change in Change]
    count = {"type": "integer", "minimum": 0}
    return {
        "TriggerChange": _object(
            {
                "change": {"enum": [*changes, "unchanged"]},
                "trigger": _ref("Trigger"),
                "notes": {"type": "array", "items": {"type": "string"}},
            }
        ),
        "TriggerRemoval": _object({"name": {"type": "string"}, "change": {"enum": ["removed"]}}),
        "Pause": _object({"paused": {"type": "boolean"}, "changed": {"type": "boolean"}}),
        "EventId": _object({"id": {"type": "string", "format": "uuid"}}),
        "Cleanup": _object(
            {
                "trigger": {"type": "string"},
                "deleted_events": count,
                "deleted_attempts": count,
                "dry_run": {"type": "boolean"},
            }
        ),
        "Redelivery": _object(
            {"redelivered": count, "already_parked": count, "dry_run": {"type": "boolean"}}
        ),
    }


def _spec() -> dict[str, Schema]:
    """The trigger of a trigger file: flat, or with `definition`; the name is in the path."""
    whole = Trigger.model_json_schema(by_alias=True, ref_template=REF)
    found: dict[str, Schema] = whole.pop("$defs")
    flat = found["Definition"]["properties"]
    properties = {**whole["properties"], **flat}
    found["Table"] = {"anyOf": [{"type": "string", "minLength": 1}, found["Table"]]}
    found["TriggerSpec"] = {
        **whole,
        "description": "A trigger as in the trigger file that `cdc-triggers init` writes.",
        "properties": properties,
        "required": ["table"],
        "anyOf": [{"required": ["definition"]}, *({"required": [key]} for key in flat)],
    }
    assert set(flat) == set(Definition.model_fields)
    return found


def _of_view(kind: type, more: dict[str, Schema]) -> Schema:
    hints = get_type_hints(kind, localns={"datetime": datetime})
    return _object({name: more.get(name) or _of_type(hint) for name, hint in hints.items()})


def _of_type(hint: Any) -> Schema:
    if hint in _PLAIN:
        return _PLAIN[hint]
    if get_origin(hint) in {Union, types.UnionType}:
        return {
            "anyOf": [
                {"type": "null"} if each is type(None) else _of_type(each)
                for each in get_args(hint)
            ]
        }
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _of_type(get_args(hint)[0])}
    return _ref(next(name for name, (kind, _) in _VIEWS.items() if kind is hint))


def _object(
    properties: dict[str, Schema], *, optional: set[str] | None = None, closed: bool = True
) -> Schema:
    required = [name for name in properties if name not in (optional or set())]
    schema: Schema = {"type": "object", "properties": properties, "required": required}
    return {**schema, "additionalProperties": False} if closed else schema


def _list(name: str) -> Schema:
    return {"type": "array", "items": _ref(name)}


def _ref(name: str) -> Schema:
    return {"$ref": REF.format(model=name)}
