"""How a trigger changes its requests, and what is recorded of the answers: Hasura's two keys.

Both versions are read. Version 1, whose body is a bare template, becomes version 2, which says the
same. A transform that exists is valid: all its templates have been compiled.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field, StringConstraints, field_validator, model_validator

from cdc_triggers.core.kriti.problems import InvalidTemplateError
from cdc_triggers.core.kriti.template import compiled
from cdc_triggers.core.model import Model
from cdc_triggers.core.web import FRAMING, HEADER_NAME, header_problem, url_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

REQUEST_VARIABLES = frozenset({"$body", "$base_url", "$session_variables", "$query_params"})
RESPONSE_VARIABLES = REQUEST_VARIABLES | {"$request", "$response"}

_PARAMS_EXAMPLE = 'write query_params: {id: "{{$body.id}}"}'

_CONTENT_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:\s*;[^\r\n\0]*)?")

HeaderName = Annotated[str, StringConstraints(pattern=HEADER_NAME)]


class Source(NamedTuple):
    """A template as written.

    Attributes:
        path: where it stands in its transform.
        free: text with expressions in it, not JSON.
    """

    path: tuple[str, ...]
    text: str
    free: bool = True


class Flaw(NamedTuple):
    """Something wrong in a transform.

    Attributes:
        path: below the part that was checked.
        line: of a template; 0: it is not about one line.
    """

    path: tuple[str, ...]
    text: str
    line: int = 0


class FlawsError(ValueError):
    """Parts of a transform that cannot be used: all of them, where pydantic would tell of one."""

    def __init__(self, flaws: tuple[Flaw, ...]) -> None:
        super().__init__("; ".join(f"{'.'.join(flaw.path)}: {flaw.text}" for flaw in flaws))
        self.flaws = flaws


class BodyTransform(Model):
    """What becomes of the body."""

    action: Literal["transform", "remove", "x_www_form_urlencoded"]
    template: str | None = None
    form_template: dict[str, str] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> BodyTransform:
        needed = {"transform": "template", "x_www_form_urlencoded": "form_template"}
        wanted = needed.get(self.action)
        for name in needed.values():
            if name != wanted and getattr(self, name) is not None:
                raise ValueError(f"{name} means nothing with action: {self.action}: remove it")
        if wanted is not None and getattr(self, wanted) is None:
            raise ValueError(
                f"action: {self.action} needs {wanted}: write {_BODY_EXAMPLES[wanted]}"
            )
        return self


_BODY_EXAMPLES = {
    "template": "template: '{\"id\": {{$body.id}}}'",
    "form_template": 'form_template: {id: "{{$body.id}}"}',
}


class RequestHeaders(Model):
    """Headers to take away and, after that, to set."""

    add_headers: dict[HeaderName, str] = Field(default_factory=dict)
    remove_headers: tuple[HeaderName, ...] = ()


class Transform(Model):
    """What requests and responses have in common."""

    version: Literal[2] = 2
    template_engine: Literal["Kriti"] = "Kriti"
    body: BodyTransform | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_form(cls, value: object) -> object:
        return _second_version(value) if isinstance(value, dict) else value

    def sources(self) -> Iterator[Source]:
        """All its templates."""
        if self.body is None:
            return
        if self.body.template is not None:
            yield Source(("body", "template"), self.body.template, free=False)
        for key, text in (self.body.form_template or {}).items():
            yield Source(("body", "form_template", key), text)


class ResponseTransform(Transform):
    """What is recorded of an answer."""

    @model_validator(mode="after")
    def _compiled(self) -> ResponseTransform:
        _check(self.sources(), RESPONSE_VARIABLES)
        return self


class RequestTransform(Transform):
    """What is sent instead of Hasura's body in a POST to the webhook."""

    method: str | None = None
    url: str | None = None
    query_params: dict[str, str] | str | None = None
    content_type: str | None = None
    request_headers: RequestHeaders | None = None

    @field_validator("method")
    @classmethod
    def _method(cls, value: str | None) -> str | None:
        if value is None or value.upper() in METHODS:
            return value and value.upper()
        raise ValueError(f"is not known: write one of {', '.join(METHODS)}")

    @field_validator("query_params", mode="before")
    @classmethod
    def _query_params(cls, value: object) -> object:
        """Without those that are null: they are left out of the query."""
        if value is None or isinstance(value, str):
            return value
        if not isinstance(value, dict):
            raise ValueError(f"is neither text nor a mapping: {_PARAMS_EXAMPLE}")  # noqa: TRY004
        flaws = [
            Flaw((str(key),), f"is not text: {_PARAMS_EXAMPLE}")
            for key, text in value.items()
            if text is not None and not isinstance(text, str)
        ]
        if flaws:
            raise FlawsError(tuple(flaws))
        return {key: text for key, text in value.items() if text is not None}

    @field_validator("content_type")
    @classmethod
    def _content_type(cls, value: str | None) -> str | None:
        if value is not None and not _CONTENT_TYPE.fullmatch(value):
            raise ValueError("is no media type: write content_type: application/json")
        return value

    @model_validator(mode="after")
    def _compiled(self) -> RequestTransform:
        _check(self.sources(), REQUEST_VARIABLES)
        return self

    def sources(self) -> Iterator[Source]:
        """All its templates."""
        yield from super().sources()
        if self.url is not None:
            yield Source(("url",), self.url)
        if isinstance(self.query_params, str):
            yield Source(("query_params",), self.query_params)
        elif self.query_params is not None:
            for key, text in self.query_params.items():
                yield Source(("query_params", key), key)
                yield Source(("query_params", key), text)
        if self.request_headers is not None:
            for name, text in self.request_headers.add_headers.items():
                yield Source(("request_headers", "add_headers", name), text)


def _second_version(value: dict[str, object]) -> dict[str, object]:
    """The same in the form of version 2.

    Raises:
        ValueError: the version is unknown, or the body is that of the other one.
    """
    version, body = value.get("version", 1), value.get("body")
    if isinstance(version, bool) or version not in {1, 2}:
        raise ValueError("has an unknown version: write version: 2")
    if version == 1 and isinstance(body, str):
        body = {"action": "transform", "template": body}
    elif version == 1 and body is not None:
        raise ValueError("in version 1 the body is a template and nothing else: write version: 2")
    elif isinstance(body, str):
        raise ValueError(
            "in version 2 the body says what becomes of it: "
            "write body: {action: transform, template: '...'}, or version: 1"
        )
    return {**value, "version": 2, "body": body}


def _check(sources: Iterator[Source], variables: frozenset[str]) -> None:
    """Compile all of them.

    Raises:
        FlawsError: with everything that is wrong.
    """
    flaws: dict[Flaw, None] = {}
    for path, text, free in sources:
        try:
            template = compiled(text, variables, free=free)
        except InvalidTemplateError as error:
            flaws.update((Flaw(path, str(p), p.place.line), None) for p in error.problems)
            continue
        if said := _said_of(path, template.constant):
            flaws[Flaw(path, said)] = None
    if flaws:
        raise FlawsError(tuple(flaws))


def _said_of(path: tuple[str, ...], constant: str | None) -> str | None:
    """What is wrong with the header that it is for, or with the text that it always gives."""
    if path[0] == "request_headers" and path[-1].lower() in FRAMING:
        return "is set by the HTTP client alone: remove it"
    if constant is None:
        return None
    if path[0] == "request_headers":
        return header_problem(constant)
    return url_problem(constant) if path == ("url",) else None
