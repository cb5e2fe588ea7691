from __future__ import annotations

import pytest

from cdc_triggers.core.event import iso_utc


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24 05:40:00+00", "2026-11-24T05:40:00.000000Z"),
        ("2026-11-24 05:40:00.12+00", "2026-11-24T05:40:00.120000Z"),
        ("2026-11-24 05:40:00.123456+00", "2026-11-24T05:40:00.123456Z"),
    ],
)
def test_created_at_has_microseconds_and_z(text: str, expected: str) -> None:
    assert iso_utc(text) == expected
