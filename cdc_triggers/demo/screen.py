"""What the demo shows: a line for everything that happens. Colours only on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdc_triggers.demo.endpoints import Arrival

_LABEL: Final = 42
_TRIGGER: Final = 18
_STATUS: Final = 8
_TIME: Final = 9
_WIDTH: Final = _LABEL + _TRIGGER + _STATUS + _TIME


class Screen:
    """Writes to stdout; every line at once, also into a pipe."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def title(self, text: str) -> None:
        """The first line."""
        self._line(Text(text, style="bold"))

    def heading(self, text: str, *, columns: bool = False) -> None:
        """A new part, with the heads of the columns if it is the first that has them."""
        line = Text(text.ljust(_LABEL + 2), style="bold")
        if columns:
            line.append("webhook".ljust(_TRIGGER), style="dim")
            line.append("answer".ljust(_STATUS), style="dim")
            line.append("after".rjust(_TIME), style="dim")
        self._line(Text(""))
        self._line(line)

    def step(self, text: str, seconds: float) -> None:
        """Something that was set up or taken down, and how long that took."""
        line = Text("  ").append(text.ljust(_WIDTH - _TIME))
        self._line(line.append(show_time(seconds).rjust(_TIME), style="dim"))

    def command(self, text: str, result: str, seconds: float) -> None:
        """A command that was run, as one would type it, and what came of it."""
        line = Text("  $ ", style="dim").append(text, style="not dim bold")
        self._line(line)
        self.step(f"  {result}", seconds)

    def arrival(self, label: str, arrival: Arrival, after_s: float | None) -> None:
        """One webhook. `after_s`: since the commit; None: not known."""
        line = Text("  ").append(label.ljust(_LABEL))
        line.append(arrival.trigger.ljust(_TRIGGER), style="cyan")
        line.append(str(arrival.status).ljust(_STATUS), style="green" if arrival.ok else "red")
        after = "-" if after_s is None else show_time(after_s)
        self._line(line.append(after.rjust(_TIME)))

    def remark(self, label: str, text: str, style: str = "yellow") -> None:
        """Something worth saying that is no webhook."""
        self._line(Text("  ").append(label.ljust(_LABEL)).append(text, style=style))

    def figures(self, pairs: Iterable[tuple[str, str]], explanation: str) -> None:
        """The summary."""
        for name, value in pairs:
            self._line(Text("  ").append(name.ljust(16), style="dim").append(value, style="bold"))
        self._line(Text(f"  {explanation}", style="dim"))

    def plain(self, text: str = "", style: str = "") -> None:
        """One line as it is."""
        self._line(Text(text, style=style))

    def _line(self, line: Text) -> None:
        line.rstrip()
        self._console.print(line, soft_wrap=True)


def show_time(seconds: float) -> str:
    """A time for people: `2.1 ms` below a second, else `1.05 s`."""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
