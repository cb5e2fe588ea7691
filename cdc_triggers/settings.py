"""What do the command line and the environment say? The only reader of `os.environ`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cdc_triggers.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DSN_VARIABLES = ("CDC_TRIGGERS_DSN", "DATABASE_URL")
CONFIG_VARIABLE = "CDC_TRIGGERS_CONFIG"
DEFAULT_CONFIG = Path("triggers.yaml")

SECRET_VARIABLE = "CDC_TRIGGERS_ADMIN_SECRET"  # noqa: S105 - its name
TRACE_CONTEXT_VARIABLE = "CDC_TRIGGERS_TRACE_CONTEXT"
TRACE_CONTEXTS = ("link", "parent")

SOURCE_VARIABLE = "CDC_TRIGGERS_SOURCE"
DEFAULT_SOURCE = "default"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the database and the trigger files are.

    Attributes:
        dsn: URL or key=value text; empty leaves all to libpq (`PG*`, service files, pgpass).
        config_paths: files and folders, at least one.
    """

    dsn: str
    config_paths: tuple[Path, ...]


def resolve(
    environ: Mapping[str, str], dsn: str | None = None, config: Sequence[Path] | None = None
) -> Settings:
    """Choose: an option wins over a variable, a variable over the default. Empty is not set.

    `CDC_TRIGGERS_CONFIG` may name several files, separated as in `PATH`.
    """
    candidates = (dsn, *(environ.get(name) for name in DSN_VARIABLES), "")
    listed = (part for part in environ.get(CONFIG_VARIABLE, "").split(os.pathsep) if part)
    paths = tuple(config or ()) or tuple(map(Path, listed)) or (DEFAULT_CONFIG,)
    return Settings(next(filter(None, candidates), ""), paths)


def dsn(option: str | None = None) -> str:
    """`--dsn`, or what stands in its place."""
    return resolve(environment(), dsn=option).dsn


def config_paths(options: Sequence[Path] | None = None) -> tuple[Path, ...]:
    """`-c/--config`, or what stands in its place."""
    return resolve(environment(), config=options).config_paths


def admin_secret() -> str | None:
    """What callers of the HTTP API must know; None: there is none."""
    return environment().get(SECRET_VARIABLE, "").strip() or None


def source() -> str:
    """What callers of Hasura's API call this database."""
    return environment().get(SOURCE_VARIABLE) or DEFAULT_SOURCE


def trace_context(option: str | None) -> str:
    """`--trace-context`, or what stands in its place: `link` or `parent`.

    Raises:
        UsageError: the variable says something else.
    """
    value = option or environment().get(TRACE_CONTEXT_VARIABLE, "").strip() or TRACE_CONTEXTS[0]
    if value not in TRACE_CONTEXTS:
        raise UsageError(
            f"{TRACE_CONTEXT_VARIABLE} is {value!r}", hint="set it to link or to parent"
        )
    return value


def environment() -> Mapping[str, str]:
    """The process's variables, as they are now."""
    return dict(os.environ)
