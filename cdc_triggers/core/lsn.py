"""Log sequence numbers: positions in PostgreSQL's write-ahead log, in bytes."""

from __future__ import annotations

import re
from typing import NewType

Lsn = NewType("Lsn", int)

ZERO = Lsn(0)

_FORM = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


def parse(text: str) -> Lsn:
    """Read `16/B374D848` as a number.

    Raises:
        ValueError: the text is not two hexadecimal numbers of at most 32 bits around a slash.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"not an LSN: {text!r}")
    high, low = match.groups()
    return Lsn((int(high, 16) << 32) | int(low, 16))


def show(lsn: Lsn) -> str:
    """Write an LSN as PostgreSQL does: `16/B374D848`."""
    return "%X/%X" % (lsn >> 32, lsn & 0xFFFFFFFF)  # noqa: UP031 - half as long as an f-string
