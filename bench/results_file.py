"""Results in a file: of each row the last one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench.row import Result

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def read(files: Iterable[Path]) -> list[Result]:
    """The rows of all files by number; of a row that is in several the last file's counts."""
    found: dict[int, Result] = {}
    for file in files:
        for row in json.loads(file.read_text("utf-8")):
            found[row["number"]] = Result.from_json(row)
    return [found[number] for number in sorted(found)]


def add(file: Path, result: Result) -> None:
    """Put a row into the file, in place of the same row."""
    kept = [row for row in (read([file]) if file.exists() else []) if row.number != result.number]
    rows = sorted((*kept, result), key=lambda row: row.number)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([row.as_json() for row in rows], indent=1) + "\n", "utf-8")
