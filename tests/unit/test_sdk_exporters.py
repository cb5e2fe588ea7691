"""Exporters of the SDK and of plugins may do anything: the stream goes on, and ends."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.resources import Resource

from cdc_triggers.telemetry import shutdown
from cdc_triggers.telemetry.exports import Exports
from cdc_triggers.telemetry.log_export import SdkLogExporter
from cdc_triggers.telemetry.metric_export import MetricPush, SdkMetricExporter, Shape
from cdc_triggers.telemetry.record_queue import RecordQueue
from cdc_triggers.telemetry.sdk_spans import SdkExporter
from cdc_triggers.telemetry.variables import Batching

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdc_triggers.telemetry.metrics import Family

SCOPE = ("name", "1")


class Facts:
    def fact(self, level: str, name: str, /, **keys: object) -> None:
        pass


class Ends:
    """Exports nothing, and ends as it is told to."""

    def __init__(self, shutdown: Callable[[], None]) -> None:
        self.shutdown = shutdown

    def export(self, *_: object) -> None:
        pass


def fails() -> None:
    raise RuntimeError("no such file")


def hangs() -> None:
    threading.Event().wait()


@pytest.mark.parametrize("end", [fails, hangs])
@pytest.mark.parametrize("signal", ["traces", "logs"])
def test_an_exporter_that_fails_or_hangs_at_its_end_keeps_no_stream_from_ending(
    signal: str, end: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutdown, "SHUTDOWN_S", 0.05)
    theirs = Ends(end)
    exporter: Any = SdkLogExporter(theirs)
    if signal == "traces":
        exporter = SdkExporter(theirs, None, Resource({}), SCOPE)
    queue = RecordQueue[Any](exporter, Batching(10, 5, 0.05), Exports(signal, Facts()))
    closed = threading.Event()

    def close() -> None:
        queue.close()
        closed.set()

    threading.Thread(target=close, daemon=True).start()
    assert closed.wait(10.0)


class Tells:
    """Exports nothing, and says so."""

    def __init__(self) -> None:
        self.say: Callable[[], object] = lambda: None

    def export(self, *_: object, **__: object) -> MetricExportResult:
        self.say()
        return MetricExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


def test_metrics_go_on_when_there_was_no_thread_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoThread(threading.Thread):
        def start(self) -> None:
            monkeypatch.undo()
            raise RuntimeError("can't start new thread")

    theirs, exports = Tells(), Exports("metrics", Facts())
    shape = Shape(Resource({}), SCOPE)
    push = MetricPush(SdkMetricExporter(theirs, None), list, exports, shape, 0.01)

    async def run() -> None:
        exported, loop = asyncio.Event(), asyncio.get_running_loop()
        theirs.say = lambda: loop.call_soon_threadsafe(exported.set)
        push.start()
        async with asyncio.timeout(10.0):
            await exported.wait()
        theirs.say = lambda: None
        await push.close()

    monkeypatch.setattr(threading, "Thread", NoThread)
    asyncio.run(run())
    assert exports.dropped >= 1  # others may have found the one before them still running


def test_the_last_metrics_are_exported_though_an_export_runs_at_the_end() -> None:
    theirs, exports, took = Tells(), Exports("metrics", Facts()), 0

    def take() -> list[Family]:
        nonlocal took
        took += 1
        return []

    push = MetricPush(
        SdkMetricExporter(theirs, None), take, exports, Shape(Resource({}), SCOPE), 0.01
    )

    async def run() -> None:
        running, loop, may = asyncio.Event(), asyncio.get_running_loop(), threading.Event()

        def say() -> None:
            loop.call_soon_threadsafe(running.set)
            may.wait(10.0)

        theirs.say = say
        push.start()
        async with asyncio.timeout(10.0):
            await running.wait()
        loop.call_later(0.05, may.set)
        await push.close()

    asyncio.run(run())
    assert took == 2
