"""One value is one text, whoever writes it: else one key would be two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.capturing import capture, events, run
from support.specs import trigger

if TYPE_CHECKING:
    from support.databases import Database

pytestmark = pytest.mark.servers("18", "16")

SETTINGS = ("TimeZone", "IntervalStyle", "bytea_output", "extra_float_digits", "DateStyle")
WRITERS = (
    ("UTC", "postgres", "hex", "1", "ISO, YMD"),
    ("Asia/Kolkata", "iso_8601", "escape", "-5", "SQL, DMY"),
)
TABLES = """
CREATE TABLE plain (at timestamptz PRIMARY KEY, took interval, raw bytea, share float8,
    during tstzrange);
CREATE TABLE divided (LIKE plain INCLUDING ALL) PARTITION BY RANGE (at);
CREATE TABLE part PARTITION OF divided DEFAULT"""
ROW = {
    "at": "2026-01-02T03:04:05.6+00:00",
    "took": "1 day 02:00:00",
    "raw": "\\x00ff",
    "share": 0.1 + 0.2,
    "during": '["2026-01-02 03:04:05+00","2026-01-03 03:04:05+00")',
}


@pytest.mark.parametrize("table", ["plain", "divided"])
def test_the_writers_settings_do_not_shape_a_value(database: Database, table: str) -> None:
    it = capture(database, trigger(table=table), tables=TABLES)
    for values in WRITERS:
        for name, value in zip(SETTINGS, values, strict=True):
            run(it, "SELECT set_config(%s, %s, false)", name, value)
        run(
            it,
            f"INSERT INTO {table} VALUES (timestamptz '2026-01-02 03:04:05.6+00', "
            "interval '1 day 2 hours', decode('00ff', 'hex'), 0.1::float8 + 0.2, "
            "tstzrange('2026-01-02 03:04:05+00', '2026-01-03 03:04:05+00'))",
        )
        run(it, f"UPDATE {table} SET share = 1 / 3.0::float8")
        run(it, f"DELETE FROM {table}")
    found = events(it)
    assert [e.op for e in found] == ["INSERT", "UPDATE", "DELETE"] * 2
    assert [e.raw for e in found[:3]] == [e.raw for e in found[3:]]
    assert [e.change for e in found[:3]] == [e.change for e in found[3:]]
    assert found[0].new == ROW


def test_the_writers_session_keeps_its_settings(database: Database) -> None:
    it = capture(database, trigger(table="plain"), tables=TABLES)
    run(it, "SET TimeZone = 'Asia/Kolkata'")
    ((shown,),) = run(it, "INSERT INTO plain VALUES ('2026-01-02 00:00+00') RETURNING at::text")
    assert shown == "2026-01-02 05:30:00+05:30"
    assert run(it, "SHOW TimeZone") == [("Asia/Kolkata",)]
