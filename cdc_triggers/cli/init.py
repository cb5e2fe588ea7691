"""`cdc-triggers init`: a commented trigger file to start from."""

from __future__ import annotations

from typing import Annotated

import typer

from cdc_triggers import settings
from cdc_triggers.app import template_file
from cdc_triggers.cli import output
from cdc_triggers.cli.options import Config  # noqa: TC001 - typer reads it
from cdc_triggers.errors import UsageError


def init(
    *,
    config: Config = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")] = False,
) -> None:
    """Write a commented trigger file, ./triggers.yaml if nothing else is said."""
    for named in settings.config_paths(config):
        path = named / template_file.NAME if named.is_dir() else named
        try:
            with path.open("w" if force else "x", encoding="utf-8") as file:
                file.write(template_file.text())
        except FileExistsError as error:
            raise UsageError(
                f"{path} exists already", hint="edit it, or overwrite it with --force"
            ) from error
        except OSError as error:
            raise UsageError(
                f"{path} can not be written: {error.strerror}",
                hint="name a place that can be written with -c PATH",
            ) from error
        output.say(f"wrote {path}: edit it, then run `cdc-triggers diff`")
