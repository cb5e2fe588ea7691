"""`--keep`: the stage stays, an order is written every second, and people may look around."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cdc_triggers.demo.stage import DemoError

if TYPE_CHECKING:
    from typing import NoReturn

    from cdc_triggers.demo.screen import Screen
    from cdc_triggers.demo.stage import Stage

_EVERY_S: Final = 1.0
_CUSTOMER: Final = 1
_COMMANDS: Final = (
    "status",
    "triggers list",
    "events list --limit 5",
    "triggers pause order_changed",
    "triggers resume order_changed",
    """triggers invoke order_changed --payload '{"id": 1}'""",
)


def explain(stage: Stage, screen: Screen) -> None:
    """Say what runs where, and what to try in another terminal."""
    program = Path(sys.executable).with_name("cdc-triggers")
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    psql = stage.server.bin_dir / "psql"
    screen.heading("It keeps running until Ctrl-C, and writes an order every second. Look around:")
    screen.plain(f"  console       {stage.console}", "bold")
    screen.plain(f"  receiver      {stage.endpoints.url}")
    screen.plain(f"  trigger file  {stage.trigger_file}")
    screen.plain(f"  stream's log  {stage.stream_log}")
    screen.plain()
    screen.plain(f"  export CDC_TRIGGERS_DSN={stage.dsn}", "bold")
    for command in _COMMANDS:
        screen.plain(f"  {program} {command}", "bold")
    screen.plain(f"  {psql} $CDC_TRIGGERS_DSN", "bold")
    screen.plain("    postgres=# UPDATE orders SET status = 'sent' WHERE id < 9;")
    screen.plain()


def keep(stage: Stage, screen: Screen) -> NoReturn:
    """Write and show what arrives, also of what other sessions write, until interrupted.

    Raises:
        DemoError: the stream has ended.
    """
    committed: dict[int, float] = {}
    shown = len(stage.endpoints.arrivals)
    while True:
        order = stage.shop.write("add_order", customer=_CUSTOMER, total="5.00")
        committed[order.ids[0]] = order.at
        until = order.at + _EVERY_S
        while (left_s := until - stage.clock.monotonic()) > 0:
            stage.endpoints.wait_for_more(shown, left_s)
            for arrival in stage.endpoints.arrivals[shown:]:
                shown += 1
                label = f"{arrival.op} {arrival.row_id or ''}"
                # Only of the demo's own writes the moment of the commit is known.
                at = committed.pop(arrival.row_id or 0, None) if arrival.op == "INSERT" else None
                screen.arrival(label, arrival, None if at is None else arrival.at - at)
        if not stage.streaming:
            raise DemoError("the stream has ended", hint=stage.stream_tail())
