"""What becomes of Hasura's event triggers here: specs of ours, and what they can not say.

What a spec can say is asked of the model, not listed here: a key that it learns is carried over
from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from cdc_triggers.app import hasura_metadata, spec_problems
from cdc_triggers.core.spec import Definition, Trigger
from cdc_triggers.errors import TriggerFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cdc_triggers.app.hasura_file import Draft
    from cdc_triggers.app.located import Node, Plain
    from cdc_triggers.app.spec_problems import Path as SpecPath

ACCEPTED = frozenset(Trigger.model_fields)
"""Keys of a trigger that its spec honours."""

_FIRST = ("name", "table", "definition")
_MEANINGLESS = frozenset({"replace", "source"})
"""Arguments of an API call that got into a file: they say nothing about the trigger."""

_SET_BY_US = frozenset({"content-type"})


class LeftOut(NamedTuple):
    """Something that the spec can not say: `place` is `file:line`, `value` what stands there."""

    key: str
    place: str
    why: str
    value: Plain


@dataclass(frozen=True, slots=True)
class Imported:
    """One trigger, as its spec and as it is written.

    Attributes:
        written: the keys of the trigger file, in the order in which they are written.
        place: `file:line` in Hasura's metadata.
        notes: what is carried over and still works differently.
    """

    trigger: Trigger
    written: dict[str, Plain]
    place: str
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Import:
    """The triggers of one source, in the order of the metadata."""

    origin: str
    source: str
    triggers: tuple[Imported, ...]
    others: tuple[str, ...]

    @property
    def environment(self) -> tuple[str, ...]:
        """The variables that the stream will need."""
        names = {name for each in self.triggers for name in each.trigger.environment_names()}
        return tuple(sorted(names))


def load(path: Path, source: str | None) -> Import:
    """Read Hasura's metadata at `path`.

    Raises:
        UsageError: there is no metadata, or no such source, or more than one to choose from.
        TriggerFileError: with every problem of every file.
    """
    metadata = hasura_metadata.read(path, source)
    problems = list(metadata.problems)
    seen: dict[str, Node] = {}
    found: list[Imported] = []
    for draft in metadata.drafts:
        label = _label(draft, seen, problems)
        imported = _imported(draft, label, problems)
        if imported is not None:
            found.append(imported)
    if problems:
        raise TriggerFileError(problems, hasura_metadata.WHERE)
    return Import(metadata.origin, metadata.source, tuple(found), metadata.others)


def _label(draft: Draft, seen: dict[str, Node], problems: list[str]) -> str:
    name = draft.node.get("name")
    if name is None or not isinstance(name.value, str):
        return "trigger without a name"
    label = f"trigger {str(name.value)!r}"
    if name.value in seen:
        problems.append(f"{name}: {label}: is defined already at {seen[name.value]}")
    seen.setdefault(name.value, draft.node)
    return label


def _imported(draft: Draft, label: str, problems: list[str]) -> Imported | None:
    """The trigger, or None and in `problems` all that stands in the way."""
    node = draft.node
    if not node.is_mapping:
        problems.append(f"{node}: {label}: is not a mapping; export the metadata again")
        return None
    try:
        plain = node.plain()
        table = draft.table.plain() if draft.table is not None else None
    except ValueError as error:
        problems.append(f"{node}: {label}: a value {error}")
        return None
    assert isinstance(plain, dict)
    spec, left_out = _split({**plain, "table": table}, node)
    left_out += _drop_unknown(spec, node)
    try:
        trigger = Trigger.model_validate(spec)
    except ValidationError:
        problems += [
            f"{_place(draft, problem.path)}: {label}: {problem.text}"
            for problem in spec_problems.problems(spec)
        ]
        return None
    return Imported(trigger, _in_order(spec), str(node), tuple(left_out), tuple(_notes(trigger)))


def _split(plain: dict[str, Plain], node: Node) -> tuple[dict[str, Plain], list[LeftOut]]:
    """The keys that a spec has, and those that it has not; keys without a value say nothing.

    So it is further down too, in what Hasura reads.
    """
    spec: dict[str, Plain] = {}
    left_out: list[LeftOut] = []
    flat: dict[str, Plain] = {}
    for key, value in plain.items():
        if value is None or key in _MEANINGLESS:
            continue
        if key in Definition.model_fields:
            flat[key] = _said(value)
        elif key in ACCEPTED:
            spec[key] = _said(value)
        else:
            left_out.append(LeftOut(key, str(node.at((key,))), "is not known here", value))
    spec.setdefault("definition", flat)
    return spec, left_out


def _said(value: Plain) -> Plain:
    if not isinstance(value, dict):
        return value
    return {key: _said(below) for key, below in value.items() if below is not None}


def _drop_unknown(spec: dict[str, Plain], node: Node) -> list[LeftOut]:
    """Take out of the spec what its models do not know, further down than its own keys."""
    found: list[LeftOut] = []
    try:
        Trigger.model_validate(spec)
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            if error["type"] == "extra_forbidden":
                path = error["loc"]
                if (taken := _take(spec, path)) is not None:
                    place = str(node.at(path))
                    key = spec_problems.show(path)
                    found.append(LeftOut(key, place, "is not known here", taken[0]))
    return found


def _take(spec: dict[str, Plain], path: SpecPath) -> tuple[Plain] | None:
    """Remove what stands at `path`; None if there is no such place."""
    above: Plain = spec
    for step in path[:-1]:
        if isinstance(above, dict) and isinstance(step, str):
            above = above.get(step)
        elif isinstance(above, list) and isinstance(step, int):
            above = above[step]
    last = path[-1]
    if isinstance(above, dict) and isinstance(last, str) and last in above:
        return (above.pop(last),)
    return None


def _in_order(spec: dict[str, Plain]) -> dict[str, Plain]:
    """As people read it: what, where, when; then the rest as it came."""
    first = {key: spec[key] for key in _FIRST if key in spec}
    return {**first, **{key: value for key, value in spec.items() if key not in first}}


def _notes(trigger: Trigger) -> Iterator[str]:
    for header in trigger.headers:
        if header.name.lower() in _SET_BY_US:
            yield f"header {header.name} is ignored: it is always application/json"


def _place(draft: Draft, path: SpecPath) -> Node:
    """Where the metadata has what the spec calls `path`."""
    if path and path[0] == "table" and draft.table is not None:
        return draft.table.at(path[1:])
    if path and path[0] == "definition" and draft.node.get("definition") is None:
        path = path[1:]
    return draft.node.at(path)


def differences(triggers: Sequence[Imported]) -> Iterator[tuple[str, str]]:
    """How triggers work differently here though they say the same: what, and what to do."""
    rows = [each for each in triggers if _listens(each.trigger.definition)]
    if rows:
        yield (
            "changes of one row are sent in order, one after the other",
            "`ordering: none` sends them in no order, as Hasura does",
        )
    if any(each.trigger.retry_conf.num_retries for each in triggers):
        yield (
            "retries come up to 10 % later than interval_sec says, so that not all come at once",
            "`retry_conf: {jitter: false}` makes them punctual",
        )
        yield (
            "Retry-After replaces the interval, but num_retries still ends the retries",
            "a larger num_retries waits for longer",
        )
    if any("request_transform" in each.written for each in triggers):
        yield (
            "a request template that fails at run time is recorded, and the delivery is dead",
            "mend the template and redeliver",
        )
    if any(each.trigger.cleanup_config for each in triggers):
        yield (
            "a clean-up leaves what another trigger holds; an error is as old as its last attempt",
            "give all triggers of a table a cleanup_config; `retention` takes the rest",
        )
    if triggers:
        yield ("created_at in the body is in UTC and ends in Z", "receivers read it as ISO 8601")


def _listens(definition: Definition) -> bool:
    return bool(definition.insert or definition.update or definition.delete)
