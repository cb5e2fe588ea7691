"""Debian's nginx as the receiver: it answers every POST with 200, and counts."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.errors import BenchError
from bench.programs import end, find, wait_until
from cdc_triggers.postgres import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator

# One connection takes as many requests as it likes: with the default of 1,000 both wrk and the
# stream would be measured at connecting again. The one that asks for the count may be idle for a
# whole run of a peer. Nothing is logged, so that no disk is measured.
_CONF: Final = """\
daemon off;
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    keepalive_timeout 2h;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ return 200; }}
        location = /_status {{ stub_status; }}
    }}
}}
"""


class Nginx:
    """A running one; `count` starts at 0."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._status = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._asked = 0

    def count(self) -> tuple[int, float]:
        """How many requests there were without these questions, and when that was (monotonic)."""
        self._asked += 1
        self._status.request("GET", "/_status")
        text = self._status.getresponse().read().decode()
        # the third line: accepted connections, handled ones, requests
        return int(text.splitlines()[2].split()[2]) - self._asked, time.monotonic()

    def close(self) -> None:
        """Close the connection that asks."""
        self._status.close()


@contextlib.contextmanager
def running() -> Iterator[Nginx]:
    """Start one, and end it.

    Raises:
        MissingError: it is not installed.
    """
    program = find("nginx")
    with tempfile.TemporaryDirectory(prefix="cdc-triggers-bench-nginx-") as name:
        folder, port = Path(name), embedded.free_port(7)
        user = "user www-data;" if os.geteuid() == 0 else ""
        folder.chmod(0o711)
        conf = folder / "nginx.conf"
        conf.write_text(_CONF.format(folder=folder, port=port, user=user))
        arguments = (program, "-p", name, "-c", str(conf), "-e", str(folder / "error.log"))
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - no shell
        nginx = Nginx(port)
        try:
            wait_until(lambda: _answers(nginx, process, folder), 10, "nginx answers")
            yield nginx
        finally:
            nginx.close()
            end(process)


def _answers(nginx: Nginx, process: subprocess.Popen[bytes], folder: Path) -> bool:
    if process.poll() is not None:
        raise BenchError("nginx ended", hint=(folder / "error.log").read_text()[-1000:])
    try:
        nginx.count()
    except OSError:
        nginx.close()
        nginx._asked = 0  # noqa: SLF001 - the question was not counted
        return False
    return True
