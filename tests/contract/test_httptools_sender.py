"""What only the sender of the hot path promises: of its connections, and of looking up names."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import trustme
from aiohappyeyeballs import start_connection
from support.endpoints import Peer, answers, endpoint
from support.sending import OK, answered, failed, make_request, opened
from support.waiting import until

from cdc_triggers.core.attempt import FailureKind
from cdc_triggers.http.httptools_sender import HttptoolsSender

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def test_a_connection_that_was_idle_for_too_long_is_given_up(run: Callable[..., Any]) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.write(OK)
        await peer.wait_until_gone()

    async def main() -> None:
        async with endpoint(script) as (url, seen), opened(HttptoolsSender, idle_s=0.1) as sender:
            assert answered((await sender.send([make_request(url)]))[0]).ok
            async with asyncio.timeout(10.0):
                await seen.closed.wait()

    run(main())


def test_a_send_that_is_cancelled_while_it_connects_closes_its_socket_once(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed again, its number could be another connection's by then, or that to PostgreSQL."""
    made: list[socket.socket] = []

    async def main() -> None:
        async def connect(*arguments: Any, **options: Any) -> socket.socket:
            made.append(await start_connection(*arguments, **options))
            asyncio.get_running_loop().call_soon(task.cancel)
            return made[-1]

        monkeypatch.setattr("cdc_triggers.http.httptools_sender.start_connection", connect)
        async with endpoint(answers(OK)) as (url, _), opened(HttptoolsSender) as sender:
            task = asyncio.ensure_future(sender.send([make_request(url)]))
            await asyncio.wait([task])
            assert task.cancelled()
            assert [sock.fileno() for sock in made] == [-1], "nothing is left to be closed"

    run(main())


def test_no_more_than_so_many_idle_connections_are_kept(run: Callable[..., Any]) -> None:
    left = 0

    async def script(peer: Peer) -> None:
        nonlocal left
        await peer.request()
        await peer.write(OK)
        await peer.wait_until_gone()
        left += 1

    async def main() -> None:
        async with (
            endpoint(script) as (url, seen),
            opened(HttptoolsSender, idle_s=60.0, max_idle_per_host=3) as sender,
        ):
            await sender.send([make_request(url)] * 10)
            await until(lambda: left == seen.connections - 3, "all but three are closed")
            assert seen.connections == 10

    run(main())


def test_an_answer_before_the_end_of_the_request_costs_the_connection(
    run: Callable[..., Any],
) -> None:
    async def early(peer: Peer) -> None:
        head = await peer.reader.readuntil(b"\r\n\r\n")
        peer.seen.heads.append(head)
        await peer.write(b"HTTP/1.1 413 X\r\ncontent-length: 0\r\n\r\n")
        await peer.wait_until_gone()

    async def main() -> None:
        async with endpoint(early) as (url, seen), opened(HttptoolsSender) as sender:
            (outcome,) = await sender.send([make_request(url, b"x" * 50_000_000, 20.0)])
            assert answered(outcome).status == 413
            await seen.closed.wait()

    run(main())


def test_over_tls_an_answer_before_the_end_of_the_request_costs_the_connection_too(
    run: Callable[..., Any],
) -> None:
    ca = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(tls)

    async def script(peer: Peer) -> None:
        if peer.seen.connections > 1:
            await answers(OK)(peer)
            return
        await peer.request()
        await peer.write(OK)
        peer.seen.heads.append(await peer.reader.readuntil(b"\r\n\r\n"))
        await peer.write(b"HTTP/1.1 413 X\r\ncontent-length: 0\r\n\r\n")
        await asyncio.Event().wait()

    async def main() -> None:
        async with (
            endpoint(script, tls) as (url, seen),
            opened(HttptoolsSender, ca_pem=ca.cert_pem.bytes()) as sender,
        ):
            large = make_request(url, b"x" * 20_000_000, 20.0)
            for status, connections in ((200, 1), (413, 1), (200, 2)):
                (outcome,) = await sender.send([large])
                assert answered(outcome).status == status
                assert seen.connections == connections

    run(main())


def test_what_comes_unasked_costs_the_connection_and_not_the_next_request(
    run: Callable[..., Any],
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.write(OK)
        await peer.write(b"HTTP/1.1 408 Timeout\r\ncontent-length: 0\r\n\r\n")
        await peer.wait_until_gone()

    async def main() -> None:
        async with endpoint(script) as (url, seen), opened(HttptoolsSender) as sender:
            for number in range(1, 6):
                assert answered((await sender.send([make_request(url)]))[0]).ok
                assert seen.connections == number

    run(main())


def test_a_name_that_hangs_holds_up_no_other_and_is_looked_up_once(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, release, asked = socket.getaddrinfo, threading.Event(), list[str]()

    def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        if host.startswith("hangs"):
            release.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "later")
        return real("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    async def main() -> None:
        async with endpoint(answers(OK)) as (url, _seen), opened(HttptoolsSender) as sender:
            hung = [
                make_request(f"http://hangs-{n}.example/", timeout_s=25.0)
                for n in range(100)
                for _ in range(3)
            ]
            stuck = asyncio.ensure_future(sender.send(hung))
            await until(lambda: len(asked) == 100, "every name is being looked up")
            (outcome,) = await sender.send([make_request(url.replace("127.0.0.1", "fine.example"))])
            assert answered(outcome).ok
            (outcome,) = await sender.send([make_request("http://hangs-1.example/", timeout_s=0.2)])
            assert failed(outcome)[0] is FailureKind.TIMEOUT
            assert not stuck.done()
            release.set()
            assert {failed(each)[0] for each in await stuck} == {FailureKind.DNS}
            assert len(asked) == 101

    run(main())


def test_a_host_that_newer_rules_do_not_allow_is_called(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with endpoint(answers(OK)) as (url, _seen), opened(HttptoolsSender) as sender:
            port = int(url.rsplit(":", 1)[1])
            here = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: here)
            (outcome,) = await sender.send([make_request(f"http://xn--ls8h.example:{port}/")])
            assert answered(outcome).ok

    run(main())


def test_the_second_address_is_tried_when_the_first_does_not_answer(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with endpoint(answers(OK)) as (url, _seen), opened(HttptoolsSender) as sender:
            port = int(url.rsplit(":", 1)[1])
            with socket.socket() as full:
                full.bind(("127.0.0.1", 0))  # bound, and nobody listens: refused
                both = [
                    (socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname()),
                    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
                ]
                monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
                (outcome,) = await sender.send([make_request(f"http://two.example:{port}/")])
                assert answered(outcome).ok

    run(main())


def test_a_name_that_no_thread_could_look_up_is_looked_up_again(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = threading.Thread.start

    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        async with endpoint(answers(OK)) as (url, _seen), opened(HttptoolsSender) as sender:
            request = make_request(url.replace("127.0.0.1", "localhost"))
            monkeypatch.setattr(threading.Thread, "start", start)
            (outcome,) = await sender.send([request])
            assert failed(outcome)[0] is FailureKind.CONNECT
            monkeypatch.setattr(threading.Thread, "start", real)
            (outcome,) = await sender.send([request])
            assert answered(outcome).ok

    run(main())
