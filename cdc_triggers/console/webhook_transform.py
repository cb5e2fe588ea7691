"""`test_webhook_transform`: what a request transform makes of a body, without sending it.

Only the variables that the call brings along are filled in, never the stream's.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from cdc_triggers.app import document, spec_problems
from cdc_triggers.console import json_body
from cdc_triggers.console.answers import bad_request
from cdc_triggers.core.attempt import Request
from cdc_triggers.core.transform import RequestTransformer
from cdc_triggers.core.transform_spec import RequestTransform
from cdc_triggers.core.web import url_problem
from cdc_triggers.errors import TemplateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdc_triggers.app.spec_problems import Problem
    from cdc_triggers.console.answers import ApiError
    from cdc_triggers.console.metadata_calls import TestWebhookTransform

_VARIABLE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_FAILED = "request transform validation failed"


def preview(given: TestWebhookTransform, path: str) -> dict[str, object]:
    """The request, in the shape of Hasura's answer.

    Raises:
        ApiError: the transform is invalid, or fails on this body.
    """
    body = json_body.dumps(given.body, f"{path}.body").encode()
    headers = tuple(_header(pair, given.env, path) for pair in given.request_headers)
    json_body.dumps(headers, f"{path}.request_headers")  # half of a surrogate pair has no answer
    request = Request(_url(given, path), headers, body, 60)
    transformer = RequestTransformer(_transform(given, path))
    try:
        made = transformer.apply(request, given.session_variables)
    except TemplateError as error:
        told = {"error_code": "TransformationError", "message": str(error)}
        text = f"{_FAILED}: {error}"
        raise bad_request("validation-failed", text, path, [told]) from error
    return {
        "webhook_url": made.url,
        "method": made.method,
        "headers": [[name.lower(), value] for name, value in made.headers],
        "body": document.body(made.body),
    }


def _transform(given: TestWebhookTransform, path: str) -> RequestTransform:
    """The transform, compiled.

    Raises:
        ApiError: with everything that is wrong.
    """
    value = given.request_transform
    plain = json.loads(json_body.dumps(value, path))
    found = spec_problems.transform_problems("request_transform", plain)
    if found:
        raise _invalid(found, path)
    return RequestTransform.model_validate(value)


def _invalid(found: list[Problem], path: str) -> ApiError:
    internal = [
        {
            "error_code": "Parse Error",
            "message": problem.text,
            "path": f"{path}.{spec_problems.show(problem.path)}",
        }
        for problem in found
    ]
    text = f"{_FAILED}: {'; '.join(problem.text for problem in found)}"
    return bad_request("validation-failed", text, path, internal)


def _url(given: TestWebhookTransform, path: str) -> str:
    place = f"{path}.webhook_url"
    if isinstance(given.webhook_url, dict):
        name = given.webhook_url.get("from_env")
        if name is None or name not in given.env:
            raise bad_request("not-found", "Missing Env Var", place)
        url = given.env[name]
    else:
        url = _filled(given.webhook_url, given.env, place)
    if problem := url_problem(url):
        text = f"{_FAILED}: webhook_url {problem}"
        told = {"error_code": "Request Initialization Error", "message": problem}
        raise bad_request("validation-failed", text, place, [told])
    return url


def _header(pair: list[str], env: Mapping[str, str], path: str) -> tuple[str, str]:
    place = f"{path}.request_headers"
    if len(pair) != 2:  # noqa: PLR2004 - name and value
        raise bad_request("parse-failed", "a header is a list of name and value", place)
    return pair[0], _filled(pair[1], env, place)


def _filled(text: str, env: Mapping[str, str], path: str) -> str:
    for name in _VARIABLE.findall(text):
        if name not in env:
            raise bad_request(
                "not-found",
                f"Missing Env Var: {name}. The stream's own variables are not used here: "
                "give a value for it in env",
                path,
            )
    return _VARIABLE.sub(lambda match: env[match[1]], text)
