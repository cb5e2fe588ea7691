"""All rows, in the order of their numbers."""

from __future__ import annotations

from typing import Final

from bench.rows import (
    backlog,
    bulk,
    capture,
    dead,
    debezium,
    decode,
    delay,
    deliver,
    idle,
    latency,
    order,
    overhead,
)

ROWS: Final = tuple(
    module.ROW
    for module in (
        capture,
        decode,
        deliver,
        delay,
        order,
        bulk,
        latency,
        dead,
        backlog,
        idle,
        overhead,
        debezium,
    )
)
