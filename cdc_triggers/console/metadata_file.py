"""Hasura's metadata as JSON: our triggers written as such, and the triggers of such read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cdc_triggers.console import trigger_value
from cdc_triggers.console.answers import ApiError, bad_request, problems_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.postgres.amending import State

VERSION = 3

_KINDS = frozenset({"postgres", "pg", "citus"})
_IGNORED = "ignored, only event triggers are read"
_SAYS_NOTHING = frozenset({"version", "sources", "resource_version"})


class Ignored(NamedTuple):
    """Something in the metadata that is not carried over: a warning of Hasura's."""

    code: str
    message: str
    type: str
    name: str


class Found(NamedTuple):
    """What was read."""

    triggers: tuple[Trigger, ...]
    warnings: list[Ignored]


def write(state: State, source: str) -> dict[str, object]:
    """All triggers by their tables, in the form that Hasura reads again."""
    tables: dict[str, dict[str, Any]] = {}
    for trigger in state.triggers.values():
        key = str(trigger.table)
        table = {"name": trigger.table.name, "schema": trigger.table.schema_name}
        entry = tables.setdefault(key, {"table": table, "event_triggers": []})
        entry["event_triggers"].append(trigger_value.write(trigger))
    return {
        "version": VERSION,
        "sources": [
            {
                "name": source,
                "kind": "postgres",
                "tables": [tables[key] for key in sorted(tables)],
                "configuration": {
                    "connection_info": {
                        "database_url": {"from_env": "HASURA_GRAPHQL_DATABASE_URL"},
                        "isolation_level": "read-committed",
                        "use_prepared_statements": False,
                    }
                },
            }
        ],
    }


def read(metadata: object, path: str, source: str, environment: Mapping[str, str]) -> Found:
    """The triggers of one source, and what else there is.

    Args:
        metadata: versions 2 and 3 of it.
        path: where it stands in the request.
        source: its name; if there is none of that name, the only one with tables of PostgreSQL.
        environment: the stream's.

    Raises:
        ApiError: with everything that is wrong.
    """
    if not isinstance(metadata, dict):
        raise bad_request("parse-failed", "metadata is an object", path)
    warnings = [
        Ignored("not-imported", f"{key}: {_IGNORED}", key, key)
        for key, value in metadata.items()
        if key not in _SAYS_NOTHING and key != "tables" and value
    ]
    place, chosen, name = _source(metadata, path, source, warnings)
    triggers: dict[str, Trigger] = {}
    problems: list[tuple[str, str]] = []
    code = ""
    for where, value in _drafts(chosen, place, name, warnings):
        try:
            trigger = trigger_value.read(value, where, environment)
        except ApiError as error:
            code = code or error.code
            problems += _told(error)
            continue
        if trigger.name in triggers:
            problems.append((where, f"there are two event triggers {trigger.name!r}"))
        triggers[trigger.name] = trigger
    if problems:
        raise problems_error(code or "parse-failed", problems)
    return Found(tuple(triggers.values()), warnings)


def _source(
    metadata: dict[str, Any], path: str, source: str, warnings: list[Ignored]
) -> tuple[str, dict[str, Any], str]:
    """Path, value and name of the source that is meant.

    Raises:
        ApiError: there is none, or more than one to choose from.
    """
    if "sources" not in metadata:
        if "tables" not in metadata:
            raise bad_request("parse-failed", "the key 'sources' was not present", path)
        return path, metadata, source
    sources = metadata["sources"]
    if not isinstance(sources, list) or not all(isinstance(each, dict) for each in sources):
        raise bad_request("parse-failed", "sources is a list of objects", f"{path}.sources")
    listed = [(f"{path}.sources[{i}]", each) for i, each in enumerate(sources)]
    usable = [each for each in listed if each[1].get("kind", "postgres") in _KINDS]
    named = [each for each in usable if each[1].get("name") == source]
    if not named and len(usable) != 1:
        names = ", ".join(str(each.get("name")) for each in sources) or "none"
        text = f"there is no source {source!r} among {names}: set CDC_TRIGGERS_SOURCE to one"
        raise bad_request("not-exists", text, f"{path}.sources")
    where, chosen = (named or usable)[0]
    for _, each in listed:
        if each is not chosen:
            name = f"source {each.get('name')}"
            text = f"{name}: ignored, one source is read"
            warnings.append(Ignored("not-imported", text, "source", name))
    return where, chosen, str(chosen.get("name", source))


def _drafts(
    source: dict[str, Any], path: str, name: str, warnings: list[Ignored]
) -> Iterator[tuple[str, object]]:
    """Each event trigger with its table, and where it stands."""
    tables = source.get("tables", [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise bad_request("parse-failed", "tables is a list of objects", f"{path}.tables")
    warnings += [
        Ignored("not-imported", f"{key}: {_IGNORED}", key, f"{key} in source {name}")
        for key in ("functions", "native_queries", "logical_models", "stored_procedures")
        if source.get(key)
    ]
    for number, table in enumerate(tables):
        where = f"{path}.tables[{number}]"
        yield from _of_table(table, where, warnings)


def _of_table(
    table: dict[str, Any], path: str, warnings: list[Ignored]
) -> Iterator[tuple[str, object]]:
    named = table.get("table")
    listed = table.get("event_triggers", [])
    if not isinstance(listed, list):
        raise bad_request("parse-failed", "event_triggers is a list", f"{path}.event_triggers")
    others = sorted(set(table) - {"table", "event_triggers"})
    if others:
        name = f"table {named}"
        text = f"{', '.join(others)}: {_IGNORED}"
        warnings.append(Ignored("not-imported", text, "table", name))
    for number, value in enumerate(listed):
        draft = {**value, "table": named} if isinstance(value, dict) else value
        yield f"{path}.event_triggers[{number}]", draft


def _told(error: ApiError) -> list[tuple[str, str]]:
    if isinstance(error.internal, list):
        return [(each["path"], each["error"]) for each in error.internal]
    return [(error.path, error.message)]
