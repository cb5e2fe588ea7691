"""What `status` tells people, and that its page knows every key of the JSON."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cdc_triggers.cli import status
from cdc_triggers.core.views import (
    RetentionStatus,
    SlotStatus,
    Status,
    StreamStatus,
    TriggerStatus,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "status.md"
SLOT = SlotStatus(
    *("s", "pgoutput", True, 7, "0/1", 100, 200, "reserved", None, None),
)
STREAM = StreamStatus(
    *(True, 0.5, 3, 2, None, "0/3", "0/2", "0/1", None, 75.0, 9),
    recoveries=0,
    recovered=0,
    recovering=False,
    recovery_reason=None,
)
WHOLE = Status(SLOT, STREAM, (), 0, parked=4, dead=5, oldest_unsettled_age_s=75.0)


def keys(heading: str | None) -> list[str]:
    """The keys in the table below a heading of the page; None: in the one before the first."""
    first, *parts = re.split(r"^## (.+)$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    section = first if heading is None else dict(zip(parts[::2], parts[1::2], strict=True))[heading]
    return re.findall(r"^\| `([^`]+)` \|", section, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("heading", "fields"),
    [
        (None, Status._fields),
        ("retention", RetentionStatus._fields),
        ("slot", SlotStatus._fields),
        ("stream", StreamStatus._fields),
        ("triggers", TriggerStatus._fields),
    ],
)
def test_the_page_has_every_key_in_its_order_and_no_other(
    heading: str | None, fields: Sequence[str]
) -> None:
    assert keys(heading) == list(fields)


def shown(found: Status, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    status._print_status(found, "s")
    lines = (line.partition(":") for line in capsys.readouterr().out.splitlines())
    return {name: value.strip() for name, colon, value in lines if colon}


def test_totals_are_shown_and_recoveries_only_if_there_were_any(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = shown(WHOLE, capsys)
    assert (lines["parked"], lines["dead"], lines["oldest unsettled"]) == ("4", "5", "1m 15s")
    assert not [name for name in lines if "recover" in name]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (
            STREAM._replace(recovering=True, recovery_reason="dropped"),
            {
                "recovering": "the slot was lost, its events are being parked from the log",
                "last recovery": "dropped",
            },
        ),
        (
            STREAM._replace(recoveries=2, recovered=31, recovery_reason="lost"),
            {"recoveries": "2, 31 deliveries found", "last recovery": "lost"},
        ),
    ],
)
def test_a_recovery_is_told_with_its_reason(
    stream: StreamStatus, expected: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(WHOLE._replace(stream=stream), capsys)
    assert {name: text for name, text in lines.items() if "recover" in name} == expected


@pytest.mark.parametrize(
    ("safe", "rate", "seconds", "expected"),
    [
        (None, None, None, "no limit: max_slot_wal_keep_size is not set"),
        (1 << 30, 1024.0 * 1024, 1024.0, "1.0 GiB, enough for 17m 4s at 1.0 MiB/s"),
        (1 << 30, 0.0, None, "1.0 GiB, and nothing is written just now"),
        (0, 512.0, 0.0, "0 B, enough for 0s at 512 B/s"),
    ],
)
def test_what_is_left_of_the_wal_is_told_as_bytes_and_as_time(
    safe: int | None,
    rate: float | None,
    seconds: float | None,
    expected: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    slot = SLOT._replace(safe_wal_size=safe, wal_bytes_per_s=rate, seconds_to_loss=seconds)
    assert shown(WHOLE._replace(slot=slot), capsys)["WAL left"] == expected
