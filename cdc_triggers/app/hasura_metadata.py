"""Which event triggers does Hasura's metadata hold? Directories of its CLI, and one-file exports.

Read: a project or its metadata directory (`databases/databases.yaml`, or `tables.yaml` as older
projects have it), and the export of the API or the console, versions 2 and 3, with or without
`resource_version` around it. `!include` may stand for any value.
"""

from __future__ import annotations

import os.path
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.app import hasura_file, located, located_json
from cdc_triggers.errors import TriggerFileError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cdc_triggers.app.hasura_file import Draft
    from cdc_triggers.app.located import Node

WHERE = "Hasura's metadata"
DEFAULT_SOURCE = "default"
"""The only source of metadata that is older than several sources."""

_KINDS = frozenset({"postgres", "pg", "citus"})
_FOLDERS = (Path(), Path("metadata"))
_ENTRIES = (
    Path("databases/databases.yaml"),
    Path("databases.yaml"),
    Path("tables.yaml"),
    Path("metadata.yaml"),
    Path("metadata.json"),
)
_OTHERS = {"cron_triggers": "cron triggers", "actions": "actions"}


class Metadata(NamedTuple):
    """The event triggers of one source.

    Attributes:
        origin: the file that was read first.
        others: what was seen and is not imported, a line each.
        problems: what could not be read, `file:line: what` each.
    """

    origin: str
    source: str
    drafts: tuple[Draft, ...]
    others: tuple[str, ...]
    problems: tuple[str, ...]


class _Source(NamedTuple):
    name: str
    kind: str
    drafts: tuple[Draft, ...]


def read(path: Path, source: str | None) -> Metadata:
    """Find the metadata at `path`, and of several sources the one of that name.

    Without a name: the only one that has event triggers.

    Raises:
        UsageError: there is no metadata, no such source, or more than one to choose from.
        TriggerFileError: so much is wrong that there is nothing to choose from.
    """
    problems: list[str] = []
    entry = _entry(path)
    reader = _Reader(problems)
    root = reader.load(entry)
    sources: list[_Source] = []
    others: list[str] = []
    if root is not None:
        root = root.get("metadata") or root
        sources = list(reader.sources(root))
        others = list(_beside(entry, root))
    if problems and not sources:
        raise TriggerFileError(problems, WHERE)
    chosen = _choose(sources, source)
    others += [
        f"source {each.name} ({each.kind}) has {len(each.drafts)} more: import it with --source"
        for each in sources
        if each is not chosen and each.drafts
    ]
    return Metadata(str(entry), chosen.name, chosen.drafts, tuple(others), tuple(problems))


def _entry(path: Path) -> Path:
    """The file to begin with.

    Raises:
        UsageError: there is none.
    """
    if path.is_file():
        return path
    if not path.exists():
        raise UsageError(
            f"{path} does not exist", hint="name Hasura's metadata directory or its exported file"
        )
    for folder in _FOLDERS:
        for entry in _ENTRIES:
            if (found := path / folder / entry).is_file():
                return found
    raise UsageError(
        f"{path} holds no metadata of Hasura (databases/databases.yaml, tables.yaml)",
        hint="name the directory that `hasura metadata export` writes, or an exported JSON file",
    )


def _choose(sources: Sequence[_Source], name: str | None) -> _Source:
    """The source that is meant.

    Raises:
        UsageError: see `read`.
    """
    names = ", ".join(each.name for each in sources)
    if name is not None:
        found = next((each for each in sources if each.name == name), None)
        if found is None:
            raise UsageError(f"there is no source {name!r}", hint=f"there are: {names or 'none'}")
        if found.kind not in _KINDS:
            raise UsageError(
                f"source {name!r} is of kind {found.kind}",
                hint="event triggers of PostgreSQL are imported, of no other database",
            )
        return found
    usable = [each for each in sources if each.kind in _KINDS]
    with_triggers = [each for each in usable if each.drafts]
    if len(with_triggers) > 1:
        listed = ", ".join(f"{each.name} ({len(each.drafts)})" for each in with_triggers)
        raise UsageError(
            f"{len(with_triggers)} sources have event triggers: {listed}",
            hint="choose one with --source NAME: each database has a trigger file of its own",
        )
    if not usable:
        raise UsageError(
            f"no source is a PostgreSQL database (there are: {names or 'none'})",
            hint="event triggers of PostgreSQL are imported, of no other database",
        )
    return with_triggers[0] if with_triggers else usable[0]


def _beside(entry: Path, root: Node) -> Iterator[str]:
    """What of the metadata works in the background too, and stays with Hasura."""
    folder = entry.parent.parent if entry.parent.name == "databases" else entry.parent
    for key, what in _OTHERS.items():
        value = root.get(key)
        if value is None and (file := folder / f"{key}.yaml").is_file():
            read = located.read(file)
            value = None if isinstance(read, str) else read
        if value is not None and value.get(key) is not None:
            value = value.get(key)
        count = len(list(value.elements())) if value is not None else 0
        if count:
            yield f"{count} {what} are no event triggers: they stay with Hasura"


class _Reader:
    """Loads files and follows includes; notes what is wrong and goes on."""

    def __init__(self, problems: list[str]) -> None:
        self._problems = problems
        self._open: list[str] = []

    def load(self, path: Path) -> Node | None:
        """The content of the file that all begins with, or that an include names."""
        self._open.append(os.path.realpath(path))
        read = located_json.read if path.suffix == ".json" else located.read
        root = read(path)
        if isinstance(root, str):
            self._problems.append(root)
            return None
        return root

    def sources(self, root: Node) -> Iterator[_Source]:
        if (listed := root.get("sources")) is not None:
            root = listed
        elif (tables := root.get("tables")) is not None and root.get("name") is None:
            yield _Source(DEFAULT_SOURCE, "postgres", self._tables(tables))
            return
        with self._followed(root) as found:
            if found is None:
                return
            if _are_sources(found):
                for element in found.elements():
                    yield from self._source(element)
            elif _are_tables(found):
                yield _Source(DEFAULT_SOURCE, "postgres", self._tables(found))
            else:
                self._problems.append(
                    f"{found}: is no metadata of Hasura; name its directory or its exported file"
                )

    def _source(self, element: Node) -> Iterator[_Source]:
        with self._followed(element) as source:
            if source is None:
                return
            name, kind = source.get("name"), source.get("kind")
            if name is None or not isinstance(name.value, str):
                self._problems.append(f"{source}: a source without a name; export it again")
                return
            tables = source.get("tables")
            kind_text = str(kind.value) if kind is not None else "postgres"
            # what a table is called elsewhere is not ours to understand
            known = tables is not None and kind_text in _KINDS
            drafts = self._tables(tables) if known and tables is not None else ()
            yield _Source(str(name.value), kind_text, drafts)

    def _tables(self, node: Node) -> tuple[Draft, ...]:
        found: list[Draft] = []
        with self._followed(node) as tables:
            if tables is None:
                return ()
            if not tables.is_list and tables.get("table") is None:
                self._problems.append(f"{tables}: `tables` is not a list; export it again")
                return ()
            for element in tables.elements() if tables.is_list else (tables,):
                with self._followed(element) as table:
                    if table is not None:
                        found += self._triggers(table)
        return tuple(found)

    def _triggers(self, table: Node) -> Iterator[Draft]:
        if table.is_list:
            yield from self._tables(table)
            return
        named = table.get("table")
        if named is None:
            self._problems.append(f"{table}: an entry without `table`; export it again")
            return
        if (listed := table.get("event_triggers")) is None:
            return
        with self._followed(listed) as triggers:
            if triggers is None:
                return
            if not triggers.is_list:
                self._problems.append(f"{triggers}: `event_triggers` is not a list")
                return
            for element in triggers.elements():
                with self._followed(element) as trigger:
                    if trigger is not None:
                        yield hasura_file.Draft(trigger, named)

    @contextmanager
    def _followed(self, node: Node) -> Iterator[Node | None]:
        """The value, or the content of the file that stands for it; None if it is not to be had."""
        path = hasura_file.include_of(node)
        if path is None:
            yield node
            return
        file = Path(node.file).parent / path
        real = os.path.realpath(file)
        if real in self._open:
            self._problems.append(f"{node}: includes itself; remove the !include")
            yield None
        elif not file.exists():
            self._problems.append(f"{node}: {file} does not exist; export the metadata again")
            yield None
        else:
            yield self.load(file)
            self._open.pop()


def _are_tables(root: Node) -> bool:
    """True for a list that has a table, or for one table; what else is wrong in it is told."""
    elements = list(root.elements()) if root.is_list else [root]
    return (root.is_list and not elements) or any(
        hasura_file.include_of(each) is not None or each.get("table") is not None
        for each in elements
    )


def _are_sources(root: Node) -> bool:
    """True for a list of databases: each has a name, and tables or a configuration."""
    elements = list(root.elements())
    return bool(elements) and all(
        each.get("table") is None and each.get("name") is not None for each in elements
    )
