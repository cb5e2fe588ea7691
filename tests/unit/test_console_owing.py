"""What is owed on the console's pages: how often it is counted, and what is said if it is not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cdc_triggers.console.pages import trouble
from cdc_triggers.console.pages.history import History
from cdc_triggers.console.pages.measured import OWED_OLD_S, Figures, Measured
from cdc_triggers.console.pages.owing import EVERY_S, SHARE, Owing
from cdc_triggers.console.pages.rendering import Renderer
from cdc_triggers.core.views import OwedStatus, SlotStatus, StreamStatus, TriggerView
from cdc_triggers.errors import TooSlowError

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
AT = NOW.timestamp()
SLOT = SlotStatus(*("s", "pgoutput", True, 1, "0/10", 0, 0, "reserved", None, None))
STREAM = StreamStatus(
    *(True, 0.1, 1, 0, NOW, "0/10", "0/10", "0/10", NOW, None, 0, 0, 0, False, None)
)
CLEAN = OwedStatus(*("orders", False, 0, 0, None, None))


class Ledger:
    """Stands for the database: a count takes as long as it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.takes_s = 0.0
        self.limit_s = 5.0
        self.dead = 0
        self.counts = 0

    def owed(self) -> list[OwedStatus]:
        self.counts += 1
        self.now += min(self.takes_s, self.limit_s)
        if self.takes_s > self.limit_s:
            raise TooSlowError("the database took too long to answer")
        return [CLEAN._replace(dead=self.dead)]


def counted_between(owing: Owing, ledger: Ledger, start: int, end: int) -> list[int]:
    """The seconds at which a look counts, if one looks every second."""
    found = []
    for at in range(start, end):
        before = ledger.counts
        owing.look(float(at))
        if ledger.counts > before:
            found.append(at)
    return found


@pytest.mark.parametrize(("takes_s", "pause_s"), [(0.0, 5), (0.25, 5), (1.0, 20), (60.0, 100)])
def test_a_count_that_takes_long_is_made_seldomer_and_never_takes_more_than_its_share(
    takes_s: float, pause_s: int
) -> None:
    ledger = Ledger()
    owing = Owing(ledger, lambda: ledger.now)
    ledger.takes_s = takes_s
    assert counted_between(owing, ledger, 1000, 1301) == list(range(1000, 1301, pause_s))
    assert pause_s >= max(EVERY_S, SHARE * min(takes_s, ledger.limit_s))


def test_after_a_slow_count_a_quick_one_brings_back_the_pace() -> None:
    ledger = Ledger()
    owing = Owing(ledger, lambda: ledger.now)
    ledger.takes_s = 2.0
    owing.look(0.0)
    ledger.takes_s = 0.0
    assert counted_between(owing, ledger, 1, 51) == [40, 45, 50]


def test_a_count_that_does_not_end_leaves_the_last_one_with_its_age() -> None:
    ledger = Ledger()
    owing = Owing(ledger, lambda: ledger.now)
    ledger.takes_s = 60.0
    owing.look(1000.0)
    assert (owing.by_name, owing.counted_at) == ({}, None)
    ledger.takes_s, ledger.dead = 0.0, 3
    owing.look(1100.0)
    assert (owing.by_name["orders"].dead, owing.counted_at) == (3, 1100.0)
    ledger.takes_s, ledger.dead = 60.0, 4
    owing.look(1105.0)
    assert (owing.by_name["orders"].dead, owing.counted_at) == (3, 1100.0)


def seen(counted_at: float | None, **owed: OwedStatus) -> Measured:
    return Measured(AT, "", SLOT, STREAM, 0.0, 0.0, owed, counted_at, {}, sampled=False)


def shown(template: str, latest: Measured, line: trouble.TriggerLine | None = None) -> str:
    view = TriggerView(*("orders", "public", "orders", 1, False, None, NOW, NOW, "{}"))
    found = trouble.by_trouble(latest)
    context = {
        "latest": latest,
        "headline": trouble.headline(latest, AT),
        "history": History(),
        "triggers": found,
        "more": 0,
        "line": line,
        "view": view,
        "rows": [(view, line)],
        "now": NOW,
        "token": "t",
    }
    return Renderer().render(template, context)


def test_what_could_not_be_counted_is_said_to_be_not_known_and_nothing_is_called_healthy() -> None:
    latest = seen(None)
    state = trouble.of_trigger(None, Figures(), paused=False)
    assert (state.kind, state.word) == ("idle", "not known")
    assert trouble.of_trigger(None, Figures(), paused=True).word == "paused"
    assert trouble.of_trigger(None, Figures(failed=1.0), paused=False).word == "failed lately"
    judgement = trouble.headline(latest, AT)
    assert judgement.kind == "warning"
    assert "what is parked and dead is not known" in judgement.detail
    line = trouble.TriggerLine("orders", state, None, Figures())
    for template in ("_overview_state.html", "_triggers_rows.html", "_trigger_state.html"):
        text = shown(template, latest, line)
        assert "not known" in text, template
        assert "healthy" not in text, template
    assert "What triggers owe is not known" in shown("_overview_triggers.html", latest)
    for template in ("_triggers_rows.html", "_trigger_state.html"):
        assert "it could not be counted yet" in shown(template, latest, line), template
    assert (latest.parked, latest.dead) == (None, None)


def test_an_old_count_is_shown_with_its_age_and_a_new_one_without() -> None:
    line = trouble.TriggerLine("orders", trouble.State("good", "healthy"), CLEAN, Figures())
    old, new = seen(AT - 100.0, orders=CLEAN), seen(AT - OWED_OLD_S, orders=CLEAN)
    assert trouble.headline(old, AT).detail.endswith("as counted 1m\N{NO-BREAK SPACE}40s ago")
    assert "counted" not in trouble.headline(new, AT).detail
    for template in ("_overview_state.html", "_triggers_rows.html", "_trigger_state.html"):
        assert "counted 1m" in shown(template, old, line), template
        assert "counted" not in shown(template, new, line), template
