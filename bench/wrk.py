"""Debian's wrk: what the receiver takes of the same request, over as many connections."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.errors import BenchError
from bench.programs import find, run

if TYPE_CHECKING:
    from bench.receiving import Sample

_SCRIPT: Final = Path(__file__).with_name("post.lua")
_RATE: Final = re.compile(r"^Requests/sec:\s+([\d.]+)", re.MULTILINE)
_REFUSED: Final = re.compile(r"Non-2xx or 3xx responses: (\d+)")


def rate(url: str, sample: Sample, connections: int, seconds: float) -> float:
    """Requests per second that were answered with 2xx.

    Raises:
        MissingError: it is not installed.
        BenchError: it failed, or was answered with something else.
    """
    program = find("wrk")
    with tempfile.TemporaryDirectory(prefix="cdc-triggers-bench-wrk-") as folder:
        body = Path(folder) / "body"
        body.write_bytes(sample.body)
        headers = [f"{name}: {value}" for name, value in sample.headers if name not in _OWN]
        options = [text for header in headers for text in ("-H", header)]
        size = ("-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s")
        said = run(
            [program, *size, "-s", str(_SCRIPT), *options, url + sample.path, "--", str(body)],
            seconds + 60,
        )
    found = _RATE.search(said)
    if found is None or (bad := _REFUSED.search(said)):
        raise BenchError("wrk was not answered with 2xx", hint=said[-500:] or str(bad))
    return float(found[1])


_OWN: Final = frozenset({"content-length", "host", "connection"})
