"""A trigger that was applied by a version that knows more: this one says so, and sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.streaming import Endpoint, StreamProcess, apply, trigger
from support.waiting import wait_until

if TYPE_CHECKING:
    from support.databases import Database

NEWER = """
UPDATE cdc_triggers.trigger_revision
   SET definition = jsonb_set(definition::jsonb, '{of_a_newer_version}', '"private"')
"""
AS_BEFORE = """
UPDATE cdc_triggers.trigger_revision SET definition = definition::jsonb - 'of_a_newer_version'
"""
RELOAD = "SELECT pg_logical_emit_message(true, 'cdc_triggers', 'reload')"
SAID = "this version cannot read trigger 'watched' as it was applied: of_a_newer_version: "


@pytest.mark.parametrize("running", [False, True])
def test_stream_says_what_it_cannot_read_and_goes_on_when_it_can(
    database: Database, *, running: bool
) -> None:
    database.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    with Endpoint() as endpoint:
        apply(database, trigger("watched", "orders", endpoint.url))
        stream = StreamProcess(database)
        try:
            if running:
                stream.start()
            database.execute(NEWER)
            database.execute("INSERT INTO orders VALUES (1)")
            if running:
                database.execute(RELOAD)
            else:
                stream.start(wait=False)
            wait_until(lambda: SAID in stream.log)
            assert "Traceback" not in stream.log
            assert "private" not in stream.log
            database.execute(AS_BEFORE)
            wait_until(lambda: len(endpoint.delivered) == 1)
        finally:
            stream.kill()
