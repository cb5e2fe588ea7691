"""How is an invalid spec told to the person who wrote it: what is wrong, and what to write."""

from __future__ import annotations

import difflib
from copy import deepcopy
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from cdc_triggers.core.cleanup import CleanupConfig
from cdc_triggers.core.spec import (
    Backoff,
    Definition,
    Header,
    Operation,
    Ordering,
    RetryConf,
    Trigger,
)
from cdc_triggers.core.transform_spec import (
    METHODS,
    BodyTransform,
    FlawsError,
    RequestHeaders,
    RequestTransform,
    ResponseTransform,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydantic_core import ErrorDetails

    from cdc_triggers.app.located import Plain

Path = tuple[str | int, ...]

_COLUMNS = frozenset({"columns", "payload"})
_BRANCHES = frozenset({"literal['*']", "tuple[str, ...]", "[key]"})
"""What pydantic puts into its paths for the two forms of columns, and for the key of a mapping."""

_TRANSFORMS = frozenset({"request_transform", "response_transform"})

_SECRET = frozenset({"value", "webhook"})
"""Fields whose content may be a secret: it is never repeated."""

_EXAMPLES = {
    "name": "name: order_changed",
    "table": "table: {schema: public, name: orders}, or table: public.orders",
    "schema": "schema: public",
    "table name": "name: orders",
    "definition": 'definition: {insert: {columns: "*"}}',
    "insert": 'insert: {columns: "*"}',
    "update": 'update: {columns: [status, total]}, or columns: "*"',
    "delete": 'delete: {columns: "*"}',
    "enable_manual": "enable_manual: true, or false",
    "condition": "condition: new.status == 'paid' && old.status != 'paid'",
    "webhook": "webhook: https://example.com/hook",
    "webhook_from_env": "webhook_from_env: SHOP_URL",
    "headers": "headers: [{name: X-Key, value: abc}]",
    "value": 'value: "text"',
    "value_from_env": "value_from_env: SHOP_SECRET",
    "retry_conf": "retry_conf: {num_retries: 5, interval_sec: 10, timeout_sec: 60}",
    "num_retries": "a whole number, 0 or more: num_retries: 5",
    "interval_sec": "whole seconds from 0 to 10000000000: interval_sec: 10",
    "timeout_sec": "whole seconds from 1 to 10000000000: timeout_sec: 60",
    "max_interval_sec": "whole seconds from 1 to 10000000000: max_interval_sec: 3600",
    "backoff": "backoff: " + ", or backoff: ".join(Backoff),
    "jitter": "jitter: true, or false",
    "trigger_on_replication": "trigger_on_replication: true, or false",
    "stringify_numeric_types": "stringify_numeric_types: true, or false",
    "ordering": "ordering: " + ", or ordering: ".join(Ordering),
    "ordering_key": "ordering_key: [customer_id]",
    "max_in_flight": "a whole number from 1 to 10000: max_in_flight: 64",
    "comment": 'comment: "text"',
    "cleanup_config": 'cleanup_config: {schedule: "0 3 * * *", clear_older_than: 168}',
    "schedule": 'schedule: "0 3 * * *" for 03:00 UTC every day',
    "clear_older_than": "whole hours from 1 to 1000000: clear_older_than: 168",
    "batch_size": "a whole number from 1 to 100000: batch_size: 10000",
    "timeout": "whole seconds from 1 to 86400: timeout: 60",
    "clean_invocation_logs": "clean_invocation_logs: true, or false",
    "paused": "paused: true, or false",
    "request_transform": "request_transform: {version: 2, method: PUT}",
    "response_transform": "response_transform: {version: 2, body: {action: remove}}",
    "template_engine": "template_engine: Kriti",
    "body": "body: {action: transform, template: '{\"id\": {{$body.id}}}'}",
    "action": "action: transform, or remove, or x_www_form_urlencoded",
    "template": "template: '{\"id\": {{$body.id}}}'",
    "form_template": 'form_template: {id: "{{$body.id}}"}',
    "method": f"method: {', or method: '.join(METHODS)}",
    "url": 'url: "{{$base_url}}/orders/{{$body.event.data.new.id}}"',
    "content_type": "content_type: application/json",
    "request_headers": "request_headers: {add_headers: {X-Key: abc}, remove_headers: [X-Old]}",
    "add_headers": "add_headers: {X-Key: abc}",
    "remove_headers": "remove_headers: [X-Old]",
}

_KEYS: dict[str, Collection[str]] = {
    "": [*Trigger.model_fields, *Definition.model_fields, "replace"],
    "definition": list(Definition.model_fields),
    "insert": list(Operation.model_fields),
    "update": list(Operation.model_fields),
    "delete": list(Operation.model_fields),
    "headers": list(Header.model_fields),
    "retry_conf": list(RetryConf.model_fields),
    "table": ["schema", "name"],
    "request_transform": list(RequestTransform.model_fields),
    "response_transform": list(ResponseTransform.model_fields),
    "body": list(BodyTransform.model_fields),
    "request_headers": list(RequestHeaders.model_fields),
    "cleanup_config": list(CleanupConfig.model_fields),
}


_REASONS = {
    "model_type": "is not a mapping",
    "dict_type": "is not a mapping",
    "tuple_type": "is not a list",
    "literal_error": "is not known",
    "enum": "is not known",
    "string_type": "is not text",
    "string_too_short": "is empty",
    "bool_type": "is neither true nor false",
    "bool_parsing": "is neither true nor false",
    "int_type": "is not a whole number",
    "int_parsing": "is not a whole number",
    "int_from_float": "is not a whole number",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
}

_VALID: dict[str, Plain] = {
    "name": "x",
    "table": "x",
    "definition": {"enable_manual": True},
    "insert": {},
    "update": {},
    "delete": {},
    "columns": "*",
    "payload": "*",
    "webhook": "https://x",
    "webhook_from_env": "X",
    "value": "x",
    "value_from_env": "X",
    "ordering_key": ["x"],
    "schedule": "0 3 * * *",
    "clear_older_than": 168,
}
"""What stands in for an invalid value, so that the rest of the spec can be checked too."""


class Problem(NamedTuple):
    """Something wrong at a place of the spec; `line` is that of a text which has several."""

    path: Path
    text: str
    line: int = 0


def problems(spec: dict[str, Plain]) -> list[Problem]:
    """Say all that keeps a spec from being a Trigger. `spec` is used up.

    Rules about several fields are checked only when each of them is valid: so whatever is found
    to be wrong is replaced by something valid, and the spec checked again.
    """
    found: dict[Problem, None] = {}
    while True:
        try:
            Trigger.model_validate(spec)
        except ValidationError as invalid:
            errors = invalid.errors(include_url=False)
        else:
            return list(found)
        before = len(found)
        told = [problem for error in errors for problem in _problems_of(error)]
        found.update(dict.fromkeys(told))
        repaired = [_repair(spec, path) for path in dict.fromkeys(p.path for p in told)]
        if len(found) == before or not any(repaired):
            return list(found)


def transform_problems(key: str, transform: Plain) -> list[Problem]:
    """The same of a transform alone: of the key that holds it, in a trigger that is valid."""
    definition: dict[str, Plain] = {"enable_manual": True}
    trigger: dict[str, Plain] = {"name": "x", "table": "x", "definition": definition}
    return problems({**trigger, "webhook": "https://x", key: transform})


def _problems_of(error: ErrorDetails) -> list[Problem]:
    cause = error.get("ctx", {}).get("error")
    if not isinstance(cause, FlawsError):
        return [_problem(error)]
    found = []
    for flaw in cause.flaws:
        path = (*error["loc"], *flaw.path)
        found.append(Problem(path, f"`{show(path)}`: {flaw.text}", flaw.line))
    return found


def _problem(error: ErrorDetails) -> Problem:
    path = error["loc"]
    if error["type"] != "extra_forbidden":
        path = tuple(step for step in path if step not in _BRANCHES)
    columns = _columns_path(path)
    if columns is None or error["type"] == "value_error":
        return Problem(path, _words(path, error))
    # "*" or a list: pydantic reports what is wrong with either.
    return Problem(
        columns,
        f'`{show(columns)}` must be "*" or a list of column names; '
        f'write {columns[-1]}: [id, status], or "*"',
    )


def _repair(spec: dict[str, Plain], path: Path) -> bool:
    """Put something valid in place of what stands at `path`; False if there is no such place."""
    if path and path[0] in _TRANSFORMS:
        return _repair_transform(spec, path)
    above: Plain = spec
    for step in path[:-1]:
        if isinstance(above, dict):
            above = above.get(str(step))
        elif isinstance(above, list) and isinstance(step, int):
            above = above[step]
    last = path[-1] if path else None
    if isinstance(above, list) and isinstance(last, int):
        above[last] = {"name": "x", "value": "x"} if path[0] == "headers" else "x"
    elif isinstance(above, dict) and isinstance(last, str):
        if last in _VALID:
            above[last] = deepcopy(_VALID[last])
        else:
            above.pop(last, None)
    else:
        return False
    return True


def _repair_transform(spec: dict[str, Plain], path: Path) -> bool:
    """Take out what is wrong with a transform, and no more than that."""
    above: Plain = spec
    for place, step in enumerate(path):
        below = above.get(str(step)) if isinstance(above, dict) else None
        if place < len(path) - 1 and isinstance(below, dict):
            above = below
        elif not isinstance(above, dict) or step not in above:
            return False
        elif isinstance(below, str) and step in {"template", "body"}:
            above[step] = "null"
            return True
        else:
            del above[str(step)]
            if step == "action":
                above["action"] = "remove"
                above.pop("template", None)
                above.pop("form_template", None)
            return True
    return False


def unknown_key(key: str, allowed: Collection[str]) -> str:
    """Say that a key is unknown, with the nearest one that is not."""
    near = difflib.get_close_matches(key, allowed, n=1, cutoff=0.6)
    if near:
        return f"unknown key `{key}`; did you mean `{near[0]}`?"
    return f"unknown key `{key}`; remove it, or write one of {', '.join(allowed)}"


def show(path: Path) -> str:
    """`headers[0].name`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _words(path: Path, error: ErrorDetails) -> str:
    kind, value = error["type"], error["input"]
    names = [step for step in path if isinstance(step, str)]
    field = names[-1] if names else ""
    field = "table name" if names[-2:] == ["table", "name"] else field
    write = f"write {_EXAMPLES[field]}" if field in _EXAMPLES else "write another value"
    if kind == "value_error":
        reason = str(error["ctx"]["error"])
        return f"`{show(path)}`: {reason}" if path else reason
    if kind == "missing":
        return f"`{show(path)}` is missing; {write}"
    if kind == "extra_forbidden":
        return unknown_key(str(path[-1]), _KEYS[names[-2] if len(names) > 1 else ""])
    if kind == "string_type" and isinstance(value, int | float):
        quoted = "the value" if field in _SECRET else f'"{value}"'
        return f"`{show(path)}` must be text, not a number or a truth value; put {quoted} in quotes"
    if kind == "string_pattern_mismatch":
        return f"`{show(path)}` is {value!r}; write letters, digits and - only: X-My-Key"
    reason = _REASONS.get(kind, "cannot be used")
    found = "" if field in _SECRET or not isinstance(value, str | int | float) else f" ({value!r})"
    return f"`{show(path)}`{found} {reason}; {write}"


def _columns_path(path: Path) -> Path | None:
    for place, step in enumerate(path):
        if step in _COLUMNS and place and path[place - 1] in _KEYS["definition"]:
            return path[: place + 1]
    return None
