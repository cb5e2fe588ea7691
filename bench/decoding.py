"""`python -m bench.decoding`: read a slot, decode, match; send, record and confirm nothing.

It ends after so many events, and writes how many there were per second as a line of JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import select
import sys
import time
from typing import TYPE_CHECKING

from cdc_triggers import settings
from cdc_triggers.core.event import event_of
from cdc_triggers.core.lsn import ZERO
from cdc_triggers.core.matching import Matcher
from cdc_triggers.core.messages import Begin, LogRow
from cdc_triggers.postgres.applied import applied_triggers
from cdc_triggers.postgres.connect import connect
from cdc_triggers.postgres.replication import ReplicationSource

if TYPE_CHECKING:
    from cdc_triggers.core.records import TriggerRow

_READ = 256


def run(dsn: str, slot: str, events: int) -> float:
    """Events per second, from the first that was there."""
    matcher = Matcher(_triggers(dsn))
    source = ReplicationSource(dsn)
    with contextlib.closing(source):
        source.start(slot, "pgoutput", ZERO)
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        began, matched, commit_lsn, position = 0.0, 0, ZERO, 0
        while matched < events:
            messages = source.read(_READ)
            if not messages:
                select.select([source.fileno()], [], [], 1.0)
            began = began or (time.monotonic() if messages else 0.0)
            for message in messages:
                if type(message) is LogRow:
                    position += 1
                    matched += len(matcher.match(event_of(message, commit_lsn, position)))
                elif type(message) is Begin:
                    commit_lsn, position = message.final_lsn, 0
        return matched / (time.monotonic() - began)


def _triggers(dsn: str) -> list[TriggerRow]:
    connection = connect(dsn, application_name="bench")
    with contextlib.closing(connection), connection.cursor() as cursor:
        return applied_triggers(cursor)


def main() -> None:
    """Parse what is wanted, run, and say how fast it was."""
    parser = argparse.ArgumentParser(prog="python -m bench.decoding", description=__doc__)
    parser.add_argument("--slot", required=True)
    parser.add_argument("--events", type=int, required=True)
    asked = parser.parse_args()
    per_s = run(settings.dsn(None), asked.slot, asked.events)
    sys.stdout.write(json.dumps({"per_s": per_s}) + "\n")


if __name__ == "__main__":
    main()
