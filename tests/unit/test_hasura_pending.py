"""The take-over as a sequence: pause, take until nothing is left, resume; or it is cut off."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from cdc_triggers.app.hasura_pending import PendingImport
from cdc_triggers.core.views import HasuraOwed, TakenOver
from cdc_triggers.errors import BlockedError, ConnectionLostError, DatabaseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

END = TakenOver(0, 0, 0, 0, None)


@dataclass
class Log:
    """A log of Hasura's that plays what it is told, and notes what it is asked."""

    parts: list[TakenOver] = field(default_factory=list)
    triggers: dict[str, bool] = field(default_factory=lambda: {"a": False, "b": True})
    hasura: frozenset[str] = frozenset()
    same_database: bool = True
    there: bool = True
    calls: list[object] = field(default_factory=list)

    def installed(self) -> bool:
        return self.there

    def owed(self) -> Sequence[HasuraOwed]:
        return [HasuraOwed("a", 3, 1), HasuraOwed("b", 1, 0), HasuraOwed("gone", 2, 0)]

    def capturing(self) -> frozenset[str]:
        return self.hasura

    def paused(self) -> Mapping[str, bool]:
        return self.triggers

    def pause(self, names: Sequence[str]) -> tuple[str, ...]:
        self.calls.append(("pause", *names))
        return tuple(name for name in names if not self.triggers[name])

    def take(self, names: Sequence[str], after: tuple[str, ...] | None) -> TakenOver:
        assert "gone" not in names
        self.calls.append(("take", after))
        if not self.parts:
            raise ConnectionLostError("the server has gone")
        return self.parts.pop(0)

    def resume(self, names: Sequence[str]) -> None:
        self.calls.append(("resume", *names))


def test_parts_are_taken_until_there_are_none_and_what_was_paused_before_stays_so() -> None:
    log = Log([TakenOver(2, 0, 1, 0, ("x",)), TakenOver(1, 1, 0, 1, ("y",)), END])
    report = PendingImport(log).run(dry_run=False)
    assert log.calls == [
        ("pause", "a", "b"),
        *(("take", None), ("take", ("x",)), ("take", ("y",))),
        ("resume", "a"),
    ]
    assert (report.imported, report.known, report.unordered, report.unreadable) == (3, 1, 1, 1)
    assert (report.not_applied, report.paused) == (("gone",), ("b",))


def test_a_dry_run_touches_nothing_and_needs_no_installation() -> None:
    log = Log(there=False, triggers={})
    report = PendingImport(log).run(dry_run=True)
    assert (log.calls, report.imported) == ([], 0)
    assert report.not_applied == ("a", "b", "gone")


def test_without_an_installation_nothing_is_taken() -> None:
    log = Log(there=False)
    with pytest.raises(DatabaseError, match="not installed"):
        PendingImport(log).run(dry_run=False)
    assert log.calls == []


def test_what_is_captured_twice_is_refused_in_one_database_and_noted_for_two() -> None:
    with pytest.raises(BlockedError, match="for a: they are in both logs"):
        PendingImport(Log(hasura=frozenset({"a", "gone"}))).run(dry_run=False)
    log = Log([END], hasura=frozenset({"a", "gone"}), same_database=False)
    assert PendingImport(log).run(dry_run=False).capturing == ("a",)


def test_one_that_is_cut_off_says_how_far_it_is_and_leaves_its_triggers_paused() -> None:
    log = Log([TakenOver(2, 0, 0, 0, ("x",))])
    with pytest.raises(DatabaseError, match=r"has gone; 2 are imported, and a, b may") as error:
        PendingImport(log).run(dry_run=False)
    assert "import again" in error.value.hint
    assert "resume" not in [call[0] for call in log.calls if isinstance(call, tuple)]
