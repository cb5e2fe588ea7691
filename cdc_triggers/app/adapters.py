"""What the application is given to work with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cdc_triggers.app.housekeeper import Housekeeper
    from cdc_triggers.app.requests import RequestFactory
    from cdc_triggers.app.watch import Watch
    from cdc_triggers.app.worker import Worker
    from cdc_triggers.ports import ChangeSource, Clock, LogRecovery, Sender, Store, Telemetry


class Adapters(NamedTuple):
    """One implementation of every port, and what stands on them."""

    source: ChangeSource
    store: Store
    recovery: LogRecovery
    worker: Worker
    sender: Sender
    requests: RequestFactory
    clock: Clock
    telemetry: Telemetry
    watch: Watch
    housekeeper: Housekeeper | None = None
