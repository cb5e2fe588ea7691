"""Which addresses has a host? Looked up in threads, so that one that hangs holds up no other."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Addresses = list[tuple[Any, ...]]
"""As `socket.getaddrinfo` gives them."""


class Resolver:
    """Looks up names. Whoever asks for a name that is being looked up shares its answer.

    A thread for each: lookups cannot be stopped, and a pool of threads that hang answers nobody.
    There are never more of them than there are hosts. They are daemons: none delays an exit.
    """

    def __init__(self) -> None:
        self._running: dict[tuple[str, int], asyncio.Future[Addresses]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[tuple[Any, ...]]:
        """Its addresses, the preferred one first.

        Raises:
            OSError: it has none.
            RuntimeError: there may be no more threads.
        """
        if _is_numeric(host):
            return _lookup(host, port)
        key = host, port
        running = self._running.get(key)
        if running is None:
            loop = asyncio.get_running_loop()
            running = loop.create_future()
            running.add_done_callback(lambda _: self._running.pop(key, None))
            threading.Thread(
                target=_answer,
                args=(loop, running, host, port),
                name=f"resolve {host}",
                daemon=True,
            ).start()
            self._running[key] = running  # not before: where no thread starts, nobody answers
        # one of those who wait may give up, the others wait on
        return await asyncio.shield(running)


def _is_numeric(host: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host.partition("%")[0])
        return True
    return False


def _lookup(host: str, port: int) -> Addresses:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP))


def _answer(
    loop: asyncio.AbstractEventLoop, waiting: asyncio.Future[Addresses], host: str, port: int
) -> None:
    found: Addresses | OSError
    try:
        found = _lookup(host, port)
    except OSError as error:
        found = error
    except UnicodeError:
        found = socket.gaierror(socket.EAI_NONAME, "not a host name")
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(_tell, waiting, found)


def _tell(waiting: asyncio.Future[Addresses], found: Addresses | OSError) -> None:
    if waiting.done():
        return
    if isinstance(found, OSError):
        waiting.set_exception(found)
        waiting.exception()  # taken note of, should nobody wait any more
    else:
        waiting.set_result(found)
