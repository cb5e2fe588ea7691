"""`python -m bench`: measure, and print a table or JSON."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

import psutil
import psycopg2
from rich.console import Console
from rich.table import Table

from bench import measures
from bench.rig import Rig
from cdc_triggers.errors import CdcTriggersError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_FAILED = 1
_DRAIN_EVENTS = 30_000
_LATENCY_S = 15.0

_TARGETS: Mapping[tuple[str, str], str] = {
    ("latency", "p50_ms"): "<= 3",
    ("latency", "p99_ms"): "<= 20",
    ("drain", "per_s"): ">= 5000",
    ("drain", "peak_rss_mb"): "< 200",
    ("memory", "peak_rss_mb"): "< 200",
    ("capture", "ratio"): "<= 4",
}

Figures = dict[str, dict[str, float]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 if it could be measured, whatever came out."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.add_argument(
        "--events",
        type=_positive,
        default=_DRAIN_EVENTS,
        metavar="N",
        help="the backlog to drain (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        with Rig.started() as rig:
            machine = {
                "postgres": rig.server_version,
                "python": sys.version.split()[0],
                "cpus": psutil.cpu_count(),
                "load_before": psutil.getloadavg()[0],
            }
            figures = _measure(rig, options.events)
    except KeyboardInterrupt:
        return 130
    except (CdcTriggersError, psycopg2.Error) as error:
        sys.stderr.write(f"error: {str(error).strip()}\n")
        return _FAILED
    machine |= {"load_after": psutil.getloadavg()[0], "took_s": time.monotonic() - began}
    if options.json:
        sys.stdout.write(json.dumps({"machine": machine, **figures}, indent=2) + "\n")
    else:
        _print(machine, figures)
    return 0


def _measure(rig: Rig, events: int) -> Figures:
    """All measurements; rows are numbered through, so that no key comes twice."""
    rig.execute(measures.TABLES)
    rig.apply()
    figures: Figures = {}
    first = 1
    _tell("latency")
    latency = measures.latency(rig, _LATENCY_S, first)
    figures["latency"] = latency._asdict()
    first += latency.events
    _tell("drain")
    figures["drain"] = measures.drain(rig, events, first)._asdict()
    first += events
    _tell("memory")
    memory = measures.memory(rig, first)
    figures["memory"] = memory._asdict()
    first += memory.rows
    _tell("capture")
    figures["capture"] = measures.capture(rig, first)._asdict()
    return figures


def _print(machine: Mapping[str, object], figures: Figures) -> None:
    console = Console()
    console.print(
        ", ".join(f"{name} {_text(value)}" for name, value in machine.items()), soft_wrap=True
    )
    table = Table("measurement", "figure", box=None)
    table.add_column("value", justify="right")
    table.add_column("target", justify="right")
    for name, figure, value in _rows(figures):
        table.add_row(name, figure, _text(value), _TARGETS.get((name, figure), ""))
    console.print(table)


def _rows(figures: Figures) -> Iterator[tuple[str, str, float]]:
    for name, values in figures.items():
        for figure, value in values.items():
            yield name, figure, value


def _text(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if value >= 1000 else f"{value:.2f}"  # noqa: PLR2004


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _tell(what: str) -> None:
    sys.stderr.write(f"measuring {what} ...\n")


if __name__ == "__main__":
    sys.exit(main())
