"""`make demo` as its user sees it: a process with an output, an exit code, and nothing left."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import psutil
import pytest
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED_PROGRAMS = "cdc-triggers-root"
"""Where root keeps a copy of PostgreSQL's programs from run to run."""


class Demo:
    """A running demo. Its temporary folder is its own, so that what it leaves there is its own."""

    def __init__(self, temporary: Path, *arguments: str) -> None:
        self.temporary = temporary
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cdc_triggers.demo", *arguments],
            env={
                **os.environ,
                "TMPDIR": str(temporary),
                # what a user's shell may hold must not lead the demo astray
                "PGDATABASE": "nowhere",
                "DATABASE_URL": "postgresql://127.0.0.1:1/nowhere",
                "http_proxy": "http://127.0.0.1:1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read_until(self, text: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"{text!r} was never shown: {''.join(self.lines)}{self.end()[2]}")

    def end(self) -> tuple[int, str, str]:
        """Exit code, all of stdout, all of stderr."""
        stdout, stderr = self.process.communicate()
        return self.process.returncode, "".join(self.lines) + stdout, stderr

    def left(self) -> list[str]:
        """Files, and processes that were started with one."""
        files = [path.name for path in self.temporary.iterdir() if path.name != SHARED_PROGRAMS]
        return files + [" ".join(process.cmdline()) for process in self.processes()]

    def processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                words = [*process.cmdline(), process.cwd()]
            except psutil.Error:
                continue
            if any(str(self.temporary) in word for word in words):
                found.append(process)
        return found

    def stream(self) -> psutil.Process:
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if "stream" in child.cmdline())


@pytest.fixture
def temporary() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cdct-demo-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def figure(output: str, name: str) -> int:
    match = re.search(rf"^  {name} +(\d+)", output, re.MULTILINE)
    assert match, f"no {name} in: {output}"
    return int(match[1])


def test_demo_shows_every_change_arrive_sums_up_and_leaves_nothing_behind(temporary: Path) -> None:
    demo = Demo(temporary)
    code, output, errors = demo.end()
    assert (code, errors) == (0, "")
    captured = figure(output, "captured")
    assert captured > 500
    # one update changed no column that the trigger names
    assert figure(output, "delivered") == captured - 1
    assert "no webhook" in output
    assert [figure(output, n) for n in ("retried", "dead", "redelivered")] == [2, 1, 1]
    assert re.search(r"p50 \d+\.\d ms +p99 \d+\.\d ms", output)
    assert "\x1b" not in output
    assert demo.left() == []


def test_demo_fails_with_the_reason_if_a_webhook_does_not_come(temporary: Path) -> None:
    demo = Demo(temporary)
    demo.read_until("Inserts")
    demo.stream().kill()
    code, output, errors = demo.end()
    assert code == 1
    assert "Summary" not in output
    assert errors.startswith("error: no webhook came")
    assert "the stream has ended with exit code -9" in errors
    assert demo.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_demo_that_is_interrupted_leaves_nothing_behind(
    temporary: Path, number: signal.Signals
) -> None:
    demo = Demo(temporary)
    demo.read_until("PostgreSQL")
    demo.process.send_signal(number)
    code, _output, errors = demo.end()
    assert code == 130
    assert "nothing is left running" in errors
    assert demo.left() == []


def test_demo_that_is_interrupted_while_postgresql_starts_leaves_nothing_behind(
    temporary: Path,
) -> None:
    demo = Demo(temporary)
    wait_until(demo.processes, what="a program of PostgreSQL runs")
    demo.process.send_signal(signal.SIGINT)
    assert demo.end()[0] == 130
    wait_until(lambda: demo.left() == [], what="nothing is left")


def test_keep_goes_on_writing_until_ctrl_c_and_can_be_looked_at(temporary: Path) -> None:
    demo = Demo(temporary, "--keep")
    dsn = demo.read_until("export CDC_TRIGGERS_DSN=").strip().partition("=")[2]
    first, second = demo.read_until("INSERT"), demo.read_until("INSERT")
    assert first != second
    status = subprocess.run(
        [sys.executable, "-m", "cdc_triggers", "status", "--json", "--dsn", dsn],
        check=True,
        capture_output=True,
    )
    assert orjson.loads(status.stdout)["stream"]["alive"] is True
    demo.process.send_signal(signal.SIGINT)
    code, _output, errors = demo.end()
    assert code == 0
    assert "nothing is left running" in errors
    assert demo.left() == []
