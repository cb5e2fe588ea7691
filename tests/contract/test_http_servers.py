"""The receiver, spoken to in raw bytes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from typing import Any

import pytest
from support.talking import talk

from cdc_triggers.errors import UsageError
from cdc_triggers.http.receiver import Received, Receiver, Reply

POST = b"POST /a?b HTTP/1.1\r\nHost: x\r\nX-Key: v\r\nContent-Length: 3\r\n\r\nabc"


def split(answer: bytes) -> tuple[int, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body) if body else None


def test_a_taken_port_is_a_clear_error(run: Any) -> None:
    async def main() -> None:
        async with Receiver() as first:
            with pytest.raises(UsageError, match="is in use"):
                await Receiver(port=first.port).start()

    run(main())


def test_the_receiver_hands_over_requests_in_pieces_and_pipelined_in_order(run: Any) -> None:
    seen: list[Received] = []

    def handler(received: Received) -> Reply:
        seen.append(received)
        return Reply(200, (), b"%d" % len(seen), 0.01 if len(seen) == 1 else 0)

    async def main() -> None:
        async with Receiver(handler=handler) as receiver:
            reader, writer = await asyncio.open_connection("127.0.0.1", receiver.port)
            for number in range(len(POST)):
                writer.write(POST[number : number + 1])
                await writer.drain()
            last = POST.replace(b"\r\nHost", b"\r\nConnection: close\r\nHost")
            writer.write(POST * 3 + last)
            answer = await reader.read()
            assert [x[-1:] for x in answer.split(b"HTTP/1.1 ")[1:]] == [
                b"1",
                b"2",
                b"3",
                b"4",
                b"5",
            ]
            assert seen[0] == (
                "POST", "/a?b", {"host": "x", "x-key": "v", "content-length": "3"}, b"abc"
            )  # fmt: skip
            assert receiver.connections_made == 1
            writer.close()

    run(main())


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", 413),
        (b"x" * 70_000, 431),
    ],
)
def test_the_receiver_refuses_what_it_cannot_read(run: Any, data: bytes, status: int) -> None:
    async def main() -> None:
        async with Receiver() as receiver:
            assert split(await talk(receiver.port, data))[0] == status

    run(main())


def test_the_receiver_answers_expect_100_continue(run: Any) -> None:
    async def main() -> None:
        async with Receiver(reply=Reply(202)) as receiver:
            reader, writer = await asyncio.open_connection("127.0.0.1", receiver.port)
            writer.write(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"ok")
            assert (await reader.readline()).startswith(b"HTTP/1.1 202 ")
            writer.close()

    run(main())


LISTEN = "import typer; from cdc_triggers.cli.listen import listen; typer.run(listen)"


def test_listen_prints_one_json_object_per_request_and_ends_with_0() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", LISTEN, "--port", str(port), "--json", "--status", "201"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, env=os.environ) as process:  # type: ignore[call-overload]
        assert f"listening on http://127.0.0.1:{port}" in process.stderr.readline()
        body = {
            "id": "an-id",
            "table": {"schema": "public", "name": "orders"},
            "trigger": {"name": "t"},
            "event": {"op": "INSERT"},
        }
        for data in (json.dumps(body).encode(), b"no json"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/x", data, timeout=10) as answer:
                assert answer.status == 201
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        assert (first["op"], first["table"], first["id"]) == ("INSERT", "public.orders", "an-id")
        assert (second["op"], second["table"], second["id"]) == ("POST", "/x", None)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
