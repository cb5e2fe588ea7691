"""Which triggers do these files define? All of what is wrong with them is told in one go."""

from __future__ import annotations

import os.path
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import ValidationError

from cdc_triggers.app import hasura_file, located, retention_key, spec_problems
from cdc_triggers.app.hasura_file import Draft
from cdc_triggers.core.cleanup import Retention
from cdc_triggers.core.spec import Definition, Trigger
from cdc_triggers.core.web import ENV_TEMPLATE, url_problem
from cdc_triggers.errors import TriggerFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from cdc_triggers.app.located import Node, Plain

VERSION = 1
SUFFIXES = frozenset({".yaml", ".yml"})

DEFAULTS = ("stringify_numeric_types",)
"""Keys of a trigger that may stand at the top: there they count for every trigger of the file."""

_TOP = ("version", "retention", *DEFAULTS, "triggers")
_OPERATIONS = tuple(name for name in Definition.model_fields if name != "enable_manual")


@dataclass(frozen=True, slots=True)
class LoadedTriggers:
    """Valid triggers in the order written, and where each stands.

    Attributes:
        sources: trigger name to `file:line`.
        retention: of all triggers; the default where no file says it.
    """

    triggers: tuple[Trigger, ...]
    sources: Mapping[str, str]
    retention: Retention = field(default_factory=Retention)


def load(paths: Sequence[Path]) -> LoadedTriggers:
    """Read trigger files and folders of them (`*.yaml`, `*.yml`, sorted), each file once.

    Raises:
        TriggerFileError: with every problem of every file.
    """
    problems: list[str] = []
    triggers: list[Trigger] = []
    sources: dict[str, Node] = {}
    retention = retention_key.Reader()
    for root in _documents(paths, problems):
        of_file: list[str] = []
        retention.read(root, of_file)
        for draft in _drafts(root, of_file):
            label = _label(draft, sources, of_file)
            trigger = _trigger(draft, label, of_file)
            if trigger is not None:
                triggers.append(trigger)
        problems += sorted(of_file, key=lambda text: _line(root, text))
    if problems:
        raise TriggerFileError(problems)
    places = {name: str(node) for name, node in sources.items()}
    return LoadedTriggers(tuple(triggers), MappingProxyType(places), retention.found)


def load_text(text: str, file: str) -> Trigger:
    """The one trigger that is the whole of a text, as it would stand in the list of a file.

    Raises:
        TriggerFileError: with everything that is wrong, each as `file:line: what`.
    """
    problems: list[str] = []
    node = located.parse(file, text)
    if isinstance(node, str):
        raise TriggerFileError([node])
    draft = Draft(node, None, {})
    found = _trigger(draft, _label(draft, {}, problems), problems)
    if found is None or problems:
        raise TriggerFileError(problems)
    return found


def _label(draft: Draft, sources: dict[str, Node], problems: list[str]) -> str:
    """What the trigger is called in messages; its name is noted, and must be new."""
    name = draft.node.get("name")
    if name is None or not isinstance(name.value, str):
        return "trigger without a name"
    label = f"trigger {str(name.value)!r}"
    if name.value in sources:
        first = sources[name.value]
        problems.append(
            f"{name}: {label}: is defined already at {first}; give one of them another name"
        )
    else:
        sources[name.value] = draft.node
    return label


def _line(root: Node, problem: str) -> int:
    return int(problem.removeprefix(f"{root.file}:").partition(":")[0])


def environment_problems(loaded: LoadedTriggers, environ: Mapping[str, str]) -> list[str]:
    """Say which variables are not set, and which webhooks are no URLs with those that are.

    Values are never repeated.
    """
    problems = []
    for trigger in loaded.triggers:
        where = f"{loaded.sources[trigger.name]}: trigger {trigger.name!r}"
        missing = sorted(trigger.environment_names() - environ.keys())
        problems += [
            f"{where}: environment variable {name} is not set; "
            "set it here and where the stream runs, or skip this check with --no-env-check"
            for name in missing
        ]
        if not missing and (problem := url_problem(_webhook(trigger, environ))):
            problems.append(f"{where}: `webhook` with its variables filled in: {problem}")
    return problems


def _webhook(trigger: Trigger, environ: Mapping[str, str]) -> str:
    if trigger.webhook_from_env:
        return environ[trigger.webhook_from_env]
    return ENV_TEMPLATE.sub(lambda match: environ[match[1]], trigger.webhook or "")


def _documents(paths: Sequence[Path], problems: list[str]) -> Iterator[Node]:
    """Parse every file once: folders and Hasura's includes may lead to the same one."""
    waiting = [file for path in paths for file in _files(path, problems)]
    seen: set[str] = set()
    while waiting:
        path = waiting.pop(0)
        if os.path.realpath(path) in seen:
            continue
        seen.add(os.path.realpath(path))
        root = located.read(path)
        if isinstance(root, str):
            problems.append(root)
            continue
        waiting[:0] = [path.parent / include for include in hasura_file.includes(root)]
        yield root


def _files(path: Path, problems: list[str]) -> list[Path]:
    try:
        if not path.is_dir():
            return [path]
        found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    except OSError as error:
        problems.append(f"{path}: cannot be read ({error.strerror}); give this user the right to")
        return []
    if not found:
        problems.append(f"{path}: holds no *.yaml or *.yml file; name a folder that does")
    return found


def _drafts(root: Node, problems: list[str]) -> Iterator[Draft]:
    if hasura_file.recognise(root):
        yield from hasura_file.drafts(root, problems)
        return
    if not root.is_mapping:
        what = "is empty" if root.value is None else "is not a mapping"
        problems.append(f"{root}: {what}; write `version: 1` and below it `triggers:` with a list")
        return
    problems += [
        f"{root.get(key)}: {spec_problems.unknown_key(key, _TOP)}"
        for key in root.keys()  # noqa: SIM118 - a Node is no mapping
        if key not in _TOP
    ]
    version = root.get("version")
    if version is None:
        problems.append(f"{root}: `version` is missing; write `version: {VERSION}` at the top")
    elif isinstance(version.value, bool) or version.value != VERSION:
        problems.append(f"{version}: unknown version; write `version: {VERSION}`")
    triggers = root.get("triggers")
    if triggers is None:
        problems.append(f"{root}: `triggers` is missing; write `triggers: []` if there are none")
    elif not triggers.is_list:
        problems.append(f"{triggers}: `triggers` is not a list; write `- name: ...` or `[]`")
    else:
        defaults = _defaults(root, problems)
        yield from (Draft(node, None, defaults) for node in triggers.elements())


def _defaults(root: Node, problems: list[str]) -> dict[str, Plain]:
    found: dict[str, Plain] = {}
    for key in DEFAULTS:
        node = root.get(key)
        if node is None:
            continue
        if isinstance(node.value, bool):
            found[key] = node.value
        else:
            problems.append(f"{node}: `{key}` is neither true nor false; write {key}: true")
    return found


def _trigger(draft: Draft, label: str, problems: list[str]) -> Trigger | None:
    """Build the spec, or add to `problems` all that stands in the way."""
    node, before = draft.node, len(problems)
    if not node.is_mapping:
        problems.append(
            f"{node}: {label}: is not a mapping; write `name: ...` and what belongs to it"
        )
        return None
    for place, text in _key_problems(node):
        problems.append(f"{place}: {label}: {text}")
    try:
        plain = node.plain()
        table = draft.table.plain() if draft.table else None
    except ValueError as error:
        problems.append(f"{node}: {label}: a value {error}")
        return None
    assert isinstance(plain, dict)
    if table is not None:
        plain["table"] = table
    spec = _nest({**draft.defaults, **plain})
    try:
        trigger = Trigger.model_validate(spec)
    except ValidationError:
        problems += [
            f"{_place(draft, problem.path).within(problem.line)}: {label}: {problem.text}"
            for problem in spec_problems.problems(spec)
        ]
        return None
    return trigger if len(problems) == before else None


def _key_problems(node: Node) -> Iterator[tuple[Node, str]]:
    """What the spec cannot see: keys that it never gets, and empty ones that it would take."""
    definition = node.get("definition")
    replace = node.get("replace")
    if replace is not None and not isinstance(replace.value, bool):
        yield replace, "`replace` must be true or false; remove it: a definition always replaces"
    for key in Definition.model_fields:
        if definition is not None and (found := node.get(key)):
            yield found, f"`{key}` stands beside `definition`; move it into `definition`"
    for key in _OPERATIONS:
        found = (node if definition is None else definition).get(key)
        if found is not None and found.value is None:
            yield found, f'`{key}` is empty; write {key}: {{columns: "*"}}, or remove the line'


def _nest(plain: dict[str, Plain]) -> dict[str, Plain]:
    """Bring the flat form, as in Hasura's API, into that with `definition`."""
    kept = {key: value for key, value in plain.items() if key != "replace"}
    flat = {key: kept.pop(key) for key in Definition.model_fields if key in kept}
    kept.setdefault("definition", flat)
    return kept


def _place(draft: Draft, path: spec_problems.Path) -> Node:
    """Where the person wrote what the spec calls `path`."""
    if path and path[0] == "table" and draft.table is not None:
        return draft.table.at(path[1:])
    if path and path[0] == "definition" and draft.node.get("definition") is None:
        path = path[1:]
    return draft.node.at(path)
