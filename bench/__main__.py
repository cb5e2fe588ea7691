"""`python -m bench`: measure rows of the table, print them, and keep them as JSON."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg2
from rich.console import Console

from bench import machine, report, results_file, rig
from bench.errors import MissingError
from bench.row import SCALES, Result
from bench.rows.catalog import ROWS
from bench.turns import say
from cdc_triggers.errors import CdcTriggersError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.rig import Rig
    from bench.row import Row, Scale

_FAILED = 1
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 if it could be measured, whatever came out."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rows", type=_rows, default=ROWS, metavar="N,N", help="only these rows")
    parser.add_argument("--scale", choices=SCALES, default="full", help="how large")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep what was measured there")
    asked = parser.parse_args(arguments)
    try:
        described = machine.describe()
        results = measure(asked.rows, SCALES[asked.scale], asked.json, described)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except CdcTriggersError as error:
        say(f"error: {error}")
        return _FAILED
    report.show(Console(), described, results)
    return _FAILED if any(result.skipped.startswith(_BROKE) for result in results) else 0


_BROKE = "it broke: "


def measure(
    rows: Sequence[Row], scale: Scale, target: Path | None, described: dict[str, Any]
) -> list[Result]:
    """Each row in turn; what it gave goes to the file at once, in place of what it gave before."""
    results: list[Result] = []
    with rig.started() as made:
        for row in rows:
            results.append(result_of(row, made, scale))
            results[-1].machine = described
            if target is not None:
                results_file.add(target, results[-1])
    return results


def result_of(row: Row, made: Rig, scale: Scale) -> Result:
    """What a row gives; a peer that is missing, and a fault, end it with what it has so far."""
    say(f"row {row.number}: {row.title}")
    result = Result(row.number, row.title, row.about, scale.name)
    began, before = time.monotonic(), psutil.getloadavg()[0]
    try:
        for figure in row.measure(made, scale):
            result.figures.append(figure)
            say(f"  = {report.line(figure)}")
    except MissingError as error:
        result.skipped = str(error)
    except (CdcTriggersError, psycopg2.Error, OSError, AssertionError, KeyError) as error:
        # the rest may be a log's end, with what is nobody's business in it
        result.skipped = f"{_BROKE}{str(error).strip().partition(chr(10))[0]}"
        say(f"{_BROKE}{error}")
    result.took_s = time.monotonic() - began
    result.load = (before, psutil.getloadavg()[0])
    return result


def _rows(text: str) -> tuple[Row, ...]:
    known = {str(row.number): row for row in ROWS}
    wanted = [part.strip() for part in text.split(",")]
    if unknown := [part for part in wanted if part not in known]:
        raise argparse.ArgumentTypeError(f"no row {', '.join(unknown)}: there are 1 to {len(ROWS)}")
    return tuple(known[part] for part in wanted)


if __name__ == "__main__":
    sys.exit(main())
