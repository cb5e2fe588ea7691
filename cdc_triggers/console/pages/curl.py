"""A request as a curl command that may be copied: what is secret stands in it as a variable."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

from cdc_triggers.core.web import ENV_TEMPLATE
from cdc_triggers.telemetry.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdc_triggers.core.attempt import Request

_CREDENTIAL: Final = re.compile(
    r"authorization|cookie|secret|token|password|signature|(^|-)key$|api-?key", re.IGNORECASE
)
"""Names of headers that are not for a clipboard, also where the trigger file has them in clear."""


_ONLY_VARIABLES: Final = re.compile(r"(?:[A-Za-z]+ )?(?:\{\{\s*\w+\s*\}\})+")


def curl(request: Request, variables: Iterable[str]) -> str:
    """One command, a line for each option; it runs in a shell that has these variables.

    Args:
        request: as a preview makes it: values from the environment are `{{NAME}}`.
        variables: the names that the trigger takes from the environment; no others are filled in.
    """
    known = frozenset(variables)
    options = [f"--request {shlex.quote(request.method)}"]
    for name, value in request.headers:
        hidden = header(name, value) != value
        text = f"{name}: {{{{{_variable(name)}}}}}" if hidden else f"{name}: {value}"
        options.append(f"--header {_quoted(text, known | {_variable(name)} if hidden else known)}")
    if request.body:
        options.append(f"--data-binary {shlex.quote(request.body.decode('utf-8', 'replace'))}")
    lines = [f"curl {_quoted(redact(request.url), known)}", *options]
    return " \\\n  ".join(lines)


def header(name: str, value: str) -> str:
    """A header's value for a page: what may be a credential is not shown."""
    hidden = _CREDENTIAL.search(name) and not _ONLY_VARIABLES.fullmatch(value)
    return "\N{BULLET}" * 6 if hidden else value


def _variable(name: str) -> str:
    return re.sub(r"\W", "_", name).upper()


def _quoted(text: str, known: frozenset[str]) -> str:
    """For a shell: text as it is, and `{{NAME}}` as a variable of the shell."""
    parts, end = [], 0
    for found in ENV_TEMPLATE.finditer(text):
        if found[1] in known:
            if found.start() > end:
                parts.append(shlex.quote(text[end : found.start()]))
            parts.append(f'"${{{found[1]}}}"')
            end = found.end()
    if end < len(text) or not parts:
        parts.append(shlex.quote(text[end:]))
    return "".join(parts)
