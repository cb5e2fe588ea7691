"""How is an import written? As a trigger file, with what could not be carried over in comments."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from cdc_triggers.app.trigger_file import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdc_triggers.app.hasura_import import Import, Imported, LeftOut
    from cdc_triggers.app.located import Plain

_UNFOLDED = 1_000_000
_SHORT = 70
"""A mapping or list of plain values that is no longer than this stands on one line."""

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*(?: [A-Za-z][A-Za-z0-9_.-]*)*")


def text(imported: Import) -> str:
    """The trigger file, comments and all."""
    return "\n".join(_lines(imported)) + "\n"


def _lines(imported: Import) -> Iterator[str]:
    yield _remark(f"Event triggers of Hasura's source {imported.source}.")
    yield _remark("`cdc-triggers import hasura DIR --check` tells whether this is still so.")
    for other in imported.others:
        yield _remark(f"Not imported: {other}.")
    yield f"version: {VERSION}"
    yield _remark(
        "If its server runs with HASURA_GRAPHQL_STRINGIFY_NUMERIC_TYPES=true (no metadata says):"
    )
    yield _remark("stringify_numeric_types: true")
    yield ""
    if not imported.triggers:
        yield "triggers: []"
        return
    yield "triggers:"
    for number, each in enumerate(imported.triggers):
        if number:
            yield ""
        yield from _trigger(each)


def _trigger(each: Imported) -> Iterator[str]:
    first, *rest = yaml_lines(dict(each.written))
    yield f"  - {first}"
    yield from (f"    {line}".rstrip() for line in rest)
    for note in each.notes:
        yield f"    {_remark(f'Note: {note}.')}"
    for left_out in each.left_out:
        yield from (f"    {_remark(line)}" for line in _comment(left_out))


def _comment(left_out: LeftOut) -> Iterator[str]:
    yield f"Not carried over: `{left_out.key}` {left_out.why}."
    yield from (f"  {line}" for line in yaml_lines({left_out.key: left_out.value}))


def _remark(text: str) -> str:
    """A comment is one line, whatever is in it: YAML has more line ends than one."""
    visible = (c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return f"# {''.join(visible)}".rstrip()


def yaml_lines(value: dict[str, Plain]) -> list[str]:
    """A mapping as YAML, as a person would write it."""
    yaml = YAML(typ="rt")
    yaml.width = _UNFOLDED
    yaml.indent(mapping=2, sequence=4, offset=2)
    target = io.StringIO()
    yaml.dump(_styled(value), target)
    # a value that is text alone would end in `...`
    return target.getvalue().rstrip("\n").split("\n")


def _styled(value: Plain, *, inside: bool = False) -> object:
    """Short things on one line, long text in a block: as a person would write it."""
    if isinstance(value, str):
        return LiteralScalarString(value) if _is_block(value) else _quoted(value)
    if isinstance(value, dict):
        made = CommentedMap(
            (_quoted(key), _styled(below, inside=True)) for key, below in value.items()
        )
        if inside and _is_short(value):
            made.fa.set_flow_style()
        return made
    if isinstance(value, list):
        listed = CommentedSeq(_styled(below, inside=True) for below in value)
        if _is_short(value):
            listed.fa.set_flow_style()
        return listed
    return value


def _quoted(value: str) -> str:
    """In quotes, but for plain words: what else YAML takes for text depends on where it stands."""
    return value if _WORD.fullmatch(value) else DoubleQuotedScalarString(value)


def _is_short(value: Plain) -> bool:
    return len(repr(value)) <= _SHORT and "\\n" not in repr(value)


def _is_block(value: str) -> bool:
    """Text of several lines that a block can hold: YAML would fold or trim anything else."""
    return (
        "\n" in value
        and all(line == line.rstrip() and line.isprintable() for line in value.split("\n"))
        and not value.startswith((" ", "\n"))
        and not value.endswith("\n\n")
    )
