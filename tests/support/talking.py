"""HTTP in raw bytes: what a client should not do, and exactly what comes back."""

from __future__ import annotations

import asyncio
import json
from typing import Any


async def talk(port: int, data: bytes) -> bytes:
    """Send it, then read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


def request(path: str, method: str = "GET", body: bytes = b"", **headers: str) -> bytes:
    """A request on a connection that is closed after it; `_` in a header's name is `-`."""
    values = {"host": "localhost", "connection": "close", **headers}
    if body:
        values.setdefault("content-length", str(len(body)))
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in values.items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + body


def split(answer: bytes) -> tuple[int, dict[str, str], Any]:
    """Status, headers, and the body as JSON; None: it is empty."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split(" ")[1]), headers, json.loads(body) if body else None
