"""The arguments of each call of Hasura's metadata API, and what the call does."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Literal

import orjson
from pydantic import PrivateAttr

from cdc_triggers.console import (
    cleanup_calls,
    edits,
    event_logs,
    json_body,
    metadata_file,
    trigger_value,
    webhook_transform,
)
from cdc_triggers.console.answers import bad_request
from cdc_triggers.console.arguments import SUCCESS, Arguments, Context
from cdc_triggers.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_SESSION = frozenset({"x-hasura-admin-secret", "x-hasura-access-key"})


class CreateEventTrigger(Arguments):
    """`pg_create_event_trigger`; its definition is read as a spec."""

    changes = True

    replace: bool = False

    def prepare(self, context: Context, given: object, version: object) -> None:
        """The edit that it is."""
        del version
        assert isinstance(given, dict)
        definition = {k: v for k, v in given.items() if k not in {"replace", "source"}}
        spec = trigger_value.read(definition, self._path, context.backend.environment)
        self._edit = edits.create(spec, self._path, replace=self.replace)


class DeleteEventTrigger(Arguments):
    """`pg_delete_event_trigger`."""

    changes = True

    name: str

    def prepare(self, context: Context, given: object, version: object) -> None:
        """The edit that it is."""
        del context, given, version
        self._edit = edits.delete(self.name, self._path)


class RedeliverEvent(Arguments):
    """`pg_redeliver_event`: one that is on its way is left alone, as it will come."""

    changes = True

    event_id: str

    def run(self, context: Context) -> object:
        """Send it again."""
        event_id = _event_id(self.event_id, self._path)
        with context.backend.admin() as admin:
            try:
                detail = admin.event(event_id)
            except NotFoundError as error:
                raise _no_event(self.event_id, self._path) from error
            if not event_logs.is_pending(admin, detail):
                admin.redeliver([event_id], dry_run=False)
        return SUCCESS


class InvokeEventTrigger(Arguments):
    """`pg_invoke_event_trigger`."""

    changes = True

    name: str
    payload: Any

    def run(self, context: Context) -> object:
        """Make the event."""
        payload = json_body.dumps(self.payload, f"{self._path}.payload")
        with context.backend.admin() as admin:
            if not any(each.name == self.name for each in admin.triggers()):
                raise edits.missing(self.name, self._path)
            if not admin.may_invoke(self.name):
                text = "manual mode is not enabled for event trigger"
                raise bad_request("not-supported", text, self._path)
            return {"event_id": admin.invoke(self.name, payload, _session(context.headers))}


class _OfTrigger(Arguments):
    name: str
    limit: int = 100
    offset: int = 0

    def prepare(self, context: Context, given: object, version: object) -> None:
        """Check the page."""
        del context, given, version
        event_logs.check_page(self.limit, self.offset, self._path)

    def _missing(self, error: NotFoundError) -> Exception:
        del error
        return edits.missing(self.name, self._path)


class GetEventLogs(_OfTrigger):
    """`pg_get_event_logs`."""

    status: Literal["pending", "processed"] | None = None

    def run(self, context: Context) -> object:
        """A page of them."""
        try:
            return event_logs.logs(context.backend, self.name, self.status, self.limit, self.offset)
        except NotFoundError as error:
            raise self._missing(error) from error


class GetEventInvocationLogs(_OfTrigger):
    """`pg_get_event_invocation_logs`."""

    def run(self, context: Context) -> object:
        """A page of them."""
        try:
            return event_logs.invocations(context.backend, self.name, self.limit, self.offset)
        except NotFoundError as error:
            raise self._missing(error) from error


class GetEventById(Arguments):
    """`pg_get_event_by_id`."""

    event_id: str
    invocation_log_limit: int = 100
    invocation_log_offset: int = 0

    def prepare(self, context: Context, given: object, version: object) -> None:
        """Check the page."""
        del context, given, version
        limit, offset = self.invocation_log_limit, self.invocation_log_offset
        event_logs.check_page(limit, offset, self._path)

    def run(self, context: Context) -> object:
        """The event and a page of its attempts."""
        event_id = _event_id(self.event_id, self._path)
        try:
            return event_logs.by_id(
                context.backend,
                event_id,
                self.invocation_log_limit,
                self.invocation_log_offset,
            )
        except NotFoundError as error:
            raise _no_event(self.event_id, self._path) from error


class ExportMetadata(Arguments):
    """`export_metadata`, versions 1 and 2."""

    may_lack = True

    _version: object = PrivateAttr(default=None)

    def prepare(self, context: Context, given: object, version: object) -> None:
        """Version 2 has the number of the state around it."""
        del context, given
        self._version = version

    def run(self, context: Context) -> object:
        """All triggers, as Hasura's metadata."""
        with context.backend.amender() as amender:
            state = amender.current()
        metadata = metadata_file.write(state, context.source)
        if self._version == 2:  # noqa: PLR2004 - a version of the call
            return {"resource_version": state.version, "metadata": metadata}
        return metadata


class ReplaceMetadata(Arguments):
    """`replace_metadata`, versions 1 and 2: its event triggers, and none of the rest."""

    changes = True

    allow_inconsistent_metadata: bool = False
    allow_warnings: bool = True

    _wrapped: bool = PrivateAttr(default=False)
    _warnings: list[metadata_file.Ignored] = PrivateAttr(default_factory=list)

    def prepare(self, context: Context, given: object, version: object) -> None:
        """Read the metadata."""
        del version
        assert isinstance(given, dict)
        self._wrapped = "metadata" in given
        metadata = given["metadata"] if self._wrapped else given
        path = f"{self._path}.metadata" if self._wrapped else self._path
        environment = context.backend.environment
        found = metadata_file.read(metadata, path, context.source, environment)
        self._warnings = found.warnings
        if found.warnings and not self.allow_warnings:
            text = "failed due to metadata warnings"
            internal = [each._asdict() for each in found.warnings]
            raise bad_request("metadata-warnings", text, self._path, internal)
        self._edit = edits.replace_all(found.triggers, path)

    def run(self, context: Context) -> object:
        """What came of it: version 2 says more."""
        del context
        if not self._wrapped:
            return SUCCESS
        answer: dict[str, object] = {"is_consistent": True, "inconsistent_objects": []}
        if self._warnings:
            answer["warnings"] = self._warnings
        return answer


class TestWebhookTransform(Arguments):
    """`test_webhook_transform`."""

    webhook_url: str | dict[str, str]
    body: Any
    request_transform: dict[str, Any]
    request_headers: list[list[str]] = []  # noqa: RUF012 - pydantic copies it
    env: dict[str, str] = {}  # noqa: RUF012 - as above
    session_variables: dict[str, str] | None = None

    def run(self, context: Context) -> object:
        """What would be sent."""
        del context
        return webhook_transform.preview(self, self._path)


CALLS: dict[str, type[Arguments]] = {
    "pg_create_event_trigger": CreateEventTrigger,
    "pg_delete_event_trigger": DeleteEventTrigger,
    "pg_redeliver_event": RedeliverEvent,
    "pg_invoke_event_trigger": InvokeEventTrigger,
    "pg_get_event_logs": GetEventLogs,
    "pg_get_event_invocation_logs": GetEventInvocationLogs,
    "pg_get_event_by_id": GetEventById,
    "export_metadata": ExportMetadata,
    "replace_metadata": ReplaceMetadata,
    "test_webhook_transform": TestWebhookTransform,
    **cleanup_calls.CALLS,
}


def _event_id(text: str, path: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise _no_event(text, path) from error


def _no_event(event_id: str, path: str) -> Exception:
    return bad_request("not-exists", f"event id {event_id} does not exist", path)


def _session(headers: Mapping[str, str]) -> str:
    """What the caller says of themselves: admin, and all `x-hasura-` headers but the secret."""
    found = {"x-hasura-role": "admin"}
    found |= {
        name: value
        for name, value in headers.items()
        if name.startswith("x-hasura-") and name not in _NOT_SESSION
    }
    return orjson.dumps(found).decode()
