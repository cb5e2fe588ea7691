"""When a clean-up is due, and what it may take: laws and cases without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cdc_triggers.core.cleanup import (
    Cleaner,
    CleanupConfig,
    Retention,
    Terms,
    due,
    keeps,
    target,
)

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def cleaner(since: datetime, schedule: str = "0 3 * * *", **keys: object) -> Cleaner:
    config = CleanupConfig.model_validate({"schedule": schedule, "clear_older_than": 24})
    return Cleaner(1, "a", 7, config, paused=False, since=since)._replace(**keys)  # type: ignore[arg-type]


def test_the_defaults_are_hasuras() -> None:
    config = CleanupConfig.model_validate({"schedule": "0 0 * * *", "clear_older_than": 168})
    assert config.model_dump(exclude={"schedule", "clear_older_than"}) == {
        "batch_size": 10_000,
        "timeout": 60,
        "clean_invocation_logs": False,
        "paused": False,
    }


@pytest.mark.parametrize(
    "schedule", ["", "* * * *", "0 0 0 3 * *", "60 * * * *", "0 3 30 2 *", "@daily", "a b c d e"]
)
def test_a_schedule_that_makes_no_sense_is_refused_and_said_what_to_write(schedule: str) -> None:
    with pytest.raises(ValidationError, match="write"):
        CleanupConfig.model_validate({"schedule": schedule, "clear_older_than": 1})


def test_a_time_of_the_schedule_is_due_once_it_has_come_and_until_it_was_seen_to() -> None:
    three = NOON.replace(hour=3)
    before, after = three - timedelta(seconds=1), three + timedelta(microseconds=1)
    assert due(cleaner(before), before) is None
    assert due(cleaner(before), three) == three
    assert due(cleaner(before), after) == three
    assert due(cleaner(three), NOON) is None
    assert due(cleaner(three), NOON + DAY) == three + DAY


def test_of_several_times_that_were_missed_only_the_last_is_due() -> None:
    assert due(cleaner(NOON - 9 * DAY), NOON) == NOON.replace(hour=3)
    assert due(cleaner(NOON - 9 * DAY, "*/5 * * * *"), NOON) == NOON


def test_one_that_is_paused_or_has_no_config_is_never_due() -> None:
    assert due(cleaner(NOON - DAY, paused=True), NOON) is None
    assert due(cleaner(NOON - DAY, config=None), NOON) is None


@given(st.integers(0, 10**9), st.integers(0, 10**7))
def test_what_is_due_lies_between_the_last_look_and_now_and_is_due_no_more_when_seen_to(
    moment: int, seconds: int
) -> None:
    now = NOON + timedelta(seconds=moment)
    it = cleaner(now - timedelta(seconds=seconds), "7 */3 * * *")
    at = due(it, now)
    if at is None:
        assert seconds < 3 * 3600
    else:
        assert it.since < at <= now
        assert due(it._replace(since=at), now) is None


def test_an_event_is_held_by_whichever_trigger_of_its_table_keeps_it_longest() -> None:
    it = cleaner(NOON)
    terms = Terms(DAY)
    alone = target(it, terms, [], NOON)
    assert (alone.before, alone.log_before) == (NOON - DAY, NOON - DAY)
    assert target(it, terms, [3 * DAY, DAY / 2], NOON).log_before == NOON - 3 * DAY
    assert target(it, terms, [3 * DAY, None], NOON).log_before is None
    assert target(it, terms, [3 * DAY], NOON).before == NOON - DAY


def test_a_trigger_without_a_cleanup_or_with_a_paused_one_keeps_its_events() -> None:
    assert keeps(cleaner(NOON)) == DAY
    assert keeps(cleaner(NOON, paused=True)) is None
    assert keeps(cleaner(NOON, config=None)) is None


def test_retention_is_whole_days_and_by_default_what_the_first_schema_had() -> None:
    assert Retention().period == DAY
    assert Retention().dead == 30 * DAY
    assert Retention(dead_days="forever").dead is None
    assert Retention(log_days=1).period == timedelta(hours=4)
