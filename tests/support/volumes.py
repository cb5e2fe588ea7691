"""A volume of a few megabytes for the WAL of a private server: it can be full, and empty again."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from support.servers import MissingError, missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.servers import Server

_BALLAST = "ballast"


class Volume:
    """A mounted folder of a fixed size."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Leave no byte."""
        block = b"\0" * 65536
        with (self.folder / _BALLAST).open("wb", buffering=0) as file:
            try:
                while file.write(block):
                    pass
            except OSError:
                return  # full: that was the aim

    def free(self) -> None:
        """Give back what `fill` took."""
        (self.folder / _BALLAST).unlink(missing_ok=True)


@contextmanager
def wal_volume(server: Server, megabytes: int) -> Iterator[Volume]:
    """Put the server's WAL on a volume of its own; stops and starts it.

    Skips the test where this process may not mount one.
    """
    folder = server.data_dir / "pg_wal"
    server.stop("fast")
    status = folder.stat()
    kept = folder.rename(folder.with_name("pg_wal_before"))
    folder.mkdir(mode=0o700)
    options = f"size={megabytes}m,mode=0700,uid={status.st_uid},gid={status.st_gid}"
    _mount("-t", "tmpfs", "-o", options, "cdct-wal", str(folder))
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", str(folder)], check=True)
        shutil.rmtree(kept)
        server.start()
        yield Volume(folder)
    finally:
        server.stop("immediate")
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*arguments: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small volume for the WAL")
    done = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise missing(MissingError(f"this system lets nobody mount: {done.stderr.strip()}"))
