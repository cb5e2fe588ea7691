"""The URL that a span shows: as the trigger file has it, and without what is secret in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdc_triggers.core.spec import Trigger

REDACTED = "REDACTED"

_USERINFO = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/?#]*@", re.IGNORECASE)
_QUERY = re.compile(r"([?&;#])([^=&;#]+)=([^&;#]*)")
_VARIABLE = re.compile(r"^(\{\{[^{}]*\}\})+$")
_SECRET = re.compile(
    r"sig|token|secret|pass|pwd|key|auth|cred|code|session|jwt|hmac|^x-(amz|goog|ms)-|^s[etvprk]$",
    re.IGNORECASE,
)
"""What a query calls its credentials; the last is of Azure's shared access signatures."""


def written_url(spec: Trigger) -> str:
    """Webhook, or the URL of the request transform; values from the environment stay names."""
    transform = spec.request_transform
    if transform is not None and transform.url:
        return redact(transform.url)
    return redact(spec.webhook or f"{{{{{spec.webhook_from_env}}}}}")


def redact(url: str) -> str:
    """The same URL, without user, password, and the values of what may be credentials."""
    return _QUERY.sub(_redact_value, _USERINFO.sub(rf"\1{REDACTED}:{REDACTED}@", url))


def _redact_value(found: re.Match[str]) -> str:
    mark, name, value = found.groups()
    if not _SECRET.search(name) or _VARIABLE.match(value):
        return found[0]
    return f"{mark}{name}={REDACTED}"
