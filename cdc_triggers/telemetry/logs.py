"""Structured log lines on stderr: one fact a line, stable keys, as text or as JSON."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from cdc_triggers.ports import Clock


class LogTelemetry:
    """Implements `ports.Telemetry`: writes facts as lines and never raises for a closed stderr.

    Args:
        style: `text` or `json`.
    """

    def __init__(self, clock: Clock, style: str, out: TextIO | None = None) -> None:
        self._clock = clock
        self._json = style == "json"
        self._out = out if out is not None else sys.stderr

    def fact(self, level: str, name: str, /, **keys: object) -> None:
        """See `ports.Telemetry.fact`."""
        at = datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="milliseconds")
        at = at.replace("+00:00", "Z")
        if self._json:
            line = json.dumps({"at": at, "level": level, "event": name, **keys}, default=str)
        else:
            line = " ".join(
                [at, f"{level:<7}", name, *(f"{k}={_text(v)}" for k, v in keys.items())]
            )
        try:
            self._out.write(line + "\n")
            self._out.flush()
        except (OSError, ValueError):
            return  # nobody listens; deliveries matter more than their log


def _text(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or set(text) & set(' "\n=') else text
