"""What `import hasura` does. Apart from its options, because it is slow to load."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from cdc_triggers.app import hasura_check, hasura_import, hasura_writer, trigger_file
from cdc_triggers.cli import output as out
from cdc_triggers.cli.apply import DRIFT
from cdc_triggers.errors import UsageError
from cdc_triggers.wiring import operating

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdc_triggers.app.hasura_import import Import
    from cdc_triggers.app.hasura_pending import PendingReport

STDOUT = Path("-")
_MARKS = {hasura_check.MISSING: "+", hasura_check.CHANGED: "~", hasura_check.EXTRA: "-"}


class Asked(NamedTuple):
    """What shall be written where."""

    directory: Path
    source: str | None
    output: Path
    force: bool
    as_json: bool


def write(asked: Asked) -> None:
    """Write the trigger file and say what differs.

    Raises:
        UsageError: there is no such metadata, or the file is there already.
        TriggerFileError: with all that is wrong with the metadata.
    """
    if asked.as_json and asked.output == STDOUT:
        raise UsageError("--json and --output - both write to stdout", hint="leave one of them out")
    imported = hasura_import.load(asked.directory, asked.source)
    text = hasura_writer.text(imported)
    if asked.output == STDOUT:
        typer.echo(text, nl=False)
    else:
        _write_file(asked.output, text, force=asked.force)
    if asked.as_json:
        out.print_json(_document(imported, asked.output))
    else:
        _tell(imported, asked.output)


def _write_file(path: Path, text: str, *, force: bool) -> None:
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(
            f"{path} exists already",
            hint="compare it with --check, overwrite it with --force, or write elsewhere with -o",
        ) from error
    except OSError as error:
        raise UsageError(
            f"{path} can not be written: {error.strerror}",
            hint="name a place that can be written with --output PATH",
        ) from error


def _document(imported: Import, output: Path) -> dict[str, object]:
    return {
        "output": os.fspath(output),
        "origin": imported.origin,
        "source": imported.source,
        "triggers": [
            {
                "trigger": each.trigger.name,
                "table": str(each.trigger.table),
                "place": each.place,
                "not_carried_over": [
                    {"key": left.key, "place": left.place, "reason": left.why}
                    for left in each.left_out
                ],
                "notes": each.notes,
            }
            for each in imported.triggers
        ],
        "differences": [
            {"what": what, "instead": instead}
            for what, instead in hasura_import.differences(imported.triggers)
        ],
        "environment": imported.environment,
        "not_imported": imported.others,
    }


def _tell(imported: Import, output: Path) -> None:
    count = len(imported.triggers)
    noun = "trigger" if count == 1 else "triggers"
    written = "" if output == STDOUT else f", written to {output}"
    out.say(f"{count} {noun} of source {imported.source}{written}")
    for each in imported.triggers:
        for left in each.left_out:
            out.say(f"{left.place}: {each.trigger.name}: `{left.key}` {left.why}; see its comment")
        for note in each.notes:
            out.say(f"{each.place}: {each.trigger.name}: {note}")
    for what, instead in hasura_import.differences(imported.triggers):
        out.say(f"differs: {what} ({instead})")
    for other in imported.others:
        out.say(f"not imported: {other}")
    if imported.environment:
        out.say(f"the stream needs: {', '.join(imported.environment)}")
    out.say(
        "next: `cdc-triggers diff --replace-hasura`; the order of the whole move is in "
        "`cdc-triggers import hasura --help`"
    )


def check(directory: Path, source: str | None, file: Path, *, as_json: bool) -> None:
    """Compare the trigger file with what would be imported; end with DRIFT if they differ.

    Raises:
        UsageError, TriggerFileError: one of the two can not be read.
    """
    imported = hasura_import.load(directory, source)
    loaded = trigger_file.load([file])
    found = hasura_check.compare(imported.triggers, loaded.triggers, loaded.sources)
    if as_json:
        out.print_json({"drift": bool(found), "changes": found})
    else:
        for each in found:
            keys = f" ({', '.join(each.keys)})" if each.keys else ""
            mark = _MARKS[each.change]
            typer.echo(f"{mark} {each.trigger}: {each.change}{keys}, {each.place}")
        if not found:
            out.say(f"{file} says what the metadata says")
    if found:
        raise typer.Exit(DRIFT)


def take_over(dsn: str, hasura: str, *, dry_run: bool, as_json: bool) -> None:
    """Import what Hasura owes, and report.

    Raises:
        UsageError: there is no event log of Hasura.
        BlockedError: Hasura captures for these triggers too.
        DatabaseError: it did not come to its end.
    """
    with operating.open_pending(dsn, hasura) as pending:
        report = pending.run(dry_run=dry_run)
    if as_json:
        out.print_json(report)
        return
    rows = [
        (each.trigger, each.events, each.locked, each.trigger not in report.not_applied)
        for each in report.owed
    ]
    if rows:
        out.print_table(("trigger", "undelivered", "locked", "applied here"), rows)
    would = sum(each.events for each in report.owed if each.trigger not in report.not_applied)
    what = f"{would} would be imported" if dry_run else f"{report.imported} imported"
    typer.echo(what)
    for note in _notes(report):
        out.say(note)


def _notes(report: PendingReport) -> Iterator[str]:
    locked = [each for each in report.owed if each.locked]
    if locked:
        yield (
            f"{sum(each.locked for each in locked)} were locked by Hasura: if it still runs it may "
            "be sending them, and they arrive twice"
        )
    for name in report.not_applied:
        yield f"{name}: is not applied here, its events stay in Hasura's log: apply, import again"
    if report.known:
        yield f"{report.known} had been imported before, and are not doubled"
    if report.unordered:
        yield f"{report.unordered} do not hold their ordering key: they are sent without order"
    if report.unreadable:
        yield f"{report.unreadable} can not be read (no UUID, or no operation): they stay there"
    for name in report.capturing:
        yield (
            f"{name}: Hasura still captures for it: turn that off with "
            "`cdc-triggers apply --replace-hasura`, and import again"
        )
    for name in report.paused:
        yield f"{name}: is paused, as before: `cdc-triggers triggers resume {name}` sends"
