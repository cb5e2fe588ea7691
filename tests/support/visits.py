"""Who called when: an endpoint that tells two streams apart and sees them in each other's way."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.http.receiver import Reply
from support.streaming import Endpoint, StreamProcess

if TYPE_CHECKING:
    from cdc_triggers.http.receiver import Received
    from support.databases import Database

VARIABLE = "STREAM_NAME"
HEADERS = [{"name": "x-stream", "value_from_env": VARIABLE}]
"""Of the trigger: each stream process sends its own value."""


class Visit(NamedTuple):
    """One request: monotonic seconds of its arrival whole and of its answer."""

    stream: str
    lane: tuple[str, object]
    event_id: str
    began: float
    ended: float


class Visited(Endpoint):
    """Remembers every visit. `delay_s` is how long each answer takes from now on."""

    delay_s = 0.0

    def __init__(self, *, port: int = 0) -> None:
        super().__init__(lambda *_: self.reply(), port=port)
        self.visits: list[Visit] = []

    def reply(self) -> Reply:
        """What everybody gets."""
        return Reply(delay_s=self.delay_s)

    def by(self, stream: str, since: float = 0.0) -> list[Visit]:
        """Visits of one stream that began after `since`."""
        return [v for v in self.visits if v.stream == stream and v.began > since]

    def under_way(self) -> int:
        """How many have come and were not answered yet."""
        now = time.monotonic()
        return sum(visit.ended > now for visit in self.visits)

    def overlaps(self) -> list[tuple[Visit, Visit]]:
        """Visits of one lane, by whichever streams, of which the second began in the first."""
        found = []
        for visits in self._lanes().values():
            longest = visits[0]
            for visit in visits[1:]:
                if visit.began < longest.ended:
                    found.append((longest, visit))
                longest = max(longest, visit, key=lambda v: v.ended)
        return found

    def returns(self) -> list[Visit]:
        """Visits by a stream after another one had come to the same lane: it had been replaced."""
        found = []
        for visits in self._lanes().values():
            streams: list[str] = []
            for visit in visits:
                if visit.stream in streams[:-1]:
                    found.append(visit)
                if not streams or streams[-1] != visit.stream:
                    streams.append(visit.stream)
        return found

    def _lanes(self) -> dict[tuple[str, object], list[Visit]]:
        lanes = defaultdict(list)
        for visit in sorted(self.visits, key=lambda v: v.began):
            lanes[visit.lane].append(visit)
        return lanes

    def _handle(self, request: Received) -> Reply:
        began = time.monotonic()
        reply = super()._handle(request)
        body = json.loads(request.body)
        row = body["event"]["data"]["new"] or body["event"]["data"]["old"]
        lane = body["trigger"]["name"], row["id"]
        self.visits.append(
            Visit(request.headers["x-stream"], lane, body["id"], began, began + reply.delay_s)
        )
        return reply


def stream_named(
    name: str, database: Database, *options: str, dsn: str | None = None
) -> StreamProcess:
    """A stream whose requests say its name."""
    return StreamProcess(database, *options, dsn=dsn, environ={VARIABLE: name})
