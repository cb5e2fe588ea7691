"""What goes back to a caller: JSON, and errors in the shape of Hasura's."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import orjson

from cdc_triggers.app import document
from cdc_triggers.errors import (
    CdcTriggersError,
    ConnectionLostError,
    NotFoundError,
    TriggerFileError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

JSON = "application/json"


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    content: bytes
    type: str = JSON
    more_headers: tuple[tuple[str, str], ...] = ()

    @property
    def headers(self) -> list[tuple[str, str]]:
        """All of them; answers are about a state that changes, so nobody keeps them."""
        return [
            ("content-type", self.type),
            ("content-length", str(len(self.content))),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            *self.more_headers,
        ]


def json_answer(value: object, status: int = HTTPStatus.OK) -> Answer:
    """The value as JSON; see `document`."""
    return Answer(status, document.dumps(value))


class ApiError(Exception):
    """Why a call was refused or failed.

    Args:
        status: of HTTP.
        code: one of Hasura's words.
        message: what is wrong, and what to do.
        path: where in the request, as JSONPath.
        internal: more of it: all problems, or what the server said.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        path: str = "$",
        internal: object = None,
    ) -> None:
        super().__init__(message)
        self.status = int(status)
        self.code = code
        self.message = message
        self.path = path
        self.internal = internal
        self.headers: tuple[tuple[str, str], ...] = ()

    def at(self, path: str) -> ApiError:
        """The same in a larger request: `path` replaces the `$` of its own."""
        moved = ApiError(
            self.status,
            self.code,
            self.message,
            path=path + self.path[1:],
            internal=self.internal,
        )
        moved.headers = self.headers
        return moved

    def document(self) -> dict[str, object]:
        """As it is sent."""
        value: dict[str, object] = {
            "path": _encodable(self.path),
            "error": _encodable(self.message),
            "code": self.code,
        }
        if self.internal is not None:
            value["internal"] = _encodable(self.internal)
        return value

    def answer(self) -> Answer:
        """As an answer of its own."""
        content = orjson.dumps(self.document(), default=document.encode)
        return Answer(self.status, content, more_headers=self.headers)

    @classmethod
    def malformed(cls, *, too_large: bool) -> ApiError:
        """It is no HTTP request, or its head is too long."""
        if too_large:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            return cls(status, "bad-request", "the head of the request is too large")
        return cls(HTTPStatus.BAD_REQUEST, "bad-request", "this is no HTTP/1.1 request")


def _encodable(value: object) -> object:
    """What a caller sent may stand in it: half of a surrogate pair has no place in UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_encodable(each) for each in value]
    if isinstance(value, dict):
        return {key: _encodable(each) for key, each in value.items()}
    return value


def bad_request(code: str, message: str, path: str = "$", internal: object = None) -> ApiError:
    """400, as Hasura says nearly everything."""
    return ApiError(HTTPStatus.BAD_REQUEST, code, message, path=path, internal=internal)


def problems_error(code: str, problems: Sequence[tuple[str, str]]) -> ApiError:
    """400 with all that is wrong: path and text each. The first place stands for them."""
    text = "; ".join(text for _, text in problems)
    internal = [{"path": path, "error": text} for path, text in problems]
    return bad_request(code, text, problems[0][0], internal if len(problems) > 1 else None)


def not_found(message: str) -> ApiError:
    """404."""
    return ApiError(HTTPStatus.NOT_FOUND, "not-found", message)


def translate(error: CdcTriggersError, hint: str | None = None) -> ApiError:
    """An error of this package as REST says it, with this hint or else the one for a caller."""
    hint = error.call if hint is None else hint
    text = f"{error.message}; {hint}" if hint else error.message
    if isinstance(error, NotFoundError):
        return not_found(text)
    if isinstance(error, TriggerFileError):
        return problems_error("validation-failed", [("$", each) for each in error.problems])
    if isinstance(error, UsageError):
        return bad_request("bad-request", text)
    if isinstance(error, ConnectionLostError):
        return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "postgres-error", text)
    return ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "postgres-error", text)
