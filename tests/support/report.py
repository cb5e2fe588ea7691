"""The page that `make faults` writes: what is run, on what, and the tables."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from support.servers import versions

if TYPE_CHECKING:
    from support.matrix import Matrix

_HEADER = Path(__file__).with_name("faults_header.md")


def page(matrix: Matrix) -> str:
    """The whole page; names no host."""
    header = _HEADER.read_text("utf-8").format(
        date=datetime.now(UTC).date(),
        cpus=len(os.sched_getaffinity(0)),
        memory=round(psutil.virtual_memory().total / 1024**3),
        kernel=platform.release().partition("-")[0],
        python=platform.python_version(),
        postgresql=", ".join(versions()),
    )
    return header + matrix.markdown()
