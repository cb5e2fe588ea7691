"""The end of an exporter of the SDK, or of what else is installed: it may do anything."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

SHUTDOWN_S = 1.0
"""How long the end waits for one that flushes what it has."""


def shut_down(exporter: Any) -> None:
    """End it, or leave it: neither an error of it nor its silence keeps the stream from ending."""
    ending = threading.Thread(target=_quietly, args=(exporter,), name="shutdown", daemon=True)
    ending.start()
    ending.join(SHUTDOWN_S)


def _quietly(exporter: Any) -> None:
    with contextlib.suppress(Exception):
        exporter.shutdown()
