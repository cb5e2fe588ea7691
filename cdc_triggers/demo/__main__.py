"""`python -m cdc_triggers.demo`: play it all, sum up, and leave nothing behind."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING

import psycopg2

from cdc_triggers.demo.keep import explain, keep
from cdc_triggers.demo.scenes import LOAD, Play
from cdc_triggers.demo.screen import Screen
from cdc_triggers.demo.stage import Stage, free_address
from cdc_triggers.errors import CdcTriggersError
from cdc_triggers.wiring import operating

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from cdc_triggers.demo.scenes import Tally

FAILED = 1
INTERRUPTED = 130

_LATENCY = (
    "of the steady load ({load} orders, {rate:.0f} a second), from just before COMMIT is sent\n"
    "  until the receiver has the whole request, on one clock: the commit itself is in it"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if all that was expected happened."""
    parser = argparse.ArgumentParser(prog="python -m cdc_triggers.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep running until Ctrl-C")
    options = parser.parse_args(arguments)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    # SIGINT too: a shell starts what runs in the background with SIGINT ignored
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    kept = False
    try:
        with Stage() as stage:
            screen = Screen()
            _play(stage, screen)
            if options.keep:
                kept = True
                explain(stage, screen)
                keep(stage, screen)
            _stop(stage, screen)
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; nothing is left running\n")
        return 0 if kept else INTERRUPTED
    except (CdcTriggersError, psycopg2.Error) as error:
        sys.stderr.write(f"error: {str(error).strip()}\n")
        return error.exit_code if isinstance(error, CdcTriggersError) else FAILED
    return 0


def _play(stage: Stage, screen: Screen) -> None:
    screen.title("cdc-triggers: a row changes, a webhook is called")
    screen.heading("Setting up")
    now = stage.clock.monotonic
    began = now()
    stage.start_server()
    stage.start_endpoints()
    version = stage.shop.server_version
    screen.step(
        f"PostgreSQL {version} on port {stage.server.port}, with a shop's tables", now() - began
    )
    began = now()
    stage.write_trigger_file()
    name = stage.trigger_file.name
    stage.run("apply", "--yes", "-c", name)
    with operating.open_admin(stage.dsn) as admin:
        applied = len(admin.triggers())
    screen.command(
        f"cdc-triggers apply --yes -c {name}", f"{applied} triggers are applied", now() - began
    )
    began, address = now(), free_address()
    stage.start_stream(address)
    screen.command(f"cdc-triggers stream --http {address}", "/readyz answers 200", now() - began)
    _sum_up(Play(stage, screen).run(), screen)


def _sum_up(tally: Tally, screen: Screen) -> None:
    screen.heading("Summary: all that was expected happened")
    screen.figures(
        (
            ("captured", f"{tally.captured} row changes"),
            ("delivered", f"{tally.delivered}, each of its events once"),
            ("retried", f"{tally.retried} events"),
            ("dead", f"{tally.dead}, kept"),
            ("redelivered", f"{tally.redelivered}, under the same event id"),
            ("latency", f"p50 {tally.p50_s * 1000:.1f} ms   p99 {tally.p99_s * 1000:.1f} ms"),
        ),
        _LATENCY.format(load=LOAD, rate=tally.rate),
    )


def _stop(stage: Stage, screen: Screen) -> None:
    began = stage.clock.monotonic()
    stage.stop_stream()
    screen.plain()
    screen.step("SIGTERM: the stream has drained and ended", stage.clock.monotonic() - began)


def _leave(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
