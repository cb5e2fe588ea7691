"""`python -m support.jumping FILE stream …`: cdc-triggers on a machine whose wall clock steps.

FILE holds the seconds by which that clock is wrong now. The monotonic clock is right, as it is on a
machine whose clock is set. The product knows nothing of this: `wiring` is given another Clock.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cdc_triggers.cli import main as cli
from cdc_triggers.telemetry.clock import SystemClock
from cdc_triggers.wiring import streaming


def clock(file: Path) -> type[SystemClock]:
    """A clock that is wrong by what the file says."""

    class Jumping(SystemClock):
        def now(self) -> float:
            return super().now() + float(file.read_text())

    return Jumping


def main() -> None:
    """Give `wiring` the clock, and run the command."""
    setattr(streaming, "SystemClock", clock(Path(sys.argv[1])))  # noqa: B010 - a class is replaced
    del sys.argv[1]
    cli.main()


if __name__ == "__main__":
    main()
