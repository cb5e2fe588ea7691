"""Real PostgreSQL servers for tests, each started when a test first asks for it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from cdc_triggers.errors import UsageError
from cdc_triggers.postgres import embedded
from cdc_triggers.postgres.embedded import EmbeddedServer, StopMode
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = ("18", "16", "system")

ONLY = os.environ.get("TEST_POSTGRES", "")
"""The folder of another PostgreSQL's programs, which then stands for all servers."""

_SYSTEM_ROOT = Path("/usr/lib/postgresql")
_SYSTEM_SHARE = Path("/usr/share/postgresql")


class MissingError(Exception):
    """A server or plugin that this machine does not have; the text names the package."""


def missing(error: MissingError) -> BaseException:
    """What to raise: a skip that names the package, or in CI a failure."""
    if os.environ.get("CI") == "true":
        return pytest.fail.Exception(f"with CI=true this may not be missing: {error}")
    return pytest.skip.Exception(str(error))


@dataclass
class Server:
    """One running server. `name` is one of NAMES; `port` is kept over restarts."""

    name: str
    instance: EmbeddedServer
    folder: Path

    @property
    def bin_dir(self) -> Path:
        return self.instance.bin_dir

    @property
    def data_dir(self) -> Path:
        return self.instance.data_dir

    @property
    def host(self) -> str:
        return embedded.HOST

    @property
    def port(self) -> int:
        return self.instance.port

    @property
    def dsn(self) -> str:
        return self.instance.dsn

    @property
    def pid(self) -> int | None:
        return self.instance.pid

    @property
    def version(self) -> int:
        return int((self.data_dir / "PG_VERSION").read_text())

    @property
    def has_wal2json(self) -> bool:
        """Only Debian's servers can have it: the wheel has no such plugin."""
        return (self.bin_dir.parent / "lib" / "wal2json.so").exists()

    @property
    def has_postgis(self) -> bool:
        """Likewise."""
        folder = _SYSTEM_SHARE / str(self.version) / "extension"
        return self.name == "system" and (folder / "postgis.control").exists()

    def dsn_of(self, database: str, user: str = embedded.SUPERUSER) -> str:
        return self.instance.dsn_of(database, user)

    def start(self) -> None:
        self.instance.start()

    def stop(self, mode: StopMode = "fast") -> None:
        self.instance.stop(mode)

    def restart(self, mode: StopMode = "fast") -> None:
        self.instance.restart(mode)

    def configure(self, **settings: str) -> None:
        """Change settings and restart with them."""
        self.instance.write_settings({**self.instance.settings, **settings})
        self.restart()

    def kill(self) -> None:
        """Kill -9 the postmaster, as a crash; its backends see that and end."""
        pid = self.pid
        if pid is None:
            raise AssertionError("the server is not running")
        backends = psutil.Process(pid).children()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.pid is None, what="the postmaster is gone")
        gone = psutil.wait_procs(backends, timeout=20)
        assert not gone[1], f"backends outlived the postmaster: {gone[1]}"
        # The dead postmaster counts as alive until its parent has noticed, and then a new one
        # refuses the folder. All its processes are gone, so the lock guards nothing.
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)

    def log_text(self) -> str:
        return self.instance.log.read_text(errors="replace")

    def destroy(self) -> None:
        self.instance.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


def create(name: str, settings: Mapping[str, str] | None = None) -> Server:
    """Make and start a server of that name, with these settings on top of the usual ones.

    Raises:
        MissingError: this machine does not have it.
    """
    os_user = embedded.unprivileged_user()
    bin_dir = _bin_dir(name, os_user)
    folder = Path(tempfile.mkdtemp(prefix="cdct-"))
    folder.chmod(0o711)
    every = {**embedded.SETTINGS, **_trusting(bin_dir), **(settings or {})}
    server = Server(name, EmbeddedServer(bin_dir, folder / "data", os_user, every), folder)
    try:
        server.instance.initialize()
        server.start()
    except BaseException:
        server.destroy()
        raise
    return server


def _trusting(bin_dir: Path) -> dict[str, str]:
    """Minor releases since 2026 have a list of output plugins that slots may have."""
    command = [str(bin_dir / "postgres"), "--describe-config"]
    known = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    listed = "output_plugin_libraries" in known
    return {"output_plugin_libraries": "pgoutput, wal2json"} if listed else {}


def versions() -> list[str]:
    """Of all servers that this machine has, for people."""
    found = []
    for name in NAMES[-1:] if ONLY else NAMES:
        try:
            program = _bin_dir(name, embedded.unprivileged_user()) / "postgres"
        except MissingError:
            continue
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        found.append(said.stdout.split()[2])
    return found


@dataclass
class Pool:
    """The shared servers of one test process."""

    servers: dict[str, Server] = field(default_factory=dict)
    missing: dict[str, MissingError] = field(default_factory=dict)

    def get(self, name: str) -> Server:
        """The running server of that name; started again if a test left it stopped.

        Raises:
            MissingError: this machine does not have it.
        """
        if name in self.missing:
            raise self.missing[name]
        if name not in self.servers:
            try:
                self.servers[name] = create(name)
            except MissingError as error:
                self.missing[name] = error
                raise
        server = self.servers[name]
        server.start()
        return server

    def destroy(self) -> None:
        for server in self.servers.values():
            server.destroy()
        self.servers.clear()


def _bin_dir(name: str, os_user: str | None) -> Path:
    if ONLY:
        return Path(ONLY)
    if name == "system":
        found = [path.parent for path in _SYSTEM_ROOT.glob("*/bin/postgres")]
        if not found:
            raise MissingError("no system PostgreSQL: install Debian's package postgresql")
        return max(found, key=lambda path: float(path.parent.name))
    try:
        return embedded.wheel_bin_dir(int(name), os_user)
    except UsageError as error:
        raise MissingError(f"no embedded PostgreSQL {name}: {error}") from error
