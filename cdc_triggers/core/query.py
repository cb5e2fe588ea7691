"""The query of a URL, and forms: pairs of texts, percent-encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

Pair = tuple[str, str | None]
"""A name and its value; None: there is no `=`."""

_FORM_SAFE = "!'()*"


def parse(query: str) -> list[Pair]:
    """The pairs of a query, decoded; a question mark at its beginning is no part of it."""
    pairs: list[Pair] = []
    for piece in query.removeprefix("?").split("&"):
        name, equals, value = piece.partition("=")
        if piece:
            pairs.append((_decoded(name), _decoded(value) if equals else None))
    return pairs


def of_url(url: str) -> list[Pair]:
    """The pairs of a URL's query."""
    return parse(url.partition("#")[0].partition("?")[2])


def replaced(url: str, pairs: Iterable[Pair]) -> str:
    """The URL with this query and no other.

    Raises:
        UnicodeEncodeError: a text is no valid Unicode.
    """
    head, hash_, fragment = url.partition("#")
    query = "&".join(
        _encoded(name) if value is None else f"{_encoded(name)}={_encoded(value)}"
        for name, value in pairs
    )
    bare = head.partition("?")[0]
    return f"{bare}{'?' if query else ''}{query}{hash_}{fragment}"


def form(pairs: Iterable[tuple[str, str]]) -> bytes:
    """The body of a form.

    Raises:
        UnicodeEncodeError: a text is no valid Unicode.
    """
    return "&".join(
        f"{quote(name, safe=_FORM_SAFE)}={quote(value, safe=_FORM_SAFE)}" for name, value in pairs
    ).encode()


def _decoded(text: str) -> str:
    return unquote_plus(text, errors="surrogateescape")


def _encoded(text: str) -> str:
    return quote(text, safe="", errors="surrogateescape")
