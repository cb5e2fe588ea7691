"""What the sender suites share: making requests, and telling outcomes apart."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from cdc_triggers.core.attempt import Failure, FailureKind, Outcome, Request, Response
from cdc_triggers.ports import Sender

JSON = (("content-type", "application/json"),)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
SECRET = "s3cr3t-t0ken"
Make = Callable[..., Sender]


@contextlib.asynccontextmanager
async def opened(make: Make, **options: Any) -> AsyncIterator[Sender]:
    sender = make(**options)
    try:
        yield sender
    finally:
        await sender.close()


def make_request(
    url: str, body: bytes = b"{}", timeout_s: float = 5.0, headers: tuple[tuple[str, str], ...] = ()
) -> Request:
    return Request(url, JSON + headers, body, timeout_s)


async def once(make: Make, url: str, timeout_s: float = 5.0, **options: Any) -> Outcome:
    async with opened(make, **options) as sender:
        (outcome,) = await sender.send(
            [make_request(f"{url}/{SECRET}?key={SECRET}", b"{}", timeout_s)]
        )
    if isinstance(outcome, Failure):
        assert SECRET not in outcome.message
        assert "127.0.0.1" not in outcome.message
    return outcome


def failed(outcome: Outcome) -> tuple[FailureKind, str]:
    assert isinstance(outcome, Failure), outcome
    return outcome.kind, outcome.message


def answered(outcome: Outcome) -> Response:
    assert isinstance(outcome, Response), outcome
    return outcome
