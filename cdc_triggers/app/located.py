"""Where in a YAML file does this value stand? Values that know their file and line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scalarstring import LiteralScalarString

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_DUPLICATE = re.compile(r'found duplicate key "(.*?)" with value', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a YAML file; written as `file:line`, counted from 1."""

    file: str
    line: int
    value: object

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    @property
    def is_mapping(self) -> bool:
        """True if it has keys."""
        return isinstance(self.value, CommentedMap)

    @property
    def is_list(self) -> bool:
        """True if it has elements."""
        return isinstance(self.value, CommentedSeq)

    def keys(self) -> tuple[str, ...]:
        """The keys of a mapping in their order, as text; of anything else, none."""
        return tuple(map(str, self.value)) if isinstance(self.value, CommentedMap) else ()

    def get(self, key: str) -> Node | None:
        """The value of a key, with the key's line; None if it is not there."""
        if not isinstance(self.value, CommentedMap):
            return None
        for found, value in self.value.items():
            if str(found) == key:
                return Node(self.file, self._line_of(found), value)
        return None

    def elements(self) -> Iterator[Node]:
        """The elements of a list; of anything else, none."""
        if isinstance(self.value, CommentedSeq):
            for place, value in enumerate(self.value):
                yield Node(self.file, self._line_of(place), value)

    def at(self, path: Sequence[str | int]) -> Node:
        """The deepest value that exists on the way along `path`."""
        node = self
        for step in path:
            if isinstance(step, int):
                below = next((n for i, n in enumerate(node.elements()) if i == step), None)
            else:
                below = node.get(step)
            if below is None:
                break
            node = below
        return node

    def within(self, line: int) -> Node:
        """The same value, at a line of its text if it stands as a block (`|`)."""
        if line and isinstance(self.value, LiteralScalarString):
            return Node(self.file, self.line + line, self.value)
        return self

    def plain(self) -> Plain:
        """The value as Python's own types; keys become text.

        Raises:
            ValueError: it has a tag, contains itself, or has a key that is no text.
        """
        return _plain(self.value, {})

    def _line_of(self, key: object) -> int:
        """A key that came in by `<<` has no line of its own: that of the mapping stands for it."""
        marks = getattr(self.value, "lc").data or {}  # noqa: B009 - untyped in ruamel.yaml
        return int(marks[key][0]) + 1 if key in marks else self.line


class _Constructor(RoundTripConstructor):
    """Times are text: YAML's own would be written in another form than it was read."""


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _Constructor.construct_scalar)


def read(path: Path) -> Node | str:
    """Parse a file; what is wrong with it comes back as a line of text, `file:line: what`."""
    text = text_of(path)
    return parse(str(path), str(text.value)) if isinstance(text, Node) else text


def text_of(path: Path) -> Node | str:
    """The text of a file as a node; if it cannot be read, why."""
    try:
        return Node(str(path), 1, path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return f"{path}: does not exist; write one with `cdc-triggers init`, or name it with -c"
    except UnicodeDecodeError as error:
        return f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8"
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror}); give this user the right to read it"


def parse(file: str, text: str) -> Node | str:
    """Parse the text of a file; what is wrong with it comes back as `read` says it."""
    yaml = YAML(typ="rt")
    yaml.Constructor = _Constructor
    try:
        root = yaml.load(text)
    except MarkedYAMLError as error:
        return f"{file}:{_position(error)}"
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return f"{file}:{line}: holds a character that YAML does not allow; write it as an escape"
    except (YAMLError, ValueError, TypeError, RecursionError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        return f"{file}:1: not valid YAML: {what}; put the value in quotes"
    start = root.lc.line + 1 if isinstance(root, CommentedMap | CommentedSeq) else 1
    return Node(file, start, root)


def _position(error: MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = error.problem or "cannot be read"
    if duplicate := _DUPLICATE.match(problem):
        return f"{line}: the key `{duplicate[1]}` stands here a second time; remove one of them"
    return f"{line}: not valid YAML at column {column}: {problem}; check indentation and quotes"


def _plain(value: object, done: dict[int, Plain | None]) -> Plain:
    """Every node once: aliases may make a small file refer to one value a million times."""
    if isinstance(value, CommentedMap | CommentedSeq):
        if id(value) in done:
            if (known := done[id(value)]) is None:
                raise ValueError("contains itself; write it out without the alias")
            return known
        done[id(value)] = None
        copy: Plain
        if isinstance(value, CommentedMap):
            copy = {_name(str(key)): _plain(below, done) for key, below in value.items()}
        else:
            copy = [_plain(below, done) for below in value]
        done[id(value)] = copy
        return copy
    if isinstance(value, TaggedScalar):
        raise ValueError(f"has the tag {value.tag.value}; write the value without a tag")  # noqa: TRY004
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if not isinstance(value, str):
        raise ValueError("has a tag that means nothing here; write the value without a tag")  # noqa: TRY004
    return _whole(str(value))


def _name(key: str) -> str:
    """The same of a key, which nobody else would refuse before it is shown."""
    name = _whole(key)
    if _SURROGATE.search(name):
        raise ValueError("holds half of a character (\\ud800 to \\udfff) in a key; write it whole")
    return name


def _whole(text: str) -> str:
    """Text with its characters in one piece: JSON escapes some of them as two halves.

    A half that stands alone is left: the spec refuses it, and says where.
    """
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
