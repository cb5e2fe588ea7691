"""Is this Hasura's metadata of tables, and which event triggers does it hold?

Read as Hasura exports it: a file for one table (`table:` with `event_triggers:`), a list of those,
or a list of `!include` lines. What else it keeps there (permissions, relationships) is not ours.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ruamel.yaml.comments import TaggedScalar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdc_triggers.app.located import Node, Plain

_INCLUDE = re.compile(r"!include\s+(?P<path>\S.*)")


class Draft(NamedTuple):
    """A trigger as written, not yet checked; in Hasura's form the table stands outside of it.

    Attributes:
        defaults: what the file says for all triggers that do not say it themselves.
    """

    node: Node
    table: Node | None
    defaults: Mapping[str, Plain] = MappingProxyType({})


def recognise(root: Node) -> bool:
    """True for Hasura's forms; ours has `triggers` at the top."""
    if root.is_list:
        return all(
            include_of(element) is not None or element.get("table") is not None
            for element in root.elements()
        )
    return root.get("table") is not None and root.get("triggers") is None


def includes(root: Node) -> Iterator[str]:
    """The paths that a list refers to, as written: relative to the list's own folder."""
    for element in root.elements():
        if path := include_of(element):
            yield path


def drafts(root: Node, problems: list[str]) -> Iterator[Draft]:
    """The event triggers of all tables."""
    for entry in root.elements() if root.is_list else (root,):
        table = entry.get("table")
        if table is None:
            continue
        listed = entry.get("event_triggers")
        if listed is None:
            if stray := {"webhook", "webhook_from_env", "definition"} & set(entry.keys()):
                problems.append(
                    f"{entry.get(min(stray))}: a trigger (`{min(stray)}`) stands alone; "
                    "write it as an element of `triggers:`, below `version: 1`"
                )
        elif not listed.is_list:
            problems.append(f"{listed}: `event_triggers` is not a list; write `- name: ...` below")
        else:
            for node in listed.elements():
                if (inner := node.get("table")) is not None:
                    problems.append(
                        f"{inner}: `table` stands in an event trigger; "
                        "remove it: the trigger belongs to the table it is listed under"
                    )
                else:
                    yield Draft(node, table)


def include_of(element: Node) -> str | None:
    """The path that stands for a value. Hasura writes it as quoted text, people also as a tag."""
    if isinstance(element.value, TaggedScalar):
        is_include = element.value.tag.value == "!include"
        return str(element.value.value).strip() if is_include else None
    match = _INCLUDE.fullmatch(element.value) if isinstance(element.value, str) else None
    return match["path"].strip() if match else None
