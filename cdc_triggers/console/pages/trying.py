"""A condition and transforms as somebody has just written them: errors at their place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from cdc_triggers.app import located, spec_problems
from cdc_triggers.app.hasura_writer import yaml_lines
from cdc_triggers.core.cel.problems import InvalidConditionError
from cdc_triggers.core.condition import compiled
from cdc_triggers.core.transform_spec import RequestTransform, ResponseTransform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdc_triggers.app.located import Node
    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.core.transform_spec import Transform

KINDS: Final[dict[str, type[Transform]]] = {
    "request_transform": RequestTransform,
    "response_transform": ResponseTransform,
}
"""Fields that hold a transform, by the name of its key."""

_FILE: Final = "transform"
_PLACE: Final = re.compile(r"line (\d+), column (\d+)")
_COLUMN: Final = re.compile(r"has no column (\w+)")
_AROUND: Final = 2
_MOST_LINE: Final = 400


class Caret(NamedTuple):
    """A place in a text: the line with those before it, and where in it to look.

    Attributes:
        lines: number and text; the last one is the line that is meant.
        before, at: of that line what stands before the place, and the character at it.
        after: what follows.
    """

    lines: tuple[tuple[int, str], ...]
    number: int
    before: str
    at: str
    after: str


class Mistake(NamedTuple):
    """What is wrong in the field `of`. `caret` is None if there is no place."""

    of: str
    text: str
    caret: Caret | None


def caret(text: str, line: int, column: int) -> Caret | None:
    """The place in a text, both counted from 1; None: there is no such line."""
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        return None
    meant = lines[line - 1]
    first = max(0, line - 1 - _AROUND)
    before = tuple(
        (first + n + 1, each[:_MOST_LINE]) for n, each in enumerate(lines[first : line - 1])
    )
    start = max(0, column - 1 - _MOST_LINE // 2)
    at = meant[column - 1 : column] or " "
    return Caret(
        before, line, meant[start : column - 1], at, meant[column : column + _MOST_LINE // 2]
    )


def caret_in(message: str, text: str) -> Caret | None:
    """The place that a message names, in the text that it is about."""
    found = _PLACE.search(message)
    return caret(text, int(found[1]), int(found[2])) if found else None


def caret_at_word(message: str, text: str) -> Caret | None:
    """Where the column stands that a message says there is none of."""
    named = _COLUMN.search(message)
    found = re.search(rf"(?<!\w){re.escape(named[1])}(?!\w)", text) if named else None
    if found is None:
        return None
    line = text.count("\n", 0, found.start()) + 1
    return caret(text, line, found.start() - (text.rfind("\n", 0, found.start()) + 1) + 1)


def condition_mistakes(text: str) -> list[Mistake]:
    """What is wrong with a condition; of one that is empty, nothing."""
    if not text.strip():
        return []
    try:
        compiled(text)
    except InvalidConditionError as error:
        return [Mistake("condition", str(p), caret(text, *p.place)) for p in error.problems]
    return []


def write(transform: Transform | None) -> str:
    """A transform as it stands in a trigger file; empty if there is none."""
    if transform is None:
        return ""
    plain = transform.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return "\n".join(yaml_lines({"version": 2, **plain})) + "\n"


def read(of: str, text: str) -> Transform | list[Mistake] | None:
    """The transform that the text of the field `of` says; if it is none, what is wrong with it."""
    if not text.strip():
        return None
    node = located.parse(_FILE, text)
    if isinstance(node, str):
        return [_at_line(of, node.removeprefix(f"{_FILE}:"), text)]
    if not node.is_mapping:
        return [Mistake(of, "is not a mapping; write `version: 2` and what follows", None)]
    try:
        plain = node.plain()
    except ValueError as error:
        return [Mistake(of, f"a value {error}", None)]
    found = spec_problems.transform_problems(of, plain)
    if found:
        return [_mistake(node, problem, of, text) for problem in found]
    return KINDS[of].model_validate(node.plain())


def _mistake(root: Node, problem: spec_problems.Problem, of: str, text: str) -> Mistake:
    path = problem.path[1:]
    node = root.at(path)
    told = problem.text.replace(f"`{of}.", "`")
    template = node.value if isinstance(node.value, str) else None
    place = caret_in(told, template) if template is not None else None
    if place is None:
        place = caret(text, node.within(problem.line).line, 1)
    return Mistake(of, told, place)


def _at_line(of: str, told: str, text: str) -> Mistake:
    """`3: not valid YAML at column 5: ...`."""
    line, _, what = told.partition(": ")
    column = re.search(r"at column (\d+)", what)
    place = caret(text, int(line), int(column[1]) if column else 1) if line.isdigit() else None
    return Mistake(of, what, place)


def templates(trigger: Trigger) -> Iterator[tuple[str, str]]:
    """Names of a trigger's templates, as messages have them, and their texts."""
    for key in KINDS:
        transform: Transform | None = getattr(trigger, key)
        for source in transform.sources() if transform is not None else ():
            yield ".".join((key, *map(str, source.path))), source.text
