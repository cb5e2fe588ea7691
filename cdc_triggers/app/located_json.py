"""Where in a JSON file does this value stand? The same nodes as those of a YAML file.

JSON is not simply read as YAML: that is a hundred times slower, and trips over tabs and over the
surrogate pairs in which JSON writes an emoji.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from cdc_triggers.app.located import Node, text_of

if TYPE_CHECKING:
    from pathlib import Path

_SPACE = re.compile(r"[ \t\r\n]*")


def read(path: Path) -> Node | str:
    """Parse a file; what is wrong with it comes back as a line of text, `file:line: what`."""
    text = text_of(path)
    if isinstance(text, Node):
        content = str(text.value).removeprefix("\ufeff")
        try:
            return _Reader(str(path), content).document()
        except json.JSONDecodeError as error:
            return f"{path}:{error.lineno}: not valid JSON at column {error.colno}: {error.msg}"
        except RecursionError:
            return f"{path}:1: not valid JSON: it is nested too deeply"
    return text


class _Reader:
    """One document. Every value keeps the line of its key or, in a list, its own."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._text = text
        self._scalars = json.JSONDecoder(parse_constant=self._refuse)
        self._breaks = [match.start() for match in re.finditer("\n", text)]

    def document(self) -> Node:
        start = self._skip(0)
        value, end = self._value(start)
        if self._skip(end) != len(self._text):
            raise json.JSONDecodeError("something follows the end", self._text, self._skip(end))
        return Node(self._file, self._line(start) + 1, value)

    def _value(self, at: int) -> tuple[object, int]:
        character = self._text[at : at + 1]
        if character == "{":
            return self._object(at + 1)
        if character == "[":
            return self._array(at + 1)
        value, end = self._scalars.raw_decode(self._text, at)
        return value, end

    def _object(self, at: int) -> tuple[CommentedMap, int]:
        found = CommentedMap()
        at = self._skip(at)
        if self._text[at : at + 1] == "}":
            return found, at + 1
        while True:
            if self._text[at : at + 1] != '"':
                raise json.JSONDecodeError('a key in "" is missing', self._text, at)
            mark = [self._line(at), 0, self._line(at), 0]
            start = at
            key, at = self._scalars.raw_decode(self._text, at)
            if key in found:
                raise json.JSONDecodeError(f"the key {key!r} stands twice", self._text, start)
            at = self._skip(at)
            if self._text[at : at + 1] != ":":
                raise json.JSONDecodeError("a : is missing", self._text, at)
            found[key], at = self._value(self._skip(at + 1))
            found.lc.add_kv_line_col(key, mark)
            at, ended = self._next(at, "}")
            if ended:
                return found, at

    def _array(self, at: int) -> tuple[CommentedSeq, int]:
        found = CommentedSeq()
        at = self._skip(at)
        if self._text[at : at + 1] == "]":
            return found, at + 1
        while True:
            line = self._line(at)
            value, at = self._value(at)
            found.append(value)
            found.lc.add_idx_line_col(len(found) - 1, [line, 0])
            at, ended = self._next(at, "]")
            if ended:
                return found, at

    def _next(self, at: int, closing: str) -> tuple[int, bool]:
        """Behind a comma, or behind the closing bracket."""
        at = self._skip(at)
        character = self._text[at : at + 1]
        if character not in {",", closing}:
            raise json.JSONDecodeError(f"a , or {closing} is missing", self._text, at)
        return (at + 1, True) if character == closing else (self._skip(at + 1), False)

    def _refuse(self, name: str) -> None:
        raise json.JSONDecodeError(f"{name} is not JSON", self._text, 0)

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        assert match is not None
        return match.end()

    def _line(self, at: int) -> int:
        """Counted from 0, as ruamel does."""
        return bisect_right(self._breaks, at - 1)
