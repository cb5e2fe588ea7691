"""Reads now and then what metrics say of slot and tables, with a connection of its own.

Not with the stream's: that one may wait for a lock, and a standby's sees only its lease.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg2

from cdc_triggers.core.figures import DatabaseFigures, SlotFigures, TriggerFigures
from cdc_triggers.errors import CdcTriggersError
from cdc_triggers.postgres.connect import connect
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from psycopg2.extensions import connection

    from cdc_triggers.ports import Clock

FIRST_S = 1.0
"""The stream starts first."""

PERIOD_S = 10.0
SHARE = 20
"""It takes at most a twentieth of the time, on tables with a million parked rows too."""

SETTINGS = {"statement_timeout": "10s", "lock_timeout": "1s", "jit": "off"}


class FigureReader:
    """A thread that looks every few seconds; `figures` is what it last saw."""

    def __init__(self, dsn: str, slot: str, clock: Clock) -> None:
        self._dsn = dsn
        self._slot = slot
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="figures", daemon=True)
        self.figures: DatabaseFigures | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Stop soon; a look that runs is not waited for. Idempotent."""
        self._stop.set()

    def _run(self) -> None:
        held: connection | None = None
        pause_s = FIRST_S
        while not self._stop.wait(pause_s):
            began = self._clock.monotonic()
            try:
                if held is None:
                    name = "cdc-triggers metrics"
                    held = connect(self._dsn, application_name=name, options=SETTINGS)
                self.figures = self._read(held, began)
            except (CdcTriggersError, psycopg2.Error):  # the stream's own connection tells of it
                if held is not None:
                    with suppress(psycopg2.Error):
                        held.close()
                held = None
            pause_s = max(PERIOD_S, SHARE * (self._clock.monotonic() - began))
        if held is not None:
            held.close()

    def _read(self, held: connection, now: float) -> DatabaseFigures:
        with held.cursor() as cursor:
            cursor.execute(query("figures_slot"), {"slot": self._slot})
            row = cursor.fetchone()
            slot = None if row is None else SlotFigures(*row)
            cursor.execute(query("figures_triggers"))
            return DatabaseFigures(
                now, slot, tuple(TriggerFigures(*each) for each in cursor.fetchall())
            )
