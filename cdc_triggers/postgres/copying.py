"""PostgreSQL's COPY text format, written by hand because psycopg2 has no writer for it.

Source: https://www.postgresql.org/docs/current/sql-copy.html, "Text Format".
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from psycopg2 import sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg2.extensions import cursor
    from psycopg2.sql import Composed

Value = bytes | str | int | float | None

NULL: Final = b"\\N"
CHUNK: Final = 64 * 1024

SHORT: Final = 1024
"""Longer texts are answers of endpoints: a thousand of them remembered would be 100 MB."""


def field(value: Value) -> bytes:
    r"""One value, escaped; None is `\N`."""
    if value is None:
        return NULL
    if isinstance(value, bytes):
        return _escaped(value)
    if isinstance(value, str):
        return _text(value) if len(value) <= SHORT else _escaped(value.encode())
    return str(value).encode()


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


def copy_command(table: str, columns: Sequence[str], schema: str = "cdc_triggers") -> sql.Composed:
    """The statement that `copy` needs for these columns."""
    return sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(schema, table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )


def copy(cur: cursor, command: Composed, rows: Iterable[Sequence[Value]]) -> None:
    """Send rows to a `COPY … FROM STDIN`."""
    copy_lines(cur, command, map(line, rows))


def copy_lines(cur: cursor, command: Composed, lines: Iterable[bytes]) -> None:
    """Send lines, as `line` makes them."""
    cur.copy_expert(command, _Lines(lines), size=CHUNK)  # type: ignore[arg-type]  # it only reads


def line(row: Sequence[Value]) -> bytes:
    """One row; of a large field it makes one copy, or two if something in it is escaped."""
    fields = [*map(field, row)]
    fields[-1] += b"\n"
    return b"\t".join(fields)


class _Lines:
    """Lines as a file: a chunk of them in memory at a time, not all.

    A line that is larger is handed over in pieces: libpq keeps a buffer as large as the largest
    piece for as long as the connection lives.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self._next = b""
        self._rest = memoryview(b"")

    def read(self, size: int = CHUNK, /) -> bytes:
        """Lines of `size` bytes together, or twice as much; none when there are no more."""
        if not self._rest:
            data = self._chunk(size)
            if len(data) <= 2 * size:
                return data
            self._rest = memoryview(data)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)

    def _chunk(self, size: int) -> bytes:
        lines: list[bytes] = []
        if self._next:
            lines.append(self._next)
            size -= len(self._next)
            self._next = b""
        while size > 0 and (each := next(self._lines, b"")):
            if lines and len(each) > CHUNK:
                self._next = each  # alone, so that it is not copied once more
                break
            lines.append(each)
            size -= len(each)
        return b"".join(lines)
