"""Compile a template, run it on an ordinary body, and say what came of it."""

from __future__ import annotations

import pytest

from cdc_triggers.core.kriti import values
from cdc_triggers.core.kriti.limits import Budget
from cdc_triggers.core.kriti.problems import InvalidTemplateError
from cdc_triggers.core.kriti.template import Inputs, compiled
from cdc_triggers.errors import TemplateError

BODY = (
    '{"id": 1.10, "big": 12345678901234567890123, "far": 1e400, "xs": [1, 2, 3], "s": "a b/c",'
    ' "n": null, "o": {"a b": {"c": [5]}, "x-y": 1}, "yes": true, "no": false, "none": [],'
    ' "same": 1.1}'
)
NAMES = frozenset({"$body", "$base_url", "$session_variables"})


def variables(body: str = BODY) -> Inputs:
    session = {"x-hasura-role": "admin"}
    return Inputs(
        {
            "$body": values.read(body.encode(), 100_000),
            "$base_url": "https://shop/hook",
            "$session_variables": dict(session),
        },
        session,
    )


def json(source: str, body: str = BODY) -> str:
    return compiled(source, NAMES).json(variables(body), Budget()).decode()


def text(source: str) -> str | None:
    return compiled(source, NAMES, free=True).text(variables(), Budget())


def problems(source: str, *, free: bool = False) -> list[str]:
    with pytest.raises(InvalidTemplateError) as invalid:
        compiled(source, NAMES, free=free)
    return [str(problem) for problem in invalid.value.problems]


def failure(source: str, body: str = BODY) -> str:
    with pytest.raises(TemplateError) as failed:
        json(source, body)
    return failed.value.message
