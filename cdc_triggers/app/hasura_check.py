"""Does a trigger file say what Hasura's metadata says? Keys that only we have do not count."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel

from cdc_triggers.core.spec import Operation, RetryConf, Trigger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdc_triggers.app.hasura_import import Imported

MISSING, CHANGED, EXTRA = "missing", "changed", "extra"

_COMPARED = (
    *("name", "table", "definition", "webhook", "webhook_from_env", "headers", "retry_conf"),
    *("request_transform", "response_transform", "cleanup_config", "trigger_on_replication"),
)
"""What Hasura has a word for, as far as the spec has it too. The rest is yours to choose."""

_RETRY = ("num_retries", "interval_sec", "timeout_sec")


class Difference(NamedTuple):
    """One trigger that differs.

    Attributes:
        change: missing in the file, changed, or extra: the metadata does not have it.
        keys: of a changed one, what differs.
        place: `file:line` of the metadata, or of the file for an extra one.
    """

    trigger: str
    change: str
    keys: tuple[str, ...]
    place: str


def compare(
    imported: Sequence[Imported], present: Sequence[Trigger], sources: Mapping[str, str]
) -> list[Difference]:
    """What would have to change in the file, in the metadata's order, and then what is extra."""
    by_name = {trigger.name: trigger for trigger in present}
    found: list[Difference] = []
    for each in imported:
        name = each.trigger.name
        if name not in by_name:
            found.append(Difference(name, MISSING, (), each.place))
        elif keys := _differing(each.trigger, by_name[name]):
            found.append(Difference(name, CHANGED, keys, each.place))
    wanted = {each.trigger.name for each in imported}
    found += [Difference(n, EXTRA, (), sources[n]) for n in by_name if n not in wanted]
    return found


def _differing(wanted: Trigger, present: Trigger) -> tuple[str, ...]:
    return tuple(
        key
        for key in _COMPARED
        if key in Trigger.model_fields
        and _meaning(getattr(wanted, key)) != _meaning(getattr(present, key))
    )


def _meaning(value: object) -> object:
    """The value without what makes no difference: the order of columns, keys that are ours."""
    if isinstance(value, RetryConf):
        return tuple(getattr(value, key) for key in _RETRY)
    if isinstance(value, Operation):
        return tuple(
            value if isinstance(value, str) else frozenset(value)
            for value in (value.columns, value.payload)
        )
    if isinstance(value, BaseModel):
        return {key: _meaning(getattr(value, key)) for key in type(value).model_fields}
    return value
