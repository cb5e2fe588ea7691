"""The reference of commands has each of them, with its options and what it prints."""

from __future__ import annotations

import ast
import dataclasses
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.documentation import REFERENCE, ROOT, first_cells, sections
from typer.main import get_command

from cdc_triggers.app.cleanup import Cleaned
from cdc_triggers.app.condition_trial import Totals, Trial
from cdc_triggers.app.hasura_pending import PendingReport
from cdc_triggers.cli.main import app
from cdc_triggers.core.cleanup import CleanupLine
from cdc_triggers.core.finding import Finding
from cdc_triggers.core.views import EventDetail, EventLine, Redelivery, TriggerView

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, child in below.items():
        yield from commands(child, f"{path} {name}")


def spelled(command: Any) -> set[str]:
    """Options as they are written, arguments by their metavar."""
    found: set[str] = set()
    for param in command.params:
        if param.param_type_name == "option":
            found.update(param.opts)
        else:
            found.add(param.metavar)
    return found - {"--help", "-h"}


COMMANDS = dict(commands(get_command(app), "cdc-triggers"))


COMMAND_SECTIONS = sections(REFERENCE / "cli.md", "###")


def test_the_cli_reference_has_every_command_and_no_other() -> None:
    assert set(COMMAND_SECTIONS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_cli_reference_has_every_option_of_a_command_and_no_other(name: str) -> None:
    written = {cell.split()[0] for cell in first_cells(COMMAND_SECTIONS[name])}
    states = {"pending", "parked", "dead", "delivered", "archived"}
    assert written - states == spelled(COMMANDS[name])


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_shows_each_argument_once(name: str) -> None:
    command = COMMANDS[name]
    usage = command.get_usage(command.context_class(command, info_name=name))
    for param in command.params:
        if param.param_type_name == "argument":
            assert re.search(rf"(?: |\{{|\[){param.metavar}(?:\}}|\])?(?:\.\.\.)?(?: |$)", usage)


def test_nothing_that_is_said_names_a_page_that_is_not_in_the_wheel() -> None:
    for path in (ROOT / "cdc_triggers").rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}
        own = {
            ast.get_docstring(node, clean=False)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        }
        said = [each for each in texts - own if isinstance(each, str)]
        assert not [each for each in said if re.search(r"\bdocs/\w+", each)], path


KEYS_OF_JSON: dict[str, Iterable[str]] = {
    "doctor": [each.name for each in dataclasses.fields(Finding)],
    "import hasura": PendingReport._fields,
    "cleanup history": CleanupLine._fields,
    "cleanup run": (*Cleaned._fields, "dry_run"),
    "condition test": (*Trial._fields, *Totals._fields),
    "events list": EventLine._fields,
    "events redeliver": (*Redelivery._fields, "dry_run"),
    "events show": EventDetail._fields,
    "triggers list": TriggerView._fields,
}


@pytest.mark.parametrize("name", KEYS_OF_JSON)
def test_the_cli_reference_has_every_key_of_what_a_command_prints(name: str) -> None:
    row = re.search(
        r"^\| `--json` \|.*", COMMAND_SECTIONS[f"cdc-triggers {name}"], flags=re.MULTILINE
    )
    assert row
    assert set(KEYS_OF_JSON[name]) <= set(re.findall(r"`(\w+)`", row[0]))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_cli_reference_has_the_default_of_every_number(name: str) -> None:
    for param in COMMANDS[name].params:
        if isinstance(param.default, (int, float)) and not isinstance(param.default, bool):
            row = re.search(rf"^\| `{param.opts[0]}.*", COMMAND_SECTIONS[name], re.MULTILINE)
            assert row
            assert re.search(rf"\b{param.default:g}\b", row[0]), param.opts
