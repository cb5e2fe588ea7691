"""The HTTP API of a running stream, as a caller sees it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support.live import streaming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Database
    from support.live import Live


@dataclass
class Api:
    """Where it is, and what every call has as headers."""

    base: str
    headers: dict[str, str] = field(default_factory=dict)

    def call(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON; bytes are sent as they are, everything else as JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {**({} if data is None else {"content-type": "application/json"}), **sent}
        request = urllib.request.Request(
            self.base + path, data, {**self.headers, **sent}, method=method
        )
        try:
            answer = urllib.request.urlopen(request, timeout=90)
        except urllib.error.HTTPError as error:
            answer = error
        with closing(answer):
            content = answer.read()
            found = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, found, json.loads(content) if content else None

    def get(self, path: str) -> Any:
        """The JSON of a GET that works."""
        status, _, value = self.call("GET", path)
        assert status == 200, value
        return value

    def metadata(self, kind: str, args: Any = None, **more: Any) -> tuple[int, Any]:
        """One call of Hasura's API."""
        call = {"type": kind, "args": {} if args is None else args, **more}
        status, _, value = self.call("POST", "/v1/metadata", call)
        return status, value

    def done(self, kind: str, args: Any = None, **more: Any) -> Any:
        """The answer of one that works."""
        status, value = self.metadata(kind, args, **more)
        assert status == 200, value
        return value

    def refused(self, kind: str, args: Any = None, **more: Any) -> tuple[str, str, str]:
        """Code, path and text of one that is refused."""
        status, value = self.metadata(kind, args, **more)
        assert status == 400, value
        return value["code"], value["path"], value["error"]


def api_of(live: Live) -> Api:
    """The API of a stream that runs."""
    return Api(live.stream.readyz.removesuffix("/readyz"))


@contextmanager
def serving(database: Database, tables: str, **keys: Any) -> Iterator[tuple[Live, Api]]:
    """A stream as of `support.live.streaming`, and its API."""
    with streaming(database, tables, **keys) as live:
        yield live, api_of(live)
