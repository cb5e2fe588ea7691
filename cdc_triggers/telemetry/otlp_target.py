"""Where a signal goes over OTLP, and how: what OTEL_EXPORTER_OTLP_* say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from cdc_triggers import __version__
from cdc_triggers.errors import UsageError
from cdc_triggers.telemetry import tls
from cdc_triggers.telemetry.variables import TIMEOUT_S, choice, export_s, number, otlp, otlp_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdc_triggers.telemetry.tls import Files

USER_AGENT = f"cdc-triggers/{__version__}"

DEFAULTS = {False: "http://localhost:4318", True: "http://localhost:4317"}
"""For gRPC or not."""

COMPRESSIONS = ("none", "gzip", "deflate")

Headers = tuple[tuple[str, str], ...]

_NAMES = {
    False: re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+"),
    True: re.compile(r"(?!.*-bin$)[0-9a-z_.-]+"),
}
"""For gRPC or not: gRPC takes fewer, and wants bytes for what ends in -bin."""

_VALUE = re.compile(r"[\x20-\x7e]*")


class Target(NamedTuple):
    """Where batches go, and how.

    Attributes:
        url: for gRPC the address, without a scheme.
        headers: those that are asked for.
        timeout_s: of an export with all its attempts.
        compression: one of COMPRESSIONS.
        secure: by TLS.
    """

    signal: str
    grpc: bool
    url: str
    headers: Headers
    timeout_s: float
    compression: str
    secure: bool
    files: Files

    @property
    def collector(self) -> str:
        """Host and port, and nothing else of the URL: what stands beside them may be secret."""
        if self.grpc:  # a name of gRPC's own, dns:///host:port, keeps its last part
            return self.url.partition("?")[0].rpartition("/")[2].rpartition("@")[2]
        address = urlsplit(self.url)
        host = f"[{address.hostname}]" if ":" in (address.hostname or "") else address.hostname
        return f"{host}:{address.port or (443 if self.secure else 80)}"


def target(environ: Mapping[str, str], signal: str, *, grpc: bool = False) -> Target:
    """What the variables say.

    Raises:
        UsageError: one of them cannot be used.
    """
    url = _url(environ, signal, grpc=grpc)
    secure = url.startswith("https://")
    if grpc:
        url, secure = _address(environ, signal, url)
    within_s, timeout = export_s(environ, signal), otlp_name(environ, signal, "TIMEOUT")
    timeout_s = number(environ, timeout, TIMEOUT_S)
    return Target(
        signal,
        grpc,
        url,
        _headers(environ, signal, grpc=grpc),
        timeout_s if within_s is None else min(timeout_s, within_s),
        choice(environ, otlp_name(environ, signal, "COMPRESSION"), COMPRESSIONS),
        secure,
        tls.files(environ, signal),
    )


def _url(environ: Mapping[str, str], signal: str, *, grpc: bool) -> str:
    name = otlp_name(environ, signal, "ENDPOINT")
    url = environ.get(name, "").strip() or DEFAULTS[grpc]
    if grpc:
        return url
    if not url.startswith(("http://", "https://")) or not _has_host(url):
        raise UsageError(
            f"{name} is no http:// or https:// URL", hint=f"write it like {DEFAULTS[False]}"
        )
    general = name == "OTEL_EXPORTER_OTLP_ENDPOINT"
    return f"{url.rstrip('/')}/v1/{signal}" if general else url


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return url.isprintable() and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _address(environ: Mapping[str, str], signal: str, url: str) -> tuple[str, bool]:
    """For gRPC: what it connects to, and whether by TLS."""
    scheme, mark, rest = url.partition("://")
    if mark and scheme in {"http", "https"}:
        if not _has_host(url):
            name = otlp_name(environ, signal, "ENDPOINT")
            raise UsageError(f"{name} has no host", hint=f"write it like {DEFAULTS[True]}")
        return rest.partition("/")[0].rpartition("@")[2], scheme == "https"
    insecure = choice(environ, otlp_name(environ, signal, "INSECURE"), ("false", "true"))
    return url, insecure != "true"


def _headers(environ: Mapping[str, str], signal: str, *, grpc: bool) -> Headers:
    """W3C baggage: `name=value,name=value`, percent-encoded.

    Raises:
        UsageError: a part of it has no name, or is no header; what it is may be secret.
    """
    variable, found = otlp_name(environ, signal, "HEADERS"), []
    for part in otlp(environ, signal, "HEADERS").split(","):
        if not part.strip():
            continue
        name, mark, value = part.partition("=")
        if not mark or not name.strip():
            raise UsageError(
                f"{variable} has a part without a name",
                hint="write it like api-key=1234,tenant=shop",
            )
        header = unquote(name.strip()).lower(), unquote(value.strip()).strip(" ")
        if not (_NAMES[grpc].fullmatch(header[0]) and _VALUE.fullmatch(header[1])):
            raise UsageError(
                f"{variable} has a name or a value that no header may have",
                hint="names are of letters, digits, -, _ and ., values of printable ASCII: "
                "look for a line break, written %0A",
            )
        found.append(header)
    return tuple(found)
