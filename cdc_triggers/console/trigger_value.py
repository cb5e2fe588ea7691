"""A trigger as JSON: read into a spec with all that is wrong, and written as Hasura does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from cdc_triggers.app import spec_problems, trigger_file
from cdc_triggers.app.trigger_file import LoadedTriggers
from cdc_triggers.console.answers import bad_request, problems_error
from cdc_triggers.core.spec import Definition, Trigger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdc_triggers.app.spec_problems import Path

_NESTED = ("insert", "update", "delete", "retry_conf")
"""Here, as at the top, Hasura takes null for something that is not there."""

_IN_DEFINITION = tuple(Definition.model_fields)
_HASURAS_RETRY = ("num_retries", "interval_sec", "timeout_sec")
_TRANSFORMS = ("request_transform", "response_transform")


def read(given: object, path: str, environment: Mapping[str, str]) -> Trigger:
    """The spec that `given` says, flat as in Hasura's API or with a `definition`.

    Args:
        given: a value of JSON.
        path: where it stands in the request.
        environment: the stream's; what it lacks is a problem.

    Raises:
        ApiError: with everything that is wrong.
    """
    if not isinstance(given, dict):
        raise bad_request("parse-failed", "a trigger is an object", path)
    value = _without_nulls(given)
    flat = "definition" not in value
    spec = {**value, "definition": _take(value, _IN_DEFINITION)} if flat else value
    for key in _IN_DEFINITION if flat else ():
        spec.pop(key, None)
    try:
        trigger = Trigger.model_validate(spec)
    except ValidationError:
        problems = [(_place(path, p.path, flat=flat), p.text) for p in spec_problems.problems(spec)]
        raise problems_error("parse-failed", problems) from None
    if problems := [(path, text) for text in _environment(trigger, environment)]:
        raise problems_error("invalid-configuration", problems)
    return trigger


def write(trigger: Trigger) -> dict[str, object]:
    """As Hasura exports it; keys that only we have, if they say anything."""
    brief = trigger.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude_defaults=True, exclude={"table"}
    )
    whole = trigger.model_dump(mode="json", by_alias=True, exclude_none=True)
    definition = {k: v for k, v in whole["definition"].items() if v is not False}
    retry = _take(whole["retry_conf"], _HASURAS_RETRY) | brief.get("retry_conf", {})
    # In Hasura a transform without a version is one of version 1.
    return {**brief, **_take(whole, _TRANSFORMS), "definition": definition, "retry_conf": retry}


def _without_nulls(given: dict[str, Any]) -> dict[str, Any]:
    value = {key: below for key, below in given.items() if below is not None}
    for above in (value, value.get("definition")):
        if not isinstance(above, dict):
            continue
        for key in _NESTED:
            if isinstance(below := above.get(key), dict):
                above[key] = {k: v for k, v in below.items() if v is not None}
    if isinstance(definition := value.get("definition"), dict):
        value["definition"] = {k: v for k, v in definition.items() if v is not None}
    return value


def _take(value: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value[key] for key in keys if key in value}


def _place(path: str, steps: Path, *, flat: bool) -> str:
    if flat and steps[:1] == ("definition",):
        steps = steps[1:]
    return f"{path}.{spec_problems.show(steps)}" if steps else path


def _environment(trigger: Trigger, environment: Mapping[str, str]) -> Iterator[str]:
    missing = sorted(trigger.environment_names() - environment.keys())
    for name in missing:
        yield f"environment variable {name} is not set where the stream runs"
    if not missing:
        loaded = LoadedTriggers((trigger,), {trigger.name: ""})
        for text in trigger_file.environment_problems(loaded, environment):
            yield text.removeprefix(": ")
