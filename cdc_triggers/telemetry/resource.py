"""What this process says of itself, after OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING
from urllib.parse import unquote

from cdc_triggers import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE = "cdc-triggers"


def attributes(environ: Mapping[str, str]) -> dict[str, str]:
    """Names and values, in UTF-8; a part of the variable that is not `name=value` is left out."""
    found = {
        "service.name": SERVICE,
        "service.version": __version__,
        "service.instance.id": str(uuid.uuid4()),
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": SERVICE,  # spans are not made by OpenTelemetry's
        "telemetry.sdk.version": __version__,
    }
    for part in environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        name, mark, value = part.partition("=")
        if mark and name.strip():
            found[name.strip()] = unquote(value.strip())
    if service := environ.get("OTEL_SERVICE_NAME", "").strip():
        found["service.name"] = service
    return {_utf8(name): _utf8(value) for name, value in found.items()}


def _utf8(text: str) -> str:
    """The same; bytes of the environment that are something else are `?`."""
    return text.encode("utf-8", "replace").decode()
