"""Structured log lines on stderr: one fact a line, stable keys, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cdc_triggers.telemetry.lines import LineWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdc_triggers.ports import Clock

STDERR = 2

Sink = Callable[[str, str, "Mapping[str, object]"], None]
"""Takes level, name and keys of a fact."""


class LogTelemetry:
    """Implements `ports.Telemetry`: writes facts as lines; never waits for, or fails with, stderr.

    Args:
        style: `text` or `json`.
        fd: where the lines go.
    """

    def __init__(self, clock: Clock, style: str, fd: int = STDERR) -> None:
        self._clock = clock
        self._json = style == "json"
        self._lines = LineWriter(fd)
        self._also: tuple[Sink, ...] = ()

    def add(self, *sinks: Sink) -> None:
        """Give all facts from now on to these too; they must not wait."""
        self._also += sinks

    def fact(self, level: str, name: str, /, **keys: object) -> None:
        """See `ports.Telemetry.fact`."""
        if dropped := self._lines.take_dropped():
            self.fact("warning", "log.dropped", lines=dropped)
        self._lines.put(self._line(level, name, keys))
        for sink in self._also:
            sink(level, name, keys)

    def close(self) -> None:
        """Write what is still queued, if somebody reads it; idempotent."""
        self._lines.close()

    def _line(self, level: str, name: str, keys: Mapping[str, object]) -> str:
        at = datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="milliseconds")
        at = at.replace("+00:00", "Z")
        if self._json:
            return json.dumps({"at": at, "level": level, "event": name, **keys}, default=str)
        return " ".join([at, f"{level:<7}", name, *(f"{k}={_text(v)}" for k, v in keys.items())])


def _text(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or set(text) & set(' "\n=') else text
