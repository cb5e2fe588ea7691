"""What stands behind --http, spoken to in raw bytes and without a database."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from support.talking import request, split, talk

from cdc_triggers.console import openapi
from cdc_triggers.console.calls import WAITING
from cdc_triggers.console.protocol import Limits
from cdc_triggers.console.resource import BODY_LIMIT
from cdc_triggers.console.server import Address, HttpServer, Setup, parse_address
from cdc_triggers.errors import CdcTriggersError, UsageError
from cdc_triggers.http.receiver import Receiver
from cdc_triggers.wiring.serving import Backend
from cdc_triggers.wiring.streaming import Watched

NOWHERE = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1"
Run = Callable[[Any], Any]


class Facts:
    """A telemetry that remembers."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, dict[str, object]]] = []

    def fact(self, level: str, name: str, /, **keys: object) -> None:
        self.said.append((level, name, keys))


@contextlib.asynccontextmanager
async def serving(
    readiness: Callable[[], str | None] = lambda: None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    secret: str | None = None,
    dsn: str = NOWHERE,
    limits: Limits | None = None,
    telemetry: Facts | None = None,
) -> AsyncIterator[HttpServer]:
    watched = Watched(readiness, lambda: {"recoveries": 2}, telemetry or Facts())
    backend = Backend(dsn, "slot", "pgoutput", {})
    server = HttpServer(Setup(Address(host, port), backend, secret, "default"), watched, limits)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


async def ask(server: HttpServer, *args: Any, **keys: Any) -> tuple[int, dict[str, str], Any]:
    return split(await talk(server.port, request(*args, **keys)))


def test_readyz_follows_readiness_and_livez_does_not(run: Run) -> None:
    reasons: list[str | None] = ["waiting for the slot", None]

    async def main() -> None:
        async with serving(lambda: reasons.pop(0)) as server:
            unready = {"status": "unavailable", "reason": "waiting for the slot", "recoveries": 2}
            ready = {"status": "ok", "recoveries": 2}
            assert (await ask(server, "/livez"))[::2] == (200, {"status": "ok"})
            assert (await ask(server, "/readyz"))[::2] == (503, unready)
            assert (await ask(server, "/readyz?x=1"))[::2] == (200, ready)
            await server.close()

    run(main())


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (request("/nothing"), 404),
        (request("/readyz/x"), 404),
        (request("/livez", "POST"), 405),
        (request("/livez", "OPTIONS"), 405),
        (request("/livez", "HEAD"), 200),
        (request("/livez", "HEAD", host="evil.example"), 200),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 20_000, 431),
        (b"POST /v1/metadata HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
    ],
)
def test_the_port_answers_anything_with_json(run: Run, request_bytes: bytes, status: int) -> None:
    async def main() -> None:
        async with serving() as server:
            found, headers, body = split(await talk(server.port, request_bytes))
            assert found == status
            assert headers["content-type"] == "application/json"
            assert headers["cache-control"] == "no-store"
            assert body is None or {"status"} <= set(body) or {"error", "code"} <= set(body)

    run(main())


def test_probes_close_the_connection_and_405_names_the_methods(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            answer = await talk(server.port, b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
            assert split(answer)[1]["connection"] == "close"
            assert (await ask(server, "/livez", "PUT"))[1]["allow"] == "GET, HEAD"
            assert (await ask(server, "/api/status", "PUT"))[1]["allow"] == "GET, HEAD"
            assert (await ask(server, "/v1/metadata"))[1]["allow"] == "POST"

    run(main())


def test_slow_clients_are_cut_off_and_cannot_fill_the_server(run: Run) -> None:
    limits = Limits(connections=8, receive_s=0.5)
    beginnings = (
        b"",
        b"GET /livez",
        b"POST /v1/metadata HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{",
    )

    async def main() -> None:
        async with serving(limits=limits) as server:
            for beginning in beginnings:
                slow = [asyncio.ensure_future(talk(server.port, beginning)) for _ in range(8)]
                done = await asyncio.gather(*slow, return_exceptions=True)
                assert all(isinstance(one, OSError) or one == b"" for one in done)
                assert (await ask(server, "/livez"))[0] == 200

    run(main())


def test_connections_beyond_the_limit_are_cut_off_and_those_within_go_on(run: Run) -> None:
    async def main() -> None:
        async with serving(limits=Limits(connections=2)) as server:
            held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
            with contextlib.suppress(OSError):
                assert await talk(server.port, request("/livez")) == b""
            for reader, writer in held:
                writer.write(request("/livez"))
                assert split(await reader.read())[0] == 200
                writer.close()
            assert (await ask(server, "/livez"))[0] == 200

    run(main())


def test_a_client_that_does_not_read_its_answer_is_cut_off(run: Run) -> None:
    async def main() -> None:
        limits = Limits(connections=1, answer_s=0.3, flush_s=0.3)
        async with serving(limits=limits) as server:
            with socket.create_connection(("127.0.0.1", server.port)) as deaf:
                deaf.settimeout(0)
                with contextlib.suppress(BlockingIOError):
                    deaf.send(b"GET /api/openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n" * 400)
                async with asyncio.timeout(20):
                    while not await answers(server):
                        pass

    run(main())


async def answers(server: HttpServer) -> bool:
    try:
        return bool(await talk(server.port, request("/livez")))
    except OSError:
        return False


def test_a_connection_may_carry_several_calls(run: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            again = b"GET /api/nothing HTTP/1.1\r\nhost: localhost\r\n\r\n"
            answer = await talk(server.port, again * 3 + request("/livez"))
            assert answer.count(b"HTTP/1.1 404 ") == 3
            assert answer.count(b"HTTP/1.1 200 ") == 1

    run(main())


def test_a_database_that_is_gone_is_a_503_without_the_connection_string(run: Run) -> None:
    async def main() -> None:
        telemetry = Facts()
        async with serving(telemetry=telemetry) as server:
            status, _, body = await ask(server, "/api/status")
            assert (status, body["code"]) == (503, "postgres-error")
            assert "nobody" not in body["error"]
            call = b'{"type": "export_metadata", "args": {}}'
            status, _, body = await ask(server, "/v1/metadata", "POST", call)
            assert (status, body["code"], body["path"]) == (500, "postgres-error", "$.args")
        assert [name for _, name, _ in telemetry.said][1:] == ["api.failed"] * 2

    run(main())


def test_a_database_that_does_not_answer_holds_up_neither_probes_nor_the_end(run: Run) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def main() -> None:
        deaf = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = deaf.sockets[0].getsockname()[1]
        async with serving(dsn=f"postgresql://x@127.0.0.1:{port}/x?connect_timeout=5") as server:
            calls = [asyncio.ensure_future(ask(server, "/api/status")) for _ in range(WAITING + 3)]
            done, _ = await asyncio.wait(calls, timeout=2)
            assert [call.result()[2]["code"] for call in done] == ["busy"] * 3
            assert all(call.result()[1]["retry-after"] == "1" for call in done)
            assert (await ask(server, "/livez"))[0] == 200
            assert (await ask(server, "/readyz"))[0] == 200
        await asyncio.gather(*calls, return_exceptions=True)
        deaf.close()

    run(main())


@pytest.mark.parametrize(
    "body",
    [
        request("/v1/metadata", "POST", content_length=str(BODY_LIMIT + 1)),
        request("/v1/metadata", "POST", transfer_encoding="chunked")
        + (b"10000\r\n%b\r\n" % (b"x" * 0x10000)) * (BODY_LIMIT // 0x10000 + 1),
    ],
    ids=["announced", "chunked"],
)
def test_a_body_that_is_too_large_is_refused(run: Run, body: bytes) -> None:
    async def main() -> None:
        async with serving() as server:
            assert split(await talk(server.port, body))[0] == 413
            assert (await ask(server, "/livez"))[0] == 200

    run(main())


def test_an_error_that_nobody_foresaw_is_a_500_without_its_text(run: Run) -> None:
    def broken() -> str | None:
        raise ValueError("secret-value")

    async def main() -> None:
        telemetry = Facts()
        async with serving(broken, telemetry=telemetry) as server:
            assert b"secret-value" not in await talk(server.port, request("/readyz"))
            assert (await ask(server, "/livez"))[0] == 200

    run(main())


def test_a_taken_port_is_a_clear_error(run: Run) -> None:
    async def main() -> None:
        async with Receiver() as first:
            with pytest.raises(CdcTriggersError, match="cannot listen"):
                async with serving(port=first.port):
                    pass

    run(main())


def test_an_address_without_a_port_is_a_usage_error() -> None:
    assert parse_address(":80") == ("127.0.0.1", 80)
    assert parse_address("[::1]:80") == ("::1", 80)
    assert str(parse_address(":80")) == "127.0.0.1:80"
    assert str(parse_address("[::1]:80")) == "[::1]:80"
    for text in ("8080", "localhost", "localhost:x", "localhost:65536", "localhost:²", ""):
        with pytest.raises(UsageError, match="HOST:PORT"):
            parse_address(text)


def test_only_a_port_that_all_can_reach_is_closed_without_a_secret(run: Run) -> None:
    async def main() -> None:
        for host, secret, status, kind in (
            ("127.0.0.1", None, 503, "loopback"),
            ("localhost", None, 503, "loopback"),
            ("0.0.0.0", None, 403, "closed"),
            ("0.0.0.0", "hush", 401, "secret"),
            ("127.0.0.1", "hush", 401, "secret"),
        ):
            telemetry = Facts()
            async with serving(host=host, secret=secret, telemetry=telemetry) as server:
                assert (await ask(server, "/api/status"))[0] == status
                assert (await ask(server, "/livez"))[0] == 200
                _, _, keys = telemetry.said[0]
                assert keys["api"] == kind

    run(main())


def test_all_addresses_of_a_host_have_the_port_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def two(_: str, port: int, **__: object) -> list[tuple[object, ...]]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*kind, (host, port)) for host in ("127.0.0.1", "127.0.0.2")]

    async def main() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", two)
        async with serving(host="two.example") as server:
            for host in ("127.0.0.1", "127.0.0.2"):
                _, writer = await asyncio.open_connection(host, server.port)
                writer.close()

    asyncio.run(main())


def operations() -> list[tuple[str, str]]:
    """Every call that is described, without those that are open to all."""
    paths = openapi.document(secret=True)["paths"]
    return [
        (method.upper(), path)
        for path, methods in paths.items()
        for method, call in methods.items()
        if call.get("security") != []
    ]


def test_every_call_wants_the_secret_and_takes_it_in_either_header(run: Run) -> None:
    example = {"{name}": "some", "{id}": "00000000-0000-7000-8000-000000000000"}

    async def main() -> None:
        async with serving(host="0.0.0.0", secret="hush") as server:
            for method, path in operations():
                place = path
                for name, value in example.items():
                    place = place.replace(name, value)
                keys: dict[str, Any] = {"content_type": "application/json"}
                for given in ({}, {"x_hasura_admin_secret": "hus"}, {"authorization": "Bearer x"}):
                    status, headers, body = await ask(server, place, method, **keys, **given)
                    assert (status, body["code"]) == (401, "access-denied"), (method, path)
                    assert headers["www-authenticate"] == "Bearer"
                for given in ({"x_hasura_admin_secret": "hush"}, {"authorization": "Bearer hush"}):
                    status, _, body = await ask(server, place, method, **keys, **given)
                    assert status in {400, 500, 503}, (method, path, body)
            assert (await ask(server, "/api/openapi.json"))[0] == 200

    run(main())
