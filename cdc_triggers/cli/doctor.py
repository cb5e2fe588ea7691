"""`cdc-triggers doctor`: is the database ready, and what must be mended first?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from cdc_triggers import settings
from cdc_triggers.cli import output
from cdc_triggers.cli.options import (
    DEFAULT_SLOT,
    Dsn,
    Json,
    Plugin,
    PluginOption,
    Slot,
)

Tables = Annotated[
    list[str] | None,
    typer.Option(
        "--table",
        metavar="NAME",
        show_default=False,
        help="A table that triggers shall listen to, as schema.name; may be repeated.",
    ),
]

_MARKS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "blocker": ("BLOCKER", "red")}


def doctor(
    dsn: Dsn = None,
    slot: Slot = DEFAULT_SLOT,
    plugin: PluginOption = Plugin.PGOUTPUT,
    table: Tables = None,
    as_json: Json = False,  # noqa: FBT002 - a CLI flag
) -> None:
    """Examine the database and print the fix for what is not right; exit 3 on a blocker."""
    from cdc_triggers.core import health  # noqa: PLC0415 - only this command needs it
    from cdc_triggers.postgres.doctor import Wanted, examine  # noqa: PLC0415 - as above

    wanted = Wanted(slot=slot, plugin=plugin.value, tables=tuple(table or ()))
    findings = examine(settings.dsn(dsn), wanted)
    if as_json:
        output.print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            text, colour = _MARKS[finding.level]
            typer.echo(f"{typer.style(text.ljust(8), fg=colour)} {finding.what}: {finding.detail}")
            if finding.fix:
                typer.echo(f"         -> {finding.fix}")
    if health.blocked(findings):
        raise typer.Exit(3)
