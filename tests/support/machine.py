"""Streams on a machine that is not well: its clock steps, stderr is shut, limits are low."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, Self

import psutil

from support.streaming import StreamProcess, command

if TYPE_CHECKING:
    from pathlib import Path

    from support.databases import Database

Stderr = Literal["closed", "unread", "full"]


class JumpingStream(StreamProcess):
    """A stream whose wall clock is wrong by the seconds that `file` holds."""

    def __init__(self, database: Database, file: Path, *options: str) -> None:
        super().__init__(database, *options)
        self._file = file
        self.step(0)

    def step(self, seconds: float) -> None:
        """Let the clock be wrong by so much, from now on."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{seconds}")
        draft.replace(self._file)

    def start(self, *, wait: bool = True, failpoint: tuple[str, int] | None = None) -> Self:
        """See `StreamProcess.start`."""
        assert failpoint is None
        line = [sys.executable, "-m", "support.jumping", str(self._file), *self._arguments()]
        self._process = subprocess.Popen(line, stderr=subprocess.PIPE, env=self._environ)
        self._lines = []
        threading.Thread(target=self._collect, args=(self._process,), daemon=True).start()
        if wait:
            self.wait_ready()
        return self


class MuteStream(StreamProcess):
    """A stream that cannot say anything: stderr is closed, a pipe that is full, or a full disk."""

    def __init__(self, database: Database, stderr: Stderr, *options: str) -> None:
        super().__init__(database, *options)
        self._stderr = stderr
        self._pipe: tuple[int, ...] = ()

    def start(self, *, wait: bool = True, failpoint: tuple[str, int] | None = None) -> Self:
        """See `StreamProcess.start`."""
        assert failpoint is None
        line = command(*self._arguments())
        if self._stderr == "closed":
            line = ["sh", "-c", 'exec "$@" 2>&-', "sh", *line]
            self._process = subprocess.Popen(line, env=self._environ)
        elif self._stderr == "full":
            with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
                self._process = subprocess.Popen(line, env=self._environ, stderr=full)
        else:
            self._pipe = full_pipe()
            self._process = subprocess.Popen(line, env=self._environ, stderr=self._pipe[1])
        self._lines = []
        if wait:
            self.wait_ready()
        return self

    def kill(self) -> None:
        """See `StreamProcess.kill`."""
        super().kill()
        while self._pipe:
            os.close(self._pipe[-1])
            self._pipe = self._pipe[:-1]


def full_pipe() -> tuple[int, int]:
    """A pipe that takes no byte more; both ends, to be closed by the caller."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while os.write(writer, b"." * 4096):
            pass
    with suppress(BlockingIOError):
        while os.write(writer, b"."):
            pass
    os.set_blocking(writer, True)
    return reader, writer


def leave_no_descriptor(pid: int, *, for_reuse: bool = True) -> None:
    """Lower the process's limit so that it can open nothing more.

    Args:
        pid: the process.
        for_reuse: what it closes it may open again; else others are always faster.
    """
    process = psutil.Process(pid)
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}  # noqa: PTH208
    lowest = next(number for number in range(len(used) + 1) if number not in used)
    _, hard = process.rlimit(psutil.RLIMIT_NOFILE)
    process.rlimit(psutil.RLIMIT_NOFILE, (lowest if for_reuse else 3, hard))


def give_descriptors(pid: int) -> None:
    """Take that back."""
    process = psutil.Process(pid)
    _, hard = process.rlimit(psutil.RLIMIT_NOFILE)
    process.rlimit(psutil.RLIMIT_NOFILE, (min(hard, 1024), hard))


def limit_memory(pid: int, more: int) -> None:
    """Let the process have so many bytes more of address space than now, and no more."""
    process = psutil.Process(pid)
    limit = process.memory_info().vms + more
    process.rlimit(psutil.RLIMIT_AS, (limit, limit))


def busy_share(pid: int) -> float:
    """How much of one core the process takes, measured for two seconds."""
    return float(psutil.Process(pid).cpu_percent(interval=2.0)) / 100
