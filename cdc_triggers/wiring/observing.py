"""What sees a stream: numbers, spans, log lines, and where they go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2
from psycopg2.extensions import parse_dsn

from cdc_triggers import settings
from cdc_triggers.app.watch import Watch
from cdc_triggers.postgres.figures import FigureReader
from cdc_triggers.telemetry import prometheus
from cdc_triggers.telemetry.otel import OpenTelemetry, StreamNames
from cdc_triggers.telemetry.snapshot import Snapshots

if TYPE_CHECKING:
    from cdc_triggers.ports import Clock
    from cdc_triggers.telemetry.logs import LogTelemetry
    from cdc_triggers.wiring.streaming import StreamOptions


class Observed:
    """Everything that is on, for one stream.

    Args:
        served: metrics may be asked for.

    Raises:
        UsageError: a variable of OpenTelemetry cannot be used.
    """

    def __init__(
        self, options: StreamOptions, clock: Clock, telemetry: LogTelemetry, *, served: bool
    ) -> None:
        self.clock = clock
        self.telemetry = telemetry
        names = StreamNames(options.slot, _database(options.dsn), options.parenting)
        self._otel = OpenTelemetry(settings.environment(), names, telemetry)
        telemetry.add(*(push.fact for push in self._otel.logs))
        self.watch = Watch(clock, telemetry, self._otel.tracer, self._otel.exemplars)
        self._reader = FigureReader(options.dsn, options.slot, clock)
        self._served = served
        self._snapshots = Snapshots(
            self.watch, lambda: self._reader.figures, self._otel.exports, clock
        )

    def start(self) -> None:
        """Begin to look at the database and to export metrics, if anybody wants them."""
        self._otel.start_metrics(self._snapshots.take)
        if self._served or self._otel.measures:
            self._reader.start()

    def exposed(self, accept: str) -> tuple[str, bytes]:
        """Metrics as text, in the format that an Accept header asks for; on the loop."""
        wanted = prometheus.accepts_open_metrics(accept)
        text = prometheus.render(self._snapshots.take(), self._otel.resource, open_metrics=wanted)
        return prometheus.OPEN_METRICS if wanted else prometheus.TEXT, text.encode()

    async def close(self) -> None:
        """Export what is left, for no longer than a moment; idempotent."""
        self._reader.close()
        await self._otel.close()


def _database(dsn: str) -> str:
    """The database's name, if the connection string has it."""
    try:
        return str(parse_dsn(dsn).get("dbname", ""))
    except psycopg2.Error:
        return ""  # whoever connects says what is wrong with it
