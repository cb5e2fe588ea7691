"""The OpenAPI document, made from the operations that are served."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cdc_triggers import __version__
from cdc_triggers.console import schemas
from cdc_triggers.console.metadata import BULKS
from cdc_triggers.console.metadata_calls import CALLS
from cdc_triggers.console.rest import OPERATIONS

if TYPE_CHECKING:
    from cdc_triggers.console.operation import Operation, Parameter, Schema

PATH = "/api/openapi.json"
PAGE = "/api"

_ABOUT = """Event triggers for PostgreSQL. Answers are JSON; errors have `code`, `path` and `error`.
With an admin secret, give it as `x-hasura-admin-secret` or as `Authorization: Bearer`."""

_REFUSALS = {
    HTTPStatus.BAD_REQUEST: "Something in the request makes no sense",
    HTTPStatus.UNAUTHORIZED: "The admin secret is missing or wrong",
    HTTPStatus.FORBIDDEN: "The API is closed, or a page from elsewhere has called",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not JSON",
    HTTPStatus.INTERNAL_SERVER_ERROR: "PostgreSQL refused, or something failed",
    HTTPStatus.SERVICE_UNAVAILABLE: "PostgreSQL is not reachable, or too many calls at once",
    HTTPStatus.GATEWAY_TIMEOUT: "It takes too long; it goes on",
}


def document(*, secret: bool, metrics: bool = True) -> dict[str, Any]:
    """The whole document.

    Args:
        secret: whether calls need one.
        metrics: whether they are served.
    """
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    paths["/v1/metadata"] = {"post": _metadata()}
    paths["/livez"] = {"get": _probe("isAlive", "200 while the process runs", "Probe")}
    paths["/readyz"] = {"get": _probe("isReady", "200 only while it streams", "Ready", "NotReady")}
    if metrics:
        paths["/metrics"] = {"get": _metrics()}
    paths[PATH] = {"get": _description("getDescription", "This document", "application/json")}
    paths[PAGE] = {"get": _description("getPage", "The same for people, as a page", "text/html")}
    return {
        "openapi": "3.1.0",
        "info": {"title": "cdc-triggers", "version": __version__, "description": _ABOUT},
        "security": [{"AdminSecret": []}, {"Bearer": []}] if secret else [],
        "paths": paths,
        "components": {
            "schemas": schemas.components(),
            "securitySchemes": {
                "AdminSecret": {"type": "apiKey", "in": "header", "name": "x-hasura-admin-secret"},
                "Bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [
            *(_parameter(each, "path") for each in operation.path_parameters),
            *(_parameter(each, "query") for each in operation.query),
        ],
        "responses": _responses(operation),
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": not operation.body_may_lack,
            "content": {"application/json": {"schema": operation.body}},
        }
    return described


def _responses(operation: Operation) -> dict[str, Any]:
    answers = {"$ref": f"#/components/schemas/{operation.answers}"}
    found = {str(int(operation.status)): _response("Done", answers), **_refusals()}
    if operation.method == "PUT":
        found[str(int(HTTPStatus.CREATED))] = _response("Made", answers)
    if operation.path_parameters or operation.query:
        found[str(int(HTTPStatus.NOT_FOUND))] = _response("There is no such thing", _ERROR)
    return found


_ERROR = {"$ref": "#/components/schemas/Error"}


def _refusals() -> dict[str, Any]:
    return {str(int(status)): _response(text, _ERROR) for status, text in _REFUSALS.items()}


def _response(text: str, schema: Schema, *types: str) -> dict[str, Any]:
    kinds = types or ("application/json",)
    return {"description": text, "content": {kind: {"schema": schema} for kind in kinds}}


def _parameter(parameter: Parameter, where: str) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": where,
        "required": where == "path",
        "description": parameter.about,
        "schema": parameter.schema,
    }


def _metadata() -> dict[str, Any]:
    call = {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"type": "string", "enum": [*CALLS, *sorted(BULKS)]},
            "args": {"description": "of the call; a list of calls for a bulk"},
            "version": {"enum": [1, 2]},
            "resource_version": {"type": "integer"},
        },
    }
    conflict = _response("The state is another one than resource_version says", _ERROR)
    return {
        "operationId": "metadata",
        "tags": ["Hasura"],
        "summary": "Hasura's metadata API, as far as it is about event triggers",
        "requestBody": {"required": True, "content": {"application/json": {"schema": call}}},
        "responses": {
            "200": _response("As Hasura answers the call", {}),
            "409": conflict,
            **_refusals(),
        },
    }


def _probe(identifier: str, summary: str, yes: str, refusal: str = "") -> dict[str, Any]:
    responses = {"200": _response("Yes", {"$ref": f"#/components/schemas/{yes}"})}
    if refusal:
        schema = {"$ref": f"#/components/schemas/{refusal}"}
        responses["503"] = _response("Not now", schema)
    return {
        "operationId": identifier,
        "tags": ["probes"],
        "summary": summary,
        "security": [],
        "responses": responses,
    }


def _metrics() -> dict[str, Any]:
    kinds = ("text/plain", "application/openmetrics-text")
    return {
        "operationId": "getMetrics",
        "tags": ["probes"],
        "summary": "Metrics for Prometheus; in OpenMetrics' format if `Accept` asks for it",
        "security": [],
        "responses": {"200": _response("Metrics", {"type": "string"}, *kinds)},
    }


def _description(identifier: str, summary: str, kind: str) -> dict[str, Any]:
    schema = {"type": "object" if kind == "application/json" else "string"}
    refused = str(int(HTTPStatus.FORBIDDEN))
    return {
        "operationId": identifier,
        "tags": ["description"],
        "summary": summary,
        "security": [],
        "responses": {
            "200": _response("It", schema, kind),
            refused: _response(_REFUSALS[HTTPStatus.FORBIDDEN], _ERROR),
        },
    }
