"""An attempt is written as COPY reads it, whatever an endpoint or a trigger is called."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from cdc_triggers.core.lsn import Lsn, show
from cdc_triggers.core.records import AttemptRow, Batch, Progress
from cdc_triggers.postgres.copying import line
from cdc_triggers.postgres.rows import ATTEMPT_COLUMNS, attempt_lines

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
ROWS = st.builds(
    AttemptRow,
    event_id=st.uuids().map(str),
    trigger_id=st.integers(1, 2**31 - 1),
    trigger_name=TEXT,
    attempt=st.integers(1, 1_000),
    outcome=st.sampled_from(["delivered", "retry", "dead"]),
    started_at=st.floats(0, 4e9),
    duration_ms=st.floats(0, 1e9),
    status=st.none() | st.integers(100, 999),
    error=st.none() | TEXT,
    request=st.none() | TEXT,
    response=st.none() | TEXT,
    commit_lsn=st.integers(0, 2**64 - 1).map(Lsn),
)
PROGRESS = Progress(Lsn(0), Lsn(0), Lsn(0), None, None, 0)


@given(st.lists(ROWS, max_size=4), st.integers(0, 7))
def test_a_line_holds_the_columns_in_their_order(rows: list[AttemptRow], bucket: int) -> None:
    lines = list(attempt_lines(Batch(tuple(rows), (), (), PROGRESS), bucket))
    assert len(lines) == len(rows)
    for row, written in zip(rows, lines, strict=True):
        fields = written.removesuffix(b"\n").split(b"\t")
        assert len(fields) == len(ATTEMPT_COLUMNS)
        at = ATTEMPT_COLUMNS.index("started_at")
        started = datetime.fromisoformat(fields[at].decode()).timestamp()
        assert abs(started - row.started_at) <= 2e-6
        expected = [
            *(bucket, *row[:5], fields[at], f"{row.duration_ms:.3f}"),
            *(row.status, row.error, row.request, row.response, show(row.commit_lsn)),
        ]
        assert written == line(expected)
