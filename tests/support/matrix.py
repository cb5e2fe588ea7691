"""The table of faults: collected from the tests as they run, written for people."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Self

from support.witness import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from support.witness import Mode

GROUPS = (
    "The stream dies",
    "PostgreSQL fails",
    "The slot is lost",
    "Endpoints fail",
    "Two streams",
    "The keepalive trap",
    "Hostile and huge data",
    "The machine",
    "Restarts and upgrades",
    "Everything at once",
)

_HEAD = (
    "fault",
    "mode",
    "runs",
    "events",
    "lost",
    "duplicated",
    "order breaks",
    "longest stall",
    "WAL held, peak",
    "memory, peak",
)


@dataclass
class Matrix:
    """Rows by group, fault and mode; the verdicts of several runs make one row."""

    whole: bool
    rows: dict[tuple[str, str, str], list[Verdict]] = field(default_factory=dict)

    def add(self, group: str, fault: str, mode: Mode | str, verdict: Verdict) -> None:
        """Note one run; `group` is one of GROUPS. The caller has checked the verdict or will."""
        assert group in GROUPS, group
        self.rows.setdefault((group, fault, str(mode)), []).append(verdict)

    def scale(self, pick: int, whole: int) -> int:
        """How much of it: `pick` in a run of all tests, `whole` in `make faults`."""
        return whole if self.whole else pick

    def append_to(self, log: Path) -> None:
        """Add the rows to a log: a line of JSON a run, whoever else writes to it."""
        with log.open("a", encoding="utf-8") as lines:
            for (group, fault, mode), verdicts in self.rows.items():
                for verdict in verdicts:
                    lines.write(json.dumps([group, fault, mode, asdict(verdict)]) + "\n")

    @classmethod
    def read(cls, log: Path) -> Self:
        """What a log holds."""
        matrix = cls(whole=True)
        for line in log.read_text("utf-8").splitlines():
            group, fault, mode, verdict = json.loads(line)
            matrix.add(group, fault, mode, Verdict(**verdict))
        return matrix

    def markdown(self) -> str:
        """The tables, group by group."""
        return "\n".join(
            "\n".join([f"## {group}", "", *_table(rows), ""])
            for group in GROUPS
            if (rows := sorted((f, m, v) for (g, f, m), v in self.rows.items() if g == group))
        )


def _table(rows: Iterable[tuple[str, str, list[Verdict]]]) -> list[str]:
    lines = [_line(_HEAD), _line("-" * 3 for _ in _HEAD)]
    lines += [_line((fault, mode, *_cells(verdicts))) for fault, mode, verdicts in rows]
    return lines


def _cells(verdicts: list[Verdict]) -> list[str]:
    return [
        f"{len(verdicts)}",
        f"{sum(v.events for v in verdicts):,}",
        f"{sum(v.lost for v in verdicts):,}",
        f"{sum(v.duplicated for v in verdicts):,}",
        f"{sum(v.inversions for v in verdicts):,}",
        f"{max(v.stall_s for v in verdicts):.1f} s",
        _size(max(v.wal_peak for v in verdicts)),
        _size(max(v.memory_peak for v in verdicts)),
    ]


def _size(count: int) -> str:
    return f"{count / 1024 / 1024:,.0f} MiB" if count else "-"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
