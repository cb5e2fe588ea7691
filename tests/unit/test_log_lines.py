"""Facts go out as lines, in order, and whoever says one never waits for whoever reads it."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support.machine import full_pipe
from support.waiting import wait_until

from cdc_triggers.telemetry.lines import QUEUE_LINES, LineWriter
from cdc_triggers.telemetry.logs import LogTelemetry
from cdc_triggers.testing.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

DROPPED = re.compile(rb"log\.dropped lines=([0-9]+)")


@contextmanager
def pipe(*, full: bool = False) -> Iterator[tuple[int, int]]:
    reader, writer = full_pipe() if full else os.pipe()
    try:
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)


def take(reader: int, until: bytes) -> bytes:
    """What can be read up to and with these bytes."""
    found = b""
    while until not in found:
        found += os.read(reader, 65536)
    return found


def test_facts_are_lines_in_the_order_in_which_they_were_said() -> None:
    with pipe() as (reader, writer):
        log = LogTelemetry(ManualClock(), "json", writer)
        for number in range(100):
            log.fact("info", "counted", number=number)
        log.close()
        lines = take(reader, b'"number": 99}\n').decode().splitlines()
    assert [json.loads(line)["number"] for line in lines] == list(range(100))


def test_text_quotes_what_would_not_be_one_word() -> None:
    with pipe() as (reader, writer):
        log = LogTelemetry(ManualClock(), "text", writer)
        log.fact("warning", "said", error='a "b"\nc', empty="", slot="s")
        log.close()
        line = take(reader, b"\n").decode()
    assert line.endswith('warning said error="a \\"b\\"\\nc" empty="" slot=s\n')


def test_a_pipe_that_nobody_reads_makes_nobody_wait_and_what_is_dropped_is_counted() -> None:
    with pipe(full=True) as (reader, writer):
        log = LogTelemetry(ManualClock(), "text", writer)
        began = time.monotonic()
        for number in range(QUEUE_LINES + 500):
            log.fact("info", "counted", number=number)
        log.close()
        assert time.monotonic() - began < 10
        # the reader wakes: what was held comes, and the next fact says what is missing
        held = take(reader, f"number={QUEUE_LINES - 1}\n".encode())
    assert held.count(b"counted") >= QUEUE_LINES


def test_a_reader_that_wakes_is_told_how_much_is_missing() -> None:
    with pipe(full=True) as (reader, writer):
        log = LogTelemetry(ManualClock(), "text", writer)
        said = QUEUE_LINES + 500
        for number in range(said):
            log.fact("info", "counted", number=number)
        came = take(reader, b"number=900\n")
        log.fact("info", "last")
        came += take(reader, b" last\n")
        log.close()
    # in two parts, if the writer's thread takes its first line, and so makes room, in between
    missing = sum(map(int, DROPPED.findall(came)))
    assert missing
    assert came.count(b"counted") + missing == said


@pytest.mark.parametrize("path", ["/dev/full", None])
def test_a_full_disk_or_a_closed_descriptor_is_nobody_elses_trouble(path: str | None) -> None:
    fd = os.open("/dev/null" if path is None else path, os.O_WRONLY)
    if path is None:
        os.close(fd)
    lines = LineWriter(fd)
    assert lines.put("a line")
    lines.close()
    if path is not None:
        os.close(fd)


def test_a_descriptor_that_somebody_made_non_blocking_is_waited_for() -> None:
    with pipe() as (reader, writer):
        os.set_blocking(writer, False)
        lines = LineWriter(writer)
        for _ in range(100):
            lines.put("x" * 4_000)  # together more than the pipe holds
        found = b""
        while found.count(b"\n") < 100:
            found += os.read(reader, 65536)
        lines.close()
    assert found == (b"x" * 4_000 + b"\n") * 100


def test_the_last_lines_are_written_before_the_end() -> None:
    with pipe() as (reader, writer):
        lines = LineWriter(writer)
        lines.put("the end")
        lines.close()
        os.set_blocking(reader, False)
        assert wait_until(lambda: os.read(reader, 100)) == b"the end\n"
