"""What may be called, and under which headers? The rules of HTTP that a spec must keep."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

ENV_TEMPLATE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")

HEADER_NAME = r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$"

LAST_PORT = 65_535
"""The highest port that TCP has."""

FRAMING = frozenset({"content-length", "transfer-encoding"})
"""Headers that say where a message ends: only the client that writes it can know."""


def url_problem(text: str) -> str | None:
    """Say what is wrong with a webhook and what to write; None if it may be called.

    `{{NAME}}` may stand anywhere: only what does not depend on it is checked. The text may hold
    secrets and is not repeated.
    """
    rest = ENV_TEMPLATE.sub("1", text)
    if "{{" in rest or "}}" in rest:
        return "holds braces that are no variable: write {{NAME}}, letters, digits and _ only"
    if not text or any(character.isspace() or not character.isprintable() for character in rest):
        return "is empty or holds white space: write %20 for a space"
    if ENV_TEMPLATE.match(text):
        return None
    try:
        url = urlsplit(rest)
        host, _ = url.hostname, url.port
    except ValueError:
        return "has no valid host or port: write https://example.com:8443/hook"
    if url.scheme.lower() not in {"http", "https"}:
        return "starts with neither http:// nor https://: write https://example.com/hook"
    return None if host else "has no host: write https://example.com/hook"


def header_problem(value: str) -> str | None:
    """Say what is wrong with the value of a header; it is not repeated."""
    if "\n" in value or "\r" in value or "\0" in value:
        return "a header value is one line: write it without line breaks"
    return None
