"""`cdc-triggers diff` and `apply`: from the trigger file to the database."""

from __future__ import annotations

from typing import Annotated

import typer

from cdc_triggers import settings
from cdc_triggers.cli.options import (
    DEFAULT_SLOT,
    Config,
    Dsn,
    Json,
    NoEnvCheck,
    Plugin,
    PluginOption,
    Slot,
    Yes,
)

DRIFT = 4
"""Exit code of `diff --exit-code` if the database is not as the file says."""

Verbose = Annotated[
    bool, typer.Option("--verbose", help="Print also the SQL of the first installation in full.")
]

ReplaceHasura = Annotated[
    bool,
    typer.Option(
        "--replace-hasura",
        help="In the same transaction turn off what Hasura captures for triggers of these names.",
    ),
]


def diff(
    *,
    config: Config = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with exit code 4 if there is a difference.")
    ] = False,
    no_env_check: NoEnvCheck = False,
    replace_hasura: ReplaceHasura = False,
    slot: Slot = DEFAULT_SLOT,
    plugin: PluginOption = Plugin.PGOUTPUT,
    dsn: Dsn = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Show what apply would do: triggers, SQL and the locks it takes. Changes nothing."""
    from cdc_triggers.cli import applying  # noqa: PLC0415 - pydantic and YAML: slow to load

    files, database = settings.config_paths(config), settings.dsn(dsn)
    asked = applying.Asked(files, database, slot, plugin.value, replace_hasura)
    plan = applying.diff(asked, check_environment=not no_env_check)
    if as_json:
        applying.print_document(plan)
    else:
        applying.print_plan(plan, verbose=verbose)
    if exit_code and not plan.empty:
        raise typer.Exit(DRIFT)


def apply(
    *,
    config: Config = None,
    yes: Yes = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")
    ] = False,
    no_env_check: NoEnvCheck = False,
    replace_hasura: ReplaceHasura = False,
    slot: Slot = DEFAULT_SLOT,
    plugin: PluginOption = Plugin.PGOUTPUT,
    dsn: Dsn = None,
    verbose: Verbose = False,
) -> None:
    """Bring the database to what the trigger file says, in one transaction, after asking."""
    from cdc_triggers.cli import applying  # noqa: PLC0415 - pydantic and YAML: slow to load

    files, database = settings.config_paths(config), settings.dsn(dsn)
    asked = applying.Asked(files, database, slot, plugin.value, replace_hasura)
    how = applying.How(yes=yes, dry_run=dry_run, verbose=verbose)
    applying.apply(asked, how, check_environment=not no_env_check)
