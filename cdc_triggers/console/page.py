"""The API for people: one page made of the OpenAPI document, with nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font: 14px/1.4 ui-monospace, monospace }
pre { overflow: auto; padding: .5rem; border: 1px solid #8886 }
h3 code b { display: inline-block; min-width: 4.5rem }
table { border-collapse: collapse }
td, th { text-align: left; vertical-align: top; padding: .1rem 1rem .1rem 0 }
"""

_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy: nothing is loaded, nothing runs."""

_SCHEMA = "#/components/schemas/"


def html(document: dict[str, Any]) -> str:
    """The page."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: dict[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>"
    yield f"<p>{_words(info['description'])}</p>"
    yield '<p>The same for programs: <a href="openapi.json">openapi.json</a></p>'
    calls = [
        (call["tags"][0], method.upper(), path, call)
        for path, methods in document["paths"].items()
        for method, call in methods.items()
    ]
    for tag, group in groupby(sorted(calls, key=lambda each: each[0]), lambda each: each[0]):
        yield f"<h2>{escape(tag)}</h2>"
        for _, method, path, call in group:
            yield from _call(method, path, call)
    yield "<h2>Schemas</h2>"
    for name, schema in sorted(document["components"]["schemas"].items()):
        text = escape(json.dumps(schema, indent=2, ensure_ascii=False))
        yield f'<h3 id="{escape(name)}">{escape(name)}</h3><pre>{text}</pre>'
    yield "</body></html>"


def _call(method: str, path: str, call: dict[str, Any]) -> Iterator[str]:
    yield f"<h3><code><b>{method}</b> {escape(path)}</code></h3><p>{_words(call['summary'])}</p>"
    yield "<table>"
    for each in call.get("parameters", ()):
        kind = escape(_type(each["schema"]))
        about = _words(each["description"])
        yield f"<tr><td>{each['in']} <code>{each['name']}</code><td>{kind}<td>{about}</tr>"
    if "requestBody" in call:
        yield f"<tr><td>body<td>{_shape(call['requestBody'])}<td></tr>"
    for status, response in call["responses"].items():
        about = _words(response["description"])
        yield f"<tr><td>{status}<td>{_shape(response)}<td>{about}</tr>"
    yield "</table>"


def _words(text: str) -> str:
    """Text with code in backticks, as OpenAPI's descriptions have it."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _shape(part: dict[str, Any]) -> str:
    kind, content = next(iter(part["content"].items()))
    schema = content["schema"]
    if kind != "application/json":
        return escape(kind)
    if "$ref" in schema:
        name = escape(schema["$ref"].removeprefix(_SCHEMA))
        return f'<a href="#{name}">{name}</a>'
    return escape(schema.get("type", schema.get("description", "JSON")))


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(schema["enum"])
    return str(schema.get("format", schema["type"]))
