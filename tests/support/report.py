"""The page that `make faults` writes: what is run, on what, and the tables.

`python -m support.report LOG PAGE` makes it of the log that the tests wrote.
"""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import psutil

from support.matrix import Matrix
from support.servers import versions

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


if __name__ == "__main__":
    log, target = map(Path, sys.argv[1:])
    target.write_text(page(Matrix.read(log)), encoding="utf-8")
