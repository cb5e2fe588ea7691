"""Options that several commands share: one name, one meaning, one help text."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_SLOT = "cdc_triggers"
MOST_LINES = 1_000_000_000
"""Of --limit: more than anybody reads, and a number that PostgreSQL has."""


class Plugin(StrEnum):
    """Output plugins of logical decoding that the stream can read."""

    PGOUTPUT = "pgoutput"
    WAL2JSON = "wal2json"


class HttpClient(StrEnum):
    """HTTP clients that can carry deliveries."""

    HTTPTOOLS = "httptools"
    HTTPX = "httpx"


class LogFormat(StrEnum):
    """How the stream writes its log lines."""

    TEXT = "text"
    JSON = "json"


class TraceContext(StrEnum):
    """How the stream's spans stand to the writer's."""

    LINK = "link"
    PARENT = "parent"


Dsn = Annotated[
    str | None,
    typer.Option(
        "--dsn",
        metavar="DSN",
        show_default=False,
        help="PostgreSQL connection string. Else CDC_TRIGGERS_DSN, DATABASE_URL, "
        "then what libpq finds itself (PG*, service file, pgpass).",
    ),
]
Config = Annotated[
    list[Path] | None,
    typer.Option(
        "--config",
        "-c",
        metavar="PATH",
        show_default=False,
        help="Trigger file or folder; may be repeated. Else CDC_TRIGGERS_CONFIG, "
        "then ./triggers.yaml.",
    ),
]
Applied = Annotated[
    bool, typer.Option("--applied", help="The trigger as applied, not as in the file.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Slot = Annotated[str, typer.Option("--slot", metavar="NAME", help="Replication slot.")]
PluginOption = Annotated[
    Plugin, typer.Option("--plugin", help="Output plugin of the replication slot.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
NoEnvCheck = Annotated[
    bool,
    typer.Option(
        "--no-env-check",
        help="Do not check that the environment variables named in the file are set here.",
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="TIME",
        show_default=False,
        help="Only events created since: an age (90s, 30m, 1h, 2d) or an ISO time (UTC).",
    ),
]
