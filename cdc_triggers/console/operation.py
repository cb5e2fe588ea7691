"""One call of the REST API, as data: it is carried out, described and documented from the same."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from cdc_triggers.console import auth
from cdc_triggers.console.answers import Answer, ApiError, bad_request, json_answer, not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cdc_triggers.console.resource import Desk, Incoming
    from cdc_triggers.wiring.serving import Backend

Schema = dict[str, Any]


class Parameter(NamedTuple):
    """Something in the path or in the query.

    Attributes:
        schema: of its value; `read` keeps to it.
        default: None: it may lack, or it is in the path.
    """

    name: str
    about: str
    schema: Schema
    default: object = None

    def read(self, text: str) -> object:
        """The value.

        Raises:
            ApiError: it is none.
        """
        kind = self.schema["type"]
        if kind == "boolean":
            if text in {"true", "false"}:
                return text == "true"
            raise self._invalid("is true or false")
        if kind == "integer":
            low, high = self.schema["minimum"], self.schema["maximum"]
            if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
                raise self._invalid(f"is a whole number from {low} to {high}")
            return int(text)
        if "enum" in self.schema and text not in self.schema["enum"]:
            raise self._invalid(f"is one of {', '.join(self.schema['enum'])}")
        pattern = self.schema.get("pattern")
        if pattern is not None and not re.fullmatch(pattern, text):
            raise self._invalid(f"is not as expected: {self.about}")
        return text

    def _invalid(self, text: str) -> ApiError:
        return bad_request("validation-failed", f"{self.name} {text}", f"$.query.{self.name}")


class Asked(NamedTuple):
    """A call that has been read."""

    backend: Backend
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: bytes


class Operation(NamedTuple):
    """A call.

    Attributes:
        id: unique, for those who generate clients.
        run: blocking; its value is the answer, unless it is an Answer already.
        answers: name of the schema of the answer.
        body: schema of the request's body; None: it has none.
        status: of a success.
    """

    method: str
    path: str
    id: str
    tag: str
    summary: str
    run: Callable[[Asked], object]
    answers: str
    path_parameters: tuple[Parameter, ...] = ()
    query: tuple[Parameter, ...] = ()
    body: Schema | None = None
    body_may_lack: bool = False
    status: int = HTTPStatus.OK

    @property
    def changes(self) -> bool:
        """True if it changes anything."""
        return self.method != "GET"

    async def __call__(self, desk: Desk, incoming: Incoming) -> tuple[str, Answer]:
        """Answer it; see `resource.Method`.

        Raises:
            ApiError: it was refused, or failed.
        """
        asked = Asked(desk.backend, self._path(incoming), self._query(incoming), incoming.body)
        self._check_body(incoming)
        lane = desk.changing if self.changes else desk.reading
        answer = await lane.run(lambda: self._answer(asked))
        changed = self.changes and not asked.query.get("dry_run")
        return self.id if changed else "", answer

    def _answer(self, asked: Asked) -> Answer:
        value = self.run(asked)
        return value if isinstance(value, Answer) else json_answer(value, self.status)

    def _path(self, incoming: Incoming) -> Mapping[str, str]:
        for parameter in self.path_parameters:
            text = incoming.path[parameter.name]
            if not re.fullmatch(parameter.schema["pattern"], text):
                raise not_found(f"{parameter.name} {text!r} is none: {parameter.about}")
        return incoming.path

    def _query(self, incoming: Incoming) -> dict[str, Any]:
        known = {each.name: each for each in self.query}
        values = {each.name: each.default for each in self.query}
        seen: set[str] = set()
        for name, text in incoming.query:
            if name not in known:
                there = ", ".join(known) or "none"
                message = f"unknown parameter {name!r}; there are: {there}"
                raise bad_request("validation-failed", message, "$.query")
            if name in seen:
                raise bad_request("validation-failed", f"{name} is given twice", f"$.query.{name}")
            seen.add(name)
            values[name] = known[name].read(text)
        return values

    def _check_body(self, incoming: Incoming) -> None:
        if self.body is None:
            if incoming.body:
                raise bad_request("validation-failed", "this call has no body", "$.body")
            return
        if not incoming.body and self.body_may_lack:
            return
        if not auth.is_json(incoming.headers.get("content-type", "")):
            raise ApiError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "write content-type: application/json",
            )
