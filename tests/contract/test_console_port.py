"""The console's pages in raw HTTP and without a database: who gets in, and by which headers."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest

from cdc_triggers.console.pages.live import AT_ONCE
from cdc_triggers.console.server import Address, HttpServer, Setup
from cdc_triggers.wiring.serving import Backend
from cdc_triggers.wiring.streaming import Watched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOWHERE = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1"
SECRET = "s3cret ä"


class Facts:
    """A telemetry that remembers."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, dict[str, object]]] = []

    def fact(self, level: str, name: str, /, **keys: object) -> None:
        self.said.append((level, name, keys))


class Client:
    """A browser as far as it matters: cookies by hand."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""

    async def ask(
        self, path: str, form: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, list[tuple[str, str]], str]:
        body = b"" if form is None else urlencode(form).encode()
        lines = [f"{'GET' if form is None else 'POST'} {path} HTTP/1.1"]
        sent = {"host": f"127.0.0.1:{self.port}", "connection": "close"}
        if form is not None:
            sent |= {"content-type": "application/x-www-form-urlencoded"}
            sent |= {"content-length": str(len(body))}
        if self.cookie:
            sent["cookie"] = self.cookie
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines += [f"{name}: {value}" for name, value in sent.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(head + body)
        answer = await reader.read()
        writer.close()
        told, _, content = answer.partition(b"\r\n\r\n")
        first, *rest = told.decode("latin-1").split("\r\n")
        pairs = [(n.lower(), v) for n, _, v in (line.partition(": ") for line in rest)]
        for name, value in pairs:
            if name == "set-cookie" and value.startswith(f"cdc_triggers_{self.port}="):
                self.cookie = value.partition(";")[0]
        return int(first.split()[1]), pairs, content.decode()


@contextlib.asynccontextmanager
async def serving(
    secret: str | None, host: str = "127.0.0.1", facts: Facts | None = None
) -> AsyncIterator[Client]:
    watched = Watched(lambda: None, dict, facts or Facts())
    setup = Setup(Address(host, 0), Backend(NOWHERE, "slot", "pgoutput", {}), secret, "default")
    server = HttpServer(setup, watched)
    await server.start()
    try:
        yield Client(server.port)
    finally:
        await server.close()


def of(pairs: list[tuple[str, str]], name: str) -> str:
    return next((value for key, value in pairs if key == name), "")


def test_signing_in_gives_a_cookie_that_opens_the_console_and_not_the_api(run: Any) -> None:
    facts = Facts()

    async def main() -> None:
        async with serving(SECRET, facts=facts) as client:
            status, pairs, _ = await client.ask("/console/slot?a=b")
            assert (status, of(pairs, "location")) == (
                303,
                f"/console/login?to={quote('/console/slot?a=b', safe='')}",
            )
            assert (await client.ask("/console/login", {"secret": "no"}))[0] == 401
            status, pairs, text = await client.ask(
                "/console/login", {"secret": SECRET, "to": "//evil.test"}, x_forwarded_proto="https"
            )
            assert (status, of(pairs, "location"), text) == (303, "/console", "")
            cookie = of(pairs, "set-cookie")
            for rule in ("HttpOnly", "SameSite=Strict", "Secure", "Path=/", "Max-Age=43200"):
                assert rule in cookie
            assert SECRET not in cookie
            status, pairs, text = await client.ask("/console")
            assert status == 200
            assert "no-store" in of(pairs, "cache-control")
            assert "default-src 'none'" in of(pairs, "content-security-policy")
            assert SECRET not in text
            assert (await client.ask("/api/status"))[0] == 401
            status, pairs, _ = await client.ask("/console/logout", {})
            assert "Max-Age=0" in of(pairs, "set-cookie")

    run(main())
    names = [name for _, name, _ in facts.said if name.startswith("console.")]
    assert names == ["console.sign_in_refused", "console.signed_in"]
    assert SECRET not in str(facts.said)


def test_a_form_needs_the_token_of_its_own_session(run: Any) -> None:
    async def main() -> None:
        async with serving(SECRET) as client:
            await client.ask("/console/login", {"secret": SECRET})
            text = (await client.ask("/console"))[2]
            token = re.findall(r'name="token" value="(\w+)"', text)[0]
            path = "/console/theme"
            assert (await client.ask(path, {"theme": "dark"}))[0] == 403
            assert (await client.ask(path, {"theme": "dark", "token": "0" * 64}))[0] == 403
            done = await client.ask(path, {"theme": "dark", "token": token, "to": "/console/slot"})
            assert (done[0], of(done[1], "location")) == (303, "/console/slot")
            other = Client(client.port)
            await other.ask("/console/login", {"secret": SECRET})
            assert (await other.ask(path, {"theme": "dark", "token": token}))[0] == 403
            from_elsewhere = {"token": token, "theme": "dark"}
            refused = await client.ask(path, from_elsewhere, sec_fetch_site="cross-site")
            assert refused[0] == 403

    run(main())


def test_a_link_from_elsewhere_that_brings_no_cookie_is_asked_again(run: Any) -> None:
    async def main() -> None:
        async with serving(SECRET) as client:
            status, _, text = await client.ask(
                "/console", sec_fetch_site="cross-site", sec_fetch_mode="navigate"
            )
            assert (status, 'http-equiv="refresh"' in text) == (200, True)
            fetched = await client.ask("/console", sec_fetch_site="cross-site")
            assert fetched[0] == 403

    run(main())


def test_without_a_secret_only_this_machine_gets_in(run: Any) -> None:
    async def main() -> None:
        async with serving(None) as client:
            assert (await client.ask("/console"))[0] == 200
            assert (await client.ask("/console", host="rebound.test"))[0] == 403
            assert (await client.ask("/console", x_forwarded_for="10.0.0.1"))[0] == 403
            status, pairs, _ = await client.ask("/console/login")
            assert (status, of(pairs, "location")) == (303, "/console")
        async with serving(None, host="0.0.0.0") as client:
            status, _, text = await client.ask("/console")
            assert status == 403
            assert "CDC_TRIGGERS_ADMIN_SECRET" in text

    run(main())


def test_pages_say_that_the_database_is_away_and_stay_pages(run: Any) -> None:
    async def main() -> None:
        async with serving(None) as client:
            for path in ("/console", "/console/slot"):
                assert (await client.ask(path))[0] == 200
            status, pairs, text = await client.ask("/console/triggers")
            assert status == 503
            assert of(pairs, "content-type").startswith("text/html")
            assert "Connection refused" in text

    run(main())


def test_static_files_are_kept_by_browsers_and_nothing_else_is_among_them(run: Any) -> None:
    async def main() -> None:
        async with serving(SECRET) as client:
            status, pairs, text = await client.ask("/console/static/console.css?v=1")
            assert (status, "immutable" in of(pairs, "cache-control")) == (200, True)
            assert text.startswith("/*")
            for name in ("..%2fserver.py", "none.css", "%2e%2e/__init__.py"):
                assert (await client.ask(f"/console/static/{name}"))[0] in {303, 404}

    run(main())


@pytest.mark.parametrize("path", ["/", "/console/", "/console/nothing"])
def test_other_addresses_lead_somewhere(run: Any, path: str) -> None:
    async def main() -> None:
        async with serving(None) as client:
            status, pairs, _ = await client.ask(path)
            assert (status, of(pairs, "location")) in {(303, "/console"), (404, "")}

    run(main())


async def live_page(port: int) -> tuple[bytes, asyncio.StreamWriter]:
    """The beginning of what a live page is told, and the connection that goes on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /console/live HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode())
    told = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " in told:
        told += await reader.readuntil(b"data: ")
    return told, writer


def test_so_many_pages_may_be_live_and_one_that_goes_makes_room_for_another(run: Any) -> None:
    async def main() -> None:
        async with serving(None) as client:
            told = [await live_page(client.port) for _ in range(AT_ONCE)]
            assert all(b"text/event-stream" in text for text, _ in told)
            refused, writer = await live_page(client.port)
            assert b" 503 " in refused
            writer.close()
            told[0][1].close()
            async with asyncio.timeout(20):
                while b" 503 " in refused:
                    refused, _ = await live_page(client.port)
            for _, writer in told:
                writer.close()

    run(main())
