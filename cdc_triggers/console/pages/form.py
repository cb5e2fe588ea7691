"""The fields of a form, and of a page's address."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from cdc_triggers.console.answers import bad_request

_DIGITS = 18
_FIELDS = 2000
_OURS = frozenset({"token", "confirmed", "again"})
"""Fields that are not part of what is asked for: token, consent, and the way back."""


def whole(text: str) -> int | None:
    """The whole number that a text is, if PostgreSQL's bigint has it; else None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


class Form(NamedTuple):
    """Names and values in their order."""

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Form:
        """Read `a=1&b=2`.

        Raises:
            ApiError: there are too many fields.
        """
        try:
            return cls(tuple(parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS)))
        except ValueError as error:
            raise bad_request("bad-request", "too many fields") from error

    def get(self, name: str, default: str = "") -> str:
        """The last value of that name, without the blanks around it."""
        return self.text(name, default).strip()

    def text(self, name: str, default: str = "") -> str:
        """The last value of that name as it was written, with line ends as in Unix."""
        values = self.all(name)
        return values[-1].replace("\r\n", "\n") if values else default

    def all(self, name: str) -> list[str]:
        """All values of that name."""
        return [value for key, value in self.pairs if key == name]

    @property
    def asked(self) -> tuple[tuple[str, str], ...]:
        """All fields but token and consent."""
        return tuple(pair for pair in self.pairs if pair[0] not in _OURS)

    def address(self, path: str, **changed: str | None) -> str:
        """`path` with these fields in its query, some of them changed, None: left out."""
        kept = [pair for pair in self.asked if pair[0] not in changed and pair[1] != ""]
        added = [(key, value) for key, value in changed.items() if value is not None]
        query = urlencode([*kept, *added])
        return f"{path}?{query}" if query else path
