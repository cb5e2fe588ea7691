"""Nobody waits for what a command does not need."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cdc_triggers import __version__
from cdc_triggers.compiled import compiled

# Typer itself loads pydantic once it has arguments to read.
SLOW = {"psycopg2", "httpx", "httptools", "uvloop", "asyncio", "ruamel.yaml", "http.cookiejar"}
SERVED = {"starlette", "uvicorn", "h11", "cdc_triggers.console"}
NOBODY = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1"


def loaded(*command: str) -> set[str]:
    """The modules that this command line imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cdc_triggers", *command],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


@pytest.mark.parametrize(
    "command",
    [("--version",), ("status", "--help"), ("stream", "--help"), ("apply", "--help"), ("init",)],
    ids=" ".join,
)
def test_what_asks_no_database_loads_no_driver_and_no_http_client(
    command: tuple[str, ...], tmp_path: object
) -> None:
    found = loaded(*command, *(("-c", f"{tmp_path}/triggers.yaml") if "init" in command else ()))
    assert "cdc_triggers.cli.main" in found
    assert found & (SLOW | SERVED) == set()


def test_what_asks_the_database_loads_no_http_client_and_no_specs() -> None:
    found = loaded("status", "--dsn", NOBODY)
    assert "psycopg2" in found
    assert found & (SLOW - {"psycopg2"}) == set()
    assert "cdc_triggers.core.spec" not in found
    assert "rich" not in found


def test_a_stream_without_a_port_loads_no_server() -> None:
    found = loaded("stream", "--dsn", NOBODY)
    assert "cdc_triggers.wiring.streaming" in found
    assert found & SERVED == set()


def test_the_version_is_the_packages(capfd: pytest.CaptureFixture[str]) -> None:
    subprocess.run([sys.executable, "-m", "cdc_triggers", "--version"], check=True, timeout=60)
    how = " (compiled)" if compiled() else ""
    assert capfd.readouterr().out == f"cdc-triggers {__version__}{how}\n"
