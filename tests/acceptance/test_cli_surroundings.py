"""What a shell may do to a command: closed descriptors, full disks, odd bytes, Ctrl-C."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from support.databases import Database

FILE = """\
version: 1
triggers:
  - name: order_changed
    table: public.orders
    enable_manual: true
    webhook: http://127.0.0.1:9/orders
"""
BODY = '{"id": "x", "event": {"op": "MANUAL", "data": {"old": null, "new": {"id": 1}}}}'
TRY = "transform test order_changed body.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "triggers.yaml").write_text(FILE)
    (tmp_path / "body.json").write_text(BODY)
    return tmp_path


@pytest.fixture
def applied(database: Database, folder: Path) -> Database:
    database.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    done = shell(f"apply --yes --slot {database.slot} >&-", folder, database.dsn)
    assert done.returncode == 0, done.stderr
    return database


def shell(line: str, folder: Path, dsn: str = "") -> subprocess.CompletedProcess[bytes]:
    """Run `cdc-triggers LINE` in bash, as it stands."""
    return subprocess.run(
        ["bash", "-c", f"{sys.executable} -m cdc_triggers {line}"],
        check=False,
        cwd=folder,
        env={**os.environ, "CDC_TRIGGERS_DSN": dsn},
        capture_output=True,
        timeout=60,
    )


def failed(done: subprocess.CompletedProcess[bytes], exit_code: int, text: str) -> None:
    assert done.returncode == exit_code, done.stderr
    assert done.stderr.decode().splitlines()[-2].startswith("error: ")
    assert text in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_a_closed_stdout_is_as_good_as_dev_null(applied: Database, folder: Path) -> None:
    for line in ("triggers list", "events list", "status"):
        done = shell(f"{line} >&-", folder, applied.dsn)
        assert done.returncode == 0, done.stderr


def test_a_closed_stdin_is_an_empty_one(database: Database, folder: Path) -> None:
    failed(shell("uninstall <&-", folder, database.dsn), 2, "no terminal to ask on")
    failed(shell("transform test order_changed - <&-", folder), 2, "the body from stdin")


def test_a_full_disk_below_stdout_is_an_error_and_no_traceback(folder: Path) -> None:
    failed(shell(f"{TRY} >/dev/full", folder), 1, "No space left on device")


@pytest.mark.parametrize(
    "line",
    [
        r"status --slot $'\xff'",
        r"triggers invoke order_changed --payload $'\"\xff\"'",
        r"status --dsn $'host=127.0.0.1 password=secret\xff'",
    ],
)
def test_bytes_that_are_no_text_are_refused_and_not_quoted(
    applied: Database, folder: Path, line: str
) -> None:
    done = shell(line, folder, applied.dsn)
    failed(done, 2, "not UTF-8")
    assert b"secret" not in done.stderr


@pytest.mark.parametrize(("key", "exit_code"), [(b"\x03", 130), (b"\x04", 1)])
def test_a_question_that_is_not_answered_changes_nothing(
    database: Database, folder: Path, key: bytes, exit_code: int
) -> None:
    command = [sys.executable, "-m", "cdc_triggers", "uninstall"]
    process, terminal = pty.fork()
    if process == 0:
        # a shell starts what runs in the background with SIGINT ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.chdir(folder)
        os.execve(command[0], command, {**os.environ, "CDC_TRIGGERS_DSN": database.dsn})
    said = b""
    with suppress(OSError):  # Linux ends reading from a terminal that nobody has open with EIO
        while True:
            if select.select([terminal], [], [], 1.0)[0]:
                said += os.read(terminal, 4096)
                if said.endswith(b"[y/N]: "):
                    os.write(terminal, key)
            elif b"[y/N]: " in said:
                os.write(
                    terminal, key
                )  # Python does not see a signal that comes just before it reads
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == exit_code
    assert b"nothing was changed" in said


def test_where_no_trigger_has_a_cleanup_config_none_is_said_to_be_paused(
    applied: Database, folder: Path
) -> None:
    done = shell("cleanup pause --all", folder, applied.dsn)
    assert done.stderr == b"nothing to change: no trigger has a cleanup_config\n"
