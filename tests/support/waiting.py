"""Waiting for a condition: the one place in the tests that polls."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_STEP_S = 0.01


def wait_until(condition: Callable[[], T], timeout_s: float = 20, what: str = "condition") -> T:
    """Return the condition's first true value; fail the test if there is none in time."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not so within {timeout_s} s; last value: {value!r}")
        pause.wait(_STEP_S)
    return value


async def until(condition: Callable[[], object], what: str, timeout_s: float = 20) -> None:
    """The same on an event loop that must go on meanwhile."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not so within {timeout_s} s")
        await asyncio.sleep(_STEP_S)
