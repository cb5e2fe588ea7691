"""The programs that the benchmark runs beside ours: where they are, and how they are run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.errors import BenchError, MissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PACKAGES: Final[Mapping[str, str]] = {
    "nginx": "nginx-light",
    "wrk": "wrk",
    "java": "openjdk-17-jre-headless",
}
_SYSTEM: Final = Path("/usr/lib/postgresql")
_POLL_S: Final = 0.01


def find(name: str) -> str:
    """Where a program is.

    Raises:
        MissingError: it is not installed.
    """
    places = os.defpath + ":/usr/sbin:/sbin:" + os.environ.get("PATH", "")
    found = shutil.which(name, path=places)
    if found is None:
        raise MissingError(f"{name} is not installed: install Debian's package {PACKAGES[name]}")
    return found


def postgres_bin() -> Path:
    """The folder of the newest system PostgreSQL.

    Raises:
        MissingError: there is none.
    """
    found = [path.parent for path in _SYSTEM.glob("*/bin/pgbench")]
    if not found:
        raise MissingError("no PostgreSQL with pgbench: install Debian's package postgresql")
    return max(found, key=lambda path: float(path.parent.name))


def version(arguments: Sequence[str]) -> str:
    """The first number with a dot in what the program says of itself, else what it says."""
    done = subprocess.run(arguments, check=False, capture_output=True, text=True)  # noqa: S603 - ours
    said = (done.stdout + done.stderr).strip()
    found = re.search(r"\d+(?:\.\d+)+", said)
    return found[0] if found else said.partition("\n")[0]


def run(arguments: Sequence[str], timeout_s: float) -> str:
    """Run a program to its end; what it wrote.

    Raises:
        BenchError: it failed, or took too long.
    """
    name = Path(arguments[0]).name
    try:
        done = subprocess.run(  # noqa: S603 - a program of PACKAGES or PostgreSQL's, no shell
            arguments, check=False, capture_output=True, text=True, timeout=timeout_s
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{name} took longer than {timeout_s:.0f} s") from error
    if done.returncode:
        raise BenchError(f"{name} failed", hint=(done.stderr or done.stdout).strip()[-1000:])
    return done.stdout


def end(process: subprocess.Popen[bytes], timeout_s: float = 15.0) -> None:
    """End a process as an operator does; one that does not listen is killed."""
    process.terminate()
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Ask again and again until it is so.

    Raises:
        BenchError: it is not so in time.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"in {timeout_s:.0f} s it did not come true that {what}")
        time.sleep(_POLL_S)
