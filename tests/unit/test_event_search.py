"""Pages of a search: whatever the windows, nothing is left out and nothing told twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc_triggers.app.event_search import EventSearch
from cdc_triggers.core.event_search import FoundLine, Search, Seen, Source, Window
from cdc_triggers.errors import TooSlowError

if TYPE_CHECKING:
    from collections.abc import Sequence

AT = datetime(2026, 1, 1, tzinfo=UTC)


def event(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012x}"


@dataclass
class Fake:
    """`kept` has per source the numbers of its events; those in `fitting` fit, if it is given."""

    kept: dict[Source, set[int]]
    fitting: set[int] | None = None
    slow_from: int | None = None
    now: float = 0.0
    windows: list[Window] = field(default_factory=list)

    def settled_at(self) -> datetime | None:
        return None

    def find(self, wanted: Search, window: Window) -> Seen:
        del wanted
        self.now += 0.02
        self.windows.append(window)
        if self.slow_from is not None and window.rows >= self.slow_from:
            raise TooSlowError("too slow")
        ids = sorted((event(n) for n in self.kept.get(window.source, ())), reverse=True)
        seen = [i for i in ids if i < window.before][: window.rows]
        fit = [i for i in seen if self.fitting is None or int(i[-12:], 16) in self.fitting]
        return Seen(len(seen), seen[-1] if seen else None, tuple(fit[: window.limit]))

    def lines(self, ids: Sequence[str]) -> list[FoundLine]:
        return [FoundLine(i, AT, "INSERT", "s", "t", None, "x", "dead", 1, None) for i in ids]

    def clock(self) -> float:
        return self.now


def walk(fake: Fake, limit: int, wanted: Search = Search()) -> list[str]:  # noqa: B008 - frozen
    found: list[str] = []
    before = None
    for _ in range(10_000):
        page = EventSearch(fake, fake.clock, limit).run(wanted, before)
        assert len(page.lines) <= limit
        found += [line.id for line in page.lines]
        if page.before is None:
            return found
        assert before is None or page.before < before, "every page goes further"
        before = page.before
    raise AssertionError("it does not end")


NUMBERS = st.sets(st.integers(0, 2_000), max_size=400)


@given(log=NUMBERS, owed=NUMBERS, fitting=st.none() | NUMBERS, limit=st.integers(1, 60))
def test_all_pages_together_have_every_event_once_newest_first(
    log: set[int], owed: set[int], fitting: set[int] | None, limit: int
) -> None:
    fake = Fake({Source.LOG: log, Source.OWED: owed}, fitting)
    wanted = log | owed if fitting is None else (log | owed) & fitting
    assert walk(fake, limit) == [event(n) for n in sorted(wanted, reverse=True)]


def test_a_search_for_what_is_rare_stops_in_time_and_says_how_far_it_came() -> None:
    fake = Fake({Source.LOG: set(range(200_000))}, fitting=set())
    page = EventSearch(fake, fake.clock, budget_s=0.1).run(Search(text="nowhere"))
    assert page.cut
    assert page.lines == ()
    assert page.before is not None
    assert 0 < page.rows < 200_000
    assert fake.now < 0.3


def test_a_window_that_takes_too_long_is_tried_smaller() -> None:
    fake = Fake({Source.LOG: set(range(500))}, slow_from=8)
    assert walk(fake, 50) == [event(n) for n in range(499, -1, -1)]
    with pytest.raises(TooSlowError):
        EventSearch(Fake({Source.LOG: {1}}, slow_from=1), fake.clock).run(Search())


@pytest.mark.parametrize(
    ("wanted", "sources"),
    [
        (Search(), {Source.LOG, Source.OWED}),
        (Search(trigger="x"), {Source.LOG, Source.OWED, Source.DELIVERED}),
        (Search(status="dead"), {Source.OWED}),
        (Search(status="delivered"), {Source.DELIVERED}),
        (Search(status="pending"), {Source.LOG}),
    ],
)
def test_only_those_sources_are_read_that_may_have_it(wanted: Search, sources: set[Source]) -> None:
    fake = Fake({})
    EventSearch(fake, fake.clock).run(wanted)
    assert {window.source for window in fake.windows} == sources
