"""From a delivery to the request that goes on the wire: the environment is resolved here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cdc_triggers.core.attempt import Failure, FailureKind, Outcome, Request, Response
from cdc_triggers.core.event import Event
from cdc_triggers.core.payload import trace_headers
from cdc_triggers.core.spec import Trigger
from cdc_triggers.core.transform import RequestTransformer, ResponseTransformer
from cdc_triggers.core.web import ENV_TEMPLATE
from cdc_triggers.errors import TemplateError

Headers = tuple[tuple[str, str], ...]

CONTENT_TYPE = ("content-type", "application/json")
"""As in Hasura, a header of the spec does not change it; a transform does."""


class _Prepared(NamedTuple):
    """What all requests of a spec have in common."""

    spec: Trigger
    url: str
    headers: tuple[tuple[str, str], ...]
    transformer: RequestTransformer | None


class RequestFactory:
    """Resolves webhook and headers against an environment, and compiles transforms: once a spec."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._prepared: dict[str, _Prepared] = {}
        self._responses: dict[str, tuple[Trigger, ResponseTransformer]] = {}

    def build(
        self, spec: Trigger, event: Event, body: bytes, trace: Headers | None = None
    ) -> Request | Failure:
        """The request; a Failure that names the variable, or the template, that prevents it.

        `trace` are the headers that carry its trace; None: those of the writer.
        """
        try:
            prepared = self._prepare(spec)
        except KeyError as error:
            return Failure(
                FailureKind.INVALID_REQUEST, f"environment variable {error.args[0]} is not set"
            )
        headers = prepared.headers + (trace_headers(event) if trace is None else trace)
        request = Request(prepared.url, headers, body, spec.retry_conf.timeout_sec)
        if prepared.transformer is None:
            return request
        try:
            return prepared.transformer.apply(request)
        except TemplateError as error:
            return Failure(FailureKind.TEMPLATE, error.message)

    def answered(self, spec: Trigger, body: bytes, outcome: Outcome) -> Outcome:
        """The same outcome, with what is recorded of it if the spec has a response transform.

        `body` is that of the event: templates see the request as it was before its own transform,
        and names in place of environment values, because what they take of it is recorded.
        """
        if spec.response_transform is None or not isinstance(outcome, Response):
            return outcome
        known = self._responses.get(spec.name)
        if known is None or known[0] is not spec:
            known = spec, ResponseTransformer(spec.response_transform)
            self._responses[spec.name] = known
        written = spec.webhook or f"{{{{{spec.webhook_from_env}}}}}"
        request = Request(written, (), body, spec.retry_conf.timeout_sec)
        return outcome._replace(recorded=known[1].apply(request, outcome))

    def _prepare(self, spec: Trigger) -> _Prepared:
        known = self._prepared.get(spec.name)
        if known is not None and known.spec is spec:
            return known
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
        transform = spec.request_transform
        transformer = None if transform is None else RequestTransformer(transform)
        prepared = _Prepared(spec, url, (CONTENT_TYPE, *headers), transformer)
        self._prepared[spec.name] = prepared
        return prepared

    def _fill(self, text: str) -> str:
        return ENV_TEMPLATE.sub(lambda found: self._environment[found[1]], text)
