"""What the benchmark runs on: a PostgreSQL with fsync on and the defaults, gone when it ends."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import nginx, programs
from bench.scene import Scene
from cdc_triggers.postgres import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.nginx import Nginx

SETTINGS: Final = {
    "wal_level": "logical",
    # where it listens: nothing else differs from what initdb writes
    "listen_addresses": embedded.HOST,
    "unix_socket_directories": "",
}


class Rig:
    """A folder and a server; `started` makes it and cleans up."""

    def __init__(self, folder: Path, server: embedded.EmbeddedServer) -> None:
        self.folder = folder
        self.server = server
        self._scenes = 0

    @property
    def bin_dir(self) -> Path:
        """PostgreSQL's programs."""
        return self.server.bin_dir

    @contextlib.contextmanager
    def scene(self) -> Iterator[Scene]:
        """An empty database, dropped at the end with all its slots."""
        self._scenes += 1
        scene = Scene(self.server, self.folder, f"bench_{self._scenes}")
        try:
            scene.create()
            yield scene
        finally:
            scene.drop()

    @contextlib.contextmanager
    def nginx(self) -> Iterator[Nginx]:
        """A receiver that answers at once.

        Raises:
            MissingError: nginx is not installed.
        """
        with nginx.running() as receiver:
            yield receiver


@contextlib.contextmanager
def started() -> Iterator[Rig]:
    """A rig with no database yet.

    Raises:
        MissingError: PostgreSQL is not installed.
        EmbeddedError: it does not start.
    """
    bin_dir = programs.postgres_bin()
    folder = Path(tempfile.mkdtemp(prefix="cdc-triggers-bench-"))
    folder.chmod(0o711)  # the user that PostgreSQL runs as, if root started us, passes through
    os_user = embedded.unprivileged_user()
    server = embedded.EmbeddedServer(bin_dir, folder / "data", os_user, SETTINGS)
    try:
        server.initialize()
        server.start()
        yield Rig(folder, server)
    finally:
        server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)
