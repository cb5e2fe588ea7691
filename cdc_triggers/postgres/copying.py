"""PostgreSQL's COPY text format, written by hand because psycopg2 has no writer for it.

Source: https://www.postgresql.org/docs/current/sql-copy.html, "Text Format".
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg2.extensions import cursor
    from psycopg2.sql import Composed

Value = bytes | str | int | float | None

NULL = b"\\N"


def field(value: Value) -> bytes:
    r"""One value, escaped; None is `\N`."""
    if value is None:
        return NULL
    if isinstance(value, bytes):
        return _escaped(value)
    return _text(value) if isinstance(value, str) else str(value).encode()


@lru_cache(maxsize=1024)
def _text(value: str) -> bytes:
    """Names, outcomes and requests are the same from row to row: escape them once."""
    return _escaped(value.encode())


def _escaped(data: bytes) -> bytes:
    if b"\\" in data:
        data = data.replace(b"\\", b"\\\\")
    if b"\n" in data or b"\t" in data or b"\r" in data:
        data = data.replace(b"\n", b"\\n").replace(b"\t", b"\\t").replace(b"\r", b"\\r")
    return data


def copy(cur: cursor, command: Composed, rows: Iterable[Sequence[Value]]) -> None:
    """Send rows to a `COPY … FROM STDIN`."""
    lines = b"".join([b"\t".join([field(value) for value in row]) + b"\n" for row in rows])
    cur.copy_expert(command, io.BytesIO(lines))
