"""Log sequence numbers: positions in PostgreSQL's write-ahead log, in bytes."""

from __future__ import annotations

from typing import NewType

Lsn = NewType("Lsn", int)

ZERO = Lsn(0)


def parse(text: str) -> Lsn:
    """Read `16/B374D848` as a number.

    Raises:
        ValueError: the text is not two hexadecimal numbers of at most 32 bits around a slash.
    """
    high, slash, low = text.partition("/")
    if not slash or not 0 < len(high) <= 8 or not 0 < len(low) <= 8:  # noqa: PLR2004 - 32 bits in hex
        raise ValueError(f"not an LSN: {text!r}")
    return Lsn((int(high, 16) << 32) | int(low, 16))


def show(lsn: Lsn) -> str:
    """Write an LSN as PostgreSQL does: `16/B374D848`."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
