"""Runs a trigger's transforms: on a request before it is sent, on an answer before it is recorded.

All templates of one request share one budget, so that none of them can stall the stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.core import query
from cdc_triggers.core.attempt import RESPONSE_BODY_LIMIT, Recorded
from cdc_triggers.core.kriti import values
from cdc_triggers.core.kriti.limits import INPUT_BYTES, INPUT_NUMBERS, START, VALUES, Budget
from cdc_triggers.core.kriti.template import Inputs, Template, compiled
from cdc_triggers.core.kriti.values import Number
from cdc_triggers.core.transform_spec import REQUEST_VARIABLES, RESPONSE_VARIABLES, Source
from cdc_triggers.core.web import header_problem, url_problem
from cdc_triggers.errors import TemplateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cdc_triggers.core.attempt import Request, Response
    from cdc_triggers.core.kriti.values import Value
    from cdc_triggers.core.transform_spec import (
        BodyTransform,
        RequestTransform,
        ResponseTransform,
    )

FORM_TYPE = "application/x-www-form-urlencoded"

_NEEDS_BODY = frozenset({"$body", "$session_variables", "$request", "getSessionVariable"})


class RequestTransformer:
    """Changes requests as a spec says; compiled once."""

    def __init__(self, spec: RequestTransform) -> None:
        sources = list(spec.sources())
        named = {
            (s.path, s.text): _part("request_transform", s, REQUEST_VARIABLES) for s in sources
        }
        self._method = spec.method
        self._body = _Body(spec.body, "request_transform", REQUEST_VARIABLES)
        self._url = None if spec.url is None else named[("url",), spec.url]
        self._query = _Query(spec, named)
        self._headers = _Headers(spec, named)
        self._used = frozenset(name for part in named.values() for name in part.template.used)

    def apply(self, request: Request, session: Mapping[str, str] | None = None) -> Request:
        """The request to send instead.

        Args:
            request: with the body of an event.
            session: in place of the session variables in that body.

        Raises:
            TemplateError: a template cannot be run on this body, or gives nothing that may be sent.
        """
        budget = Budget()
        inputs = self._inputs(request, session)
        url = request.url
        if self._url is not None:
            url = self._url.string(inputs, budget)
        url = self._query.apply(url, inputs, budget)
        if self._url is not None and (problem := url_problem(url)):
            raise self._url.error(f"gives a URL that {problem}")
        return request._replace(
            method=self._method or request.method,
            url=url,
            headers=self._headers.apply(request.headers, inputs, budget),
            body=self._body.apply(request.body, inputs, budget),
        )

    def _inputs(self, request: Request, session: Mapping[str, str] | None) -> Inputs:
        body = _read(request.body) if self._used & _NEEDS_BODY else None
        inputs = _inputs(request, body)
        if session is None:
            return inputs
        variables: dict[str, Value] = {**inputs.variables, "$session_variables": dict(session)}
        return Inputs(variables, _names(dict(session)))


class ResponseTransformer:
    """Makes what is recorded of an answer; the delivery does not depend on it."""

    def __init__(self, spec: ResponseTransform) -> None:
        self._body = _Body(spec.body, "response_transform", RESPONSE_VARIABLES)
        self._used = self._body.used

    def apply(self, request: Request, response: Response) -> Recorded | None:
        """What to record; None: the body as it came.

        Args:
            request: before it was transformed, with names in place of environment values: what
                a template takes of it is recorded.
            response: the answer.
        """
        if self._body.action is None:
            return None
        try:
            inputs = self._inputs(request, response)
            made = self._body.apply(response.body, inputs, Budget())
        except TemplateError as error:
            return Recorded(response.body, str(error))
        if len(made) > RESPONSE_BODY_LIMIT:
            return Recorded(
                response.body,
                f"response_transform.body gives more than {RESPONSE_BODY_LIMIT} bytes to record",
            )
        return Recorded(made)

    def _inputs(self, request: Request, response: Response) -> Inputs:
        sent = _read(request.body) if self._used & _NEEDS_BODY else None
        inputs = _inputs(request, sent)
        try:
            body = values.read(response.body, INPUT_NUMBERS, VALUES)
        except ValueError:
            body = None  # as in Hasura: what is not JSON is null
        before = inputs.variables
        described: Value = {
            "method": request.method,
            "url": request.url,
            "body": sent,
            "query_params": before["$query_params"],
            "session_variables": before["$session_variables"],
        }
        variables: dict[str, Value] = {
            **before,
            "$body": body,
            "$request": described,
            "$response": {"status": Number(str(response.status))},
        }
        return inputs._replace(variables=variables)


class _Part(NamedTuple):
    """A template and what it is called."""

    name: str
    template: Template

    def text(self, inputs: Inputs, budget: Budget) -> str | None:
        """None: it is one expression, and that is null."""
        try:
            return self.template.text(inputs, budget)
        except TemplateError as error:
            raise self.named(error) from error

    def string(self, inputs: Inputs, budget: Budget) -> str:
        """As in a string of Kriti: null is `null`."""
        text = self.text(inputs, budget)
        return "null" if text is None else text

    def json(self, inputs: Inputs, budget: Budget) -> bytes:
        try:
            return self.template.json(inputs, budget)
        except TemplateError as error:
            raise self.named(error) from error

    def charge(self, steps: int, budget: Budget) -> None:
        """Take what is done with its text costs."""
        try:
            budget.charge(steps)
        except TemplateError as error:
            raise self.named(error) from error

    def named(self, error: TemplateError) -> TemplateError:
        return TemplateError(error.reason, error.place, self.name)

    def error(self, reason: str) -> TemplateError:
        return TemplateError(reason, START, self.name)


class _Body:
    """What becomes of a body."""

    def __init__(
        self, spec: BodyTransform | None, transform: str, variables: frozenset[str]
    ) -> None:
        self.action = None if spec is None else spec.action
        self._template: _Part | None = None
        self._form: list[tuple[str, _Part]] = []
        if spec is not None and spec.template is not None:
            source = Source(("body", "template"), spec.template, free=False)
            self._template = _part(transform, source, variables)
        for key, text in ((spec and spec.form_template) or {}).items():
            source = Source(("body", "form_template", key), text)
            self._form.append((key, _part(transform, source, variables)))

    @property
    def used(self) -> frozenset[str]:
        parts = [part for _, part in self._form]
        if self._template is not None:
            parts.append(self._template)
        return frozenset(name for part in parts for name in part.template.used)

    def apply(self, body: bytes, inputs: Inputs, budget: Budget) -> bytes:
        if self.action is None:
            return body
        if self.action == "remove":
            return b""
        if self._template is not None:
            return self._template.json(inputs, budget)
        pairs = [(key, part.string(inputs, budget)) for key, part in self._form]
        try:
            return query.form(pairs)
        except UnicodeEncodeError as error:
            raise self._form[0][1].error("the form holds text that is no valid Unicode") from error


class _Query:
    """What becomes of the query of a URL."""

    def __init__(
        self, spec: RequestTransform, named: Mapping[tuple[tuple[str, ...], str], _Part]
    ) -> None:
        params = spec.query_params
        self._whole = named[("query_params",), params] if isinstance(params, str) else None
        self._pairs: list[tuple[_Part, _Part]] | None = None
        if isinstance(params, dict):
            self._pairs = [
                (named[("query_params", key), key], named[("query_params", key), text])
                for key, text in params.items()
            ]

    def apply(self, url: str, inputs: Inputs, budget: Budget) -> str:
        pairs: Iterable[query.Pair]
        if self._whole is not None:
            part = self._whole
            text = part.text(inputs, budget) or ""
            part.charge(text.count("&"), budget)
            pairs = query.parse(text)
        elif self._pairs is not None:
            made = [(k.text(inputs, budget), v.text(inputs, budget)) for k, v in self._pairs]
            pairs = [(k, v) for k, v in made if k is not None and v is not None]
            if not self._pairs:
                return query.replaced(url, ())
            part = self._pairs[0][1]
        else:
            return url
        try:
            return query.replaced(url, pairs)
        except UnicodeEncodeError as error:
            raise part.error("the query holds text that is no valid Unicode") from error


class _Headers:
    """What becomes of the headers: removed first, then set."""

    def __init__(
        self, spec: RequestTransform, named: Mapping[tuple[tuple[str, ...], str], _Part]
    ) -> None:
        headers = spec.request_headers
        is_form = spec.body is not None and spec.body.action == "x_www_form_urlencoded"
        self._content_type = spec.content_type or (FORM_TYPE if is_form else None)
        self._removed = {name.lower() for name in (headers.remove_headers if headers else ())}
        self._added = [
            (name, named[("request_headers", "add_headers", name), text])
            for name, text in (headers.add_headers if headers else {}).items()
        ]
        self._replaced = self._removed | {name.lower() for name, _ in self._added}

    def apply(
        self, headers: tuple[tuple[str, str], ...], inputs: Inputs, budget: Budget
    ) -> tuple[tuple[str, str], ...]:
        kept = [
            (name, self._content_type or value if name.lower() == "content-type" else value)
            for name, value in headers
            if name.lower() not in self._replaced
        ]
        return (*kept, *((name, self._value(part, inputs, budget)) for name, part in self._added))

    def _value(self, part: _Part, inputs: Inputs, budget: Budget) -> str:
        value = part.string(inputs, budget)
        if problem := header_problem(value):
            raise part.error(problem)
        return value


def _part(transform: str, source: Source, variables: frozenset[str]) -> _Part:
    template = compiled(source.text, variables, free=source.free)
    return _Part(".".join((transform, *source.path)), template)


def _read(body: bytes) -> Value:
    """The event as templates see it."""
    if len(body) > INPUT_BYTES:
        raise TemplateError(
            f"the event has more than {INPUT_BYTES} bytes: narrow its payload", START, "$body"
        )
    try:
        return values.read(body, INPUT_NUMBERS, VALUES)
    except ValueError as error:
        reason = str(error) if isinstance(error, values.TooLargeError) else "is not JSON"
        raise TemplateError(f"the event {reason}", START, "$body") from error


def _inputs(request: Request, body: Value) -> Inputs:
    event = body.get("event") if isinstance(body, dict) else None
    session = event.get("session_variables") if isinstance(event, dict) else None
    return Inputs(
        {
            "$body": body,
            "$base_url": request.url,
            "$session_variables": session,
            "$query_params": [[name, value] for name, value in query.of_url(request.url)],
        },
        _names(session) if isinstance(session, dict) else None,
    )


def _names(session: Mapping[str, Value]) -> dict[str, str]:
    return {name.lower(): value for name, value in session.items() if isinstance(value, str)}
