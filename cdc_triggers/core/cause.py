"""Of what did a delivery die? Its error, without what makes each one different."""

from __future__ import annotations

import re
from typing import Final

UNKNOWN: Final = "no error was recorded"
LIMIT: Final = 160

_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)
_HEX = re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9]*[a-f])[0-9a-f]{8,}\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d{4,}")


def cause_of(error: str | None) -> str:
    """`HTTP 503` stays; ids, digests and numbers of four digits and more become `…`.

    Short numbers stay: a status, a timeout, a line of a template tell causes apart.
    """
    if not error or not error.strip():
        return UNKNOWN
    text = " ".join(error.split())
    for pattern in (_ID, _HEX, _NUMBER):
        text = pattern.sub("\N{HORIZONTAL ELLIPSIS}", text)
    return text if len(text) <= LIMIT else text[: LIMIT - 1] + "\N{HORIZONTAL ELLIPSIS}"
