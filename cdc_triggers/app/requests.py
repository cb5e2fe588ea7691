"""From a delivery to the request that goes on the wire: the environment is resolved here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.core.attempt import Failure, FailureKind, Request
from cdc_triggers.core.payload import trace_headers
from cdc_triggers.core.spec import ENV_TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdc_triggers.core.event import Event
    from cdc_triggers.core.spec import Trigger

CONTENT_TYPE = ("content-type", "application/json")
"""As in Hasura, a header of the spec does not change it."""


class RequestFactory:
    """Resolves webhook and headers against an environment, each spec once."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._resolved: dict[str, tuple[Trigger, str, tuple[tuple[str, str], ...]]] = {}

    def build(self, spec: Trigger, event: Event, body: bytes) -> Request | Failure:
        """The request; a Failure that names the variable if one is not set."""
        try:
            url, headers = self._resolve(spec)
        except KeyError as error:
            return Failure(
                FailureKind.INVALID_REQUEST, f"environment variable {error.args[0]} is not set"
            )
        return Request(url, headers + trace_headers(event), body, spec.retry_conf.timeout_sec)

    def _resolve(self, spec: Trigger) -> tuple[str, tuple[tuple[str, str], ...]]:
        known = self._resolved.get(spec.name)
        if known is not None and known[0] is spec:
            return known[1], known[2]
        if spec.webhook_from_env is not None:
            url = self._environment[spec.webhook_from_env]
        else:
            url = self._fill(spec.webhook or "")
        headers = tuple(
            (h.name, self._environment[h.value_from_env])
            if h.value_from_env is not None
            else (h.name, self._fill(h.value or ""))
            for h in spec.headers
            if h.name.lower() != CONTENT_TYPE[0]
        )
        headers = (CONTENT_TYPE, *headers)
        self._resolved[spec.name] = spec, url, headers
        return url, headers

    def _fill(self, text: str) -> str:
        return ENV_TEMPLATE.sub(lambda found: self._environment[found[1]], text)
