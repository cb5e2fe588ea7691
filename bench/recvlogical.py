"""pg_recvlogical: how fast PostgreSQL decodes, and when a program in C sees a commit."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Final

from bench import wire
from bench.errors import BenchError
from bench.programs import end, run
from cdc_triggers.postgres.replication import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.rig import Rig
    from bench.scene import Scene

_CHUNK: Final = 1 << 20


def rate(rig: Rig, scene: Scene, events: int, end_lsn: str) -> float:
    """Events per second, written to /dev/null, until it has `end_lsn`; with its own start."""
    with scene.slot_copy() as slot:
        began = time.monotonic()
        run([*_command(rig, scene, slot, "/dev/null"), "--endpos", end_lsn], 1800)
        return events / (time.monotonic() - began)


@contextlib.contextmanager
def first_byte(rig: Rig, scene: Scene, slot: str) -> Iterator[Callable[[], float]]:
    """Read the slot; what it gives waits for the first byte, and says when it was there."""
    process = _piped(_command(rig, scene, slot, "-"))
    stdout = process.stdout
    assert stdout is not None

    def wait() -> float:
        if not stdout.read(1):
            raise BenchError("pg_recvlogical ended before it had anything")
        return time.time()

    try:
        yield wait
    finally:
        end(process)


class Seen:
    """Commits in order: when each of them was made, and when it was here (wall clock)."""

    def __init__(self) -> None:
        self.commits: list[tuple[float, float]] = []


@contextlib.contextmanager
def watching(rig: Rig, scene: Scene, slot: str) -> Iterator[Seen]:
    """Read the slot meanwhile; what it has seen is whole when the block has ended."""
    seen = Seen()
    process = _piped(_command(rig, scene, slot, "-"))
    thread = threading.Thread(target=_watch, args=(process, seen), daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        end(process)
        thread.join(10)


def _watch(process: subprocess.Popen[bytes], seen: Seen) -> None:
    assert process.stdout is not None
    parser = wire.Commits()
    while chunk := os.read(process.stdout.fileno(), _CHUNK):
        now = time.time()
        seen.commits.extend((committed, now) for committed in parser.feed(chunk))


def _piped(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)  # noqa: S603


def _command(rig: Rig, scene: Scene, slot: str, target: str) -> list[str]:
    program = str(rig.bin_dir / "pg_recvlogical")
    options = [
        text for name, value in OPTIONS["pgoutput"].items() for text in ("-o", f"{name}={value}")
    ]
    return [
        program,
        "-d",
        scene.dsn,
        "--slot",
        slot,
        "--start",
        "--no-loop",
        *options,
        "-f",
        target,
    ]
