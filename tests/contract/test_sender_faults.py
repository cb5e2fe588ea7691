"""What every `Sender` promises when an endpoint does not. Real sockets, each adapter."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import socket
import ssl
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from support.endpoints import Peer, answers, endpoint, then_closes, then_silence
from support.sending import OK, Make, answered, failed, make_request, once, opened

from cdc_triggers.core.attempt import FailureKind, Outcome, Response
from cdc_triggers.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_refused_connection_says_so(make: Make, run: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert failed(run(once(make, url))) == (FailureKind.CONNECT, "connection refused")


def test_an_unresolvable_host_is_named_a_dns_failure(make: Make, run: Any) -> None:
    outcome = run(once(make, "http://nowhere.invalid", 20.0))
    assert failed(outcome) == (FailureKind.DNS, "the host name cannot be resolved")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-len",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
    ],
    ids=["no-headers", "half-headers", "100", "103", "half-body", "no-final-chunk"],
)
def test_silence_ends_at_the_deadline_and_drops_the_connection(
    make: Make, run: Any, raw: bytes
) -> None:
    async def main() -> None:
        async with endpoint(then_silence(raw)) as (url, seen), opened(make) as sender:
            began = time.monotonic()
            (outcome,) = await sender.send([make_request(url, timeout_s=0.3)])
            assert 0.25 < time.monotonic() - began < 2.0
            kind, message = failed(outcome)
            assert (kind, message) == (FailureKind.TIMEOUT, "no complete answer within 0.3 s")
            await seen.closed.wait()

    run(main())


@pytest.mark.parametrize("framing", ["transfer-encoding: chunked", "content-length: 999"])
def test_a_slow_drip_does_not_outlast_the_deadline(make: Make, run: Any, framing: str) -> None:
    async def drip(peer: Peer) -> None:
        await peer.request()
        await peer.write(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        gone = asyncio.ensure_future(peer.wait_until_gone())
        while not gone.done():
            await peer.write(b"1\r\nx\r\n" if "chunked" in framing else b"x")
            await asyncio.wait([gone], timeout=0.02)

    async def main() -> None:
        async with endpoint(drip) as (url, seen), opened(make) as sender:
            began = time.monotonic()
            (outcome,) = await sender.send([make_request(url, timeout_s=0.4)])
            assert failed(outcome)[0] is FailureKind.TIMEOUT
            assert time.monotonic() - began < 2.0
            await seen.closed.wait()

    run(main())


@pytest.mark.parametrize(
    "raw", [b"\x00\xffgarbage\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"]
)
def test_garbage_is_a_protocol_failure(make: Make, run: Any, raw: bytes) -> None:
    async def main() -> None:
        async with endpoint(then_closes(raw)) as (url, _seen):
            assert failed(await once(make, url))[0] is FailureKind.PROTOCOL

    run(main())


def test_a_close_without_an_answer_and_one_in_its_middle_are_told_apart(
    make: Make, run: Any
) -> None:
    async def main() -> None:
        async with endpoint(then_closes(b"")) as (url, _seen):
            kind, message = failed(await once(make, url))
            assert kind is FailureKind.CONNECT
            assert message == "the endpoint closed the connection without an answer"
        for framing in (b"content-length: 9", b"transfer-encoding: chunked"):
            raw = b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n3\r\nabc"
            async with endpoint(then_closes(raw)) as (url, _seen):
                kind, message = failed(await once(make, url))
                assert kind is FailureKind.PROTOCOL
                assert "in the middle of its answer" in message

    run(main())


def test_a_reset_is_a_connect_failure(make: Make, run: Any) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.reset()

    async def main() -> None:
        async with endpoint(script) as (url, _seen):
            assert failed(await once(make, url))[0] is FailureKind.CONNECT

    run(main())


def test_an_endpoint_that_hangs_does_not_hold_up_another(make: Make, run: Any) -> None:
    async def main() -> None:
        async with (
            endpoint(then_silence(b"")) as (hung, seen),
            endpoint(answers(OK)) as (url, _seen),
            opened(make) as sender,
        ):
            stuck = asyncio.ensure_future(sender.send([make_request(hung, timeout_s=60.0)] * 150))
            await seen.arrived.wait()
            (outcome,) = await sender.send([make_request(url)])
            assert answered(outcome).ok
            assert not stuck.done()
            stuck.cancel()
            with pytest.raises(asyncio.CancelledError):
                await stuck

    run(main())


HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"


@pytest.mark.parametrize("raw", [b"", HALF], ids=["no-headers", "half-body"])
def test_a_cancelled_send_ends_at_once_and_its_connection_with_it(
    make: Make, run: Any, raw: bytes
) -> None:
    async def main() -> None:
        async with endpoint(then_silence(raw)) as (url, seen), opened(make) as sender:
            task = asyncio.ensure_future(sender.send([make_request(url, timeout_s=60.0)]))
            await seen.arrived.wait()
            task.cancel()
            async with asyncio.timeout(5.0):
                await asyncio.wait([task])
                await seen.closed.wait()
            assert task.cancelled()
            assert seen.connections == 1

    run(main())


def test_an_abandoned_request_is_not_mixed_up_with_the_next(make: Make, run: Any) -> None:
    async def main() -> None:
        release = asyncio.Event()

        async def script(peer: Peer) -> None:
            while True:
                await peer.request()
                body = peer.seen.bodies[-1]
                if body == b"first":
                    await release.wait()
                await peer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
                )

        async with endpoint(script) as (url, seen), opened(make) as sender:
            task = asyncio.ensure_future(sender.send([make_request(url, b"first")]))
            await seen.arrived.wait()
            task.cancel()
            await asyncio.wait([task])
            release.set()
            for number in range(10):
                body = b"%d" % number
                (outcome,) = await sender.send([make_request(url, body)])
                assert answered(outcome).body == body

    run(main())


def tls(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


def test_tls_needs_a_trusted_ca_the_right_host_and_a_valid_date(make: Make, run: Any) -> None:
    ca, other = trustme.CA(), trustme.CA()
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    pem = ca.cert_pem.bytes()

    async def attempt(certificate: trustme.LeafCert, ca_pem: bytes | None) -> Outcome:
        async with endpoint(answers(OK), tls(certificate)) as (url, seen):
            outcome = await once(make, url, ca_pem=ca_pem)
            assert len(seen.heads) == (1 if isinstance(outcome, Response) else 0)
            return outcome

    async def main() -> None:
        assert answered(await attempt(ca.issue_cert("127.0.0.1"), pem)).ok
        for certificate, ca_pem, words in (
            (ca.issue_cert("127.0.0.1"), None, "from an unknown issuer"),
            (other.issue_cert("127.0.0.1"), pem, "from an unknown issuer"),
            (ca.issue_cert("shop.example"), pem, "for another host name"),
            (ca.issue_cert("127.0.0.1", not_after=past), pem, "has expired"),
        ):
            kind, message = failed(await attempt(certificate, ca_pem))
            assert kind is FailureKind.TLS
            assert words in message

    run(main())


def test_https_to_a_plain_port_is_a_tls_failure(make: Make, run: Any) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def main() -> None:
        async with endpoint(script) as (url, _seen):
            outcome = await once(make, url.replace("http:", "https:"))
            assert failed(outcome)[0] is FailureKind.TLS

    run(main())


def test_ssl_cert_file_adds_a_ca(
    make: Make, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    async def main() -> None:
        async with endpoint(answers(OK), tls(ca.issue_cert("127.0.0.1"))) as (url, _seen):
            assert answered(await once(make, url)).ok

    run(main())


def test_a_ca_bundle_without_a_certificate_is_refused(make: Make) -> None:
    with pytest.raises(UsageError, match="no PEM certificate"):
        make(ca_pem=b"not a certificate")


EXIT = """
import asyncio, uvloop
from cdc_triggers.core.attempt import Request
from cdc_triggers.http.{module} import {name} as Sender
from cdc_triggers.http.receiver import Receiver, Reply
async def main():
    async with Receiver() as fast, Receiver(reply=Reply(delay_s=60)) as slow:
        sender = Sender()
        request = lambda url: Request(url, (), b"{{}}", 30.0)
        outcomes = await sender.send([request(fast.url)] * 50)
        assert all(outcome.ok for outcome in outcomes)
        stuck = asyncio.ensure_future(sender.send([request(slow.url)] * 50))
        await asyncio.wait([stuck], timeout=0.02)
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)
        await sender.close()
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
"""


@pytest.mark.parametrize("_round", range(3))
def test_the_interpreter_exits_cleanly_after_close(make: Make, _round: int) -> None:
    name = make.__name__
    code = EXIT.format(module=make.__module__.rsplit(".", 1)[1], name=name)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ,
    )
    assert (done.returncode, done.stderr) == (0, "")
