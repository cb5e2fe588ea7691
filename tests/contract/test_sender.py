"""What every `Sender` promises when an endpoint answers. Real sockets, each adapter."""

from __future__ import annotations

import asyncio
import gzip
import socket
from base64 import b64encode
from typing import Any

import pytest
from support.endpoints import Peer, answers, endpoint, then_closes
from support.sending import OK, SECRET, Make, answered, failed, make_request, once, opened

from cdc_triggers.core.attempt import RESPONSE_BODY_LIMIT, FailureKind
from cdc_triggers.http.httptools_sender import HttptoolsSender
from cdc_triggers.http.httpx_sender import HttpxSender
from cdc_triggers.http.receiver import Receiver, Reply


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299, 301, 304, 400, 404, 429, 500, 503])
def test_every_status_is_a_response_and_only_2xx_is_ok(make: Make, run: Any, status: int) -> None:
    bodyless = status in {204, 304}
    raw = b"HTTP/1.1 %d X\r\n" % status
    raw += b"\r\n" if bodyless else b"content-length: 2\r\n\r\nhi"

    async def main() -> None:
        async with endpoint(answers(raw)) as (url, _seen):
            response = answered(await once(make, url))
            assert response.status == status
            assert response.body == (b"" if bodyless else b"hi")
            assert response.ok is (status < 300)

    run(main())


def test_a_redirect_to_itself_is_returned_and_not_followed(make: Make, run: Any) -> None:
    async def main() -> None:
        raw = b"HTTP/1.1 307 X\r\nlocation: /\r\ncontent-length: 0\r\n\r\n"
        async with endpoint(answers(raw)) as (url, seen):
            response = answered(await once(make, url))
            assert response.status == 307
            assert ("location", "/") in response.headers
            assert len(seen.heads) == 1

    run(main())


def test_the_very_bytes_and_headers_arrive_in_one_post(make: Make, run: Any) -> None:
    body = bytes(range(256)) * 5000
    headers = (("X-Key", 'a  b;c="d"'), ("X-Word", "grün 日本"), ("User-Agent", "mine"))

    async def main() -> None:
        async with endpoint(answers(OK)) as (url, seen), opened(make) as sender:
            (outcome,) = await sender.send([make_request(f"{url}/a/b?c=d", body, headers=headers)])
            assert answered(outcome).ok
            assert seen.bodies == [body]
            first, *lines = seen.heads[0].decode().split("\r\n")
            assert first == "POST /a/b?c=d HTTP/1.1"
            sent = {n.lower(): v.strip() for n, _, v in (x.partition(":") for x in lines if x)}
            assert sent["content-type"] == "application/json"
            assert sent["content-length"] == str(len(body))
            for name, value in headers:
                assert sent[name.lower()] == value
            assert "accept-encoding" not in sent
            assert "cookie" not in sent

    run(main())


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("body", [b"", b'{"a": 1}'])
def test_another_method_arrives_with_a_body_and_without(
    make: Make, run: Any, method: str, body: bytes
) -> None:
    async def main() -> None:
        async with endpoint(answers(OK)) as (url, seen), opened(make) as sender:
            request = make_request(f"{url}/a", body)._replace(method=method)
            (outcome, again) = await sender.send([request, request._replace(method="POST")])
            assert answered(outcome).ok
            assert answered(again).ok
            firsts = sorted(head.split(b" ")[0].decode() for head in seen.heads)
            assert firsts == sorted([method, "POST"])
            assert seen.bodies == [body, body]
            for head in seen.heads:
                expected = body or head.startswith((b"POST", b"PUT", b"PATCH"))
                assert not expected or b"content-length: " in head.lower()

    run(main())


def test_name_and_password_of_a_url_become_a_header_unless_there_is_one(
    make: Make, run: Any
) -> None:
    async def main() -> None:
        async with endpoint(answers(OK)) as (url, seen), opened(make) as sender:
            with_user = url.replace("://", "://me:a%20b@")
            await sender.send([make_request(with_user)])
            await sender.send([make_request(with_user, headers=(("Authorization", "Bearer x"),))])
        said = [
            [line for line in head.decode().lower().split("\r\n") if line.startswith("authori")]
            for head in seen.heads
        ]
        assert said[0] == [f"authorization: basic {b64encode(b'me:a b').decode().lower()}"]
        assert len(said[1]) == 1 or make is HttpxSender  # httpx prefers the URL
        assert all(b"me:a" not in head for head in seen.heads)

    run(main())


def test_a_header_given_twice_arrives_twice(make: Make, run: Any) -> None:
    async def main() -> None:
        async with endpoint(answers(OK)) as (url, seen), opened(make) as sender:
            await sender.send([make_request(url, headers=(("X-A", "1"), ("X-A", "2")))])
            assert seen.heads[0].lower().count(b"\r\nx-a:") == 2

    run(main())


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
def test_a_framing_header_is_an_invalid_request(make: Make, run: Any, name: str) -> None:
    async def main() -> None:
        async with endpoint(answers(OK)) as (url, seen), opened(make) as sender:
            (outcome,) = await sender.send([make_request(url, headers=((name, "7"),))])
            assert failed(outcome)[0] is FailureKind.INVALID_REQUEST
            assert seen.connections == 0

    run(main())


@pytest.mark.parametrize(
    "url",
    ["", "nowhere", "ftp://127.0.0.1/x", "http://", "http://[::1", "http://127.0.0.1:99999/"],
)
def test_an_invalid_url_is_an_invalid_request(make: Make, run: Any, url: str) -> None:
    async def main() -> None:
        async with opened(make) as sender:
            (outcome,) = await sender.send([make_request(url)])
            assert failed(outcome)[0] is FailureKind.INVALID_REQUEST

    run(main())


@pytest.mark.parametrize("pair", [("X-A", "\ud800"), ("X-A\n", "1"), ("X: A", "1"), ("", "1")])
def test_a_header_that_cannot_be_written_is_an_invalid_request(
    make: Make, run: Any, pair: tuple[str, str]
) -> None:
    async def main() -> None:
        async with endpoint(answers(OK)) as (url, seen), opened(make) as sender:
            (outcome,) = await sender.send([make_request(url, headers=(pair,))])
            assert failed(outcome)[0] is FailureKind.INVALID_REQUEST
            assert seen.heads == []

    run(main())


def test_a_line_break_in_a_header_is_an_invalid_request(make: Make, run: Any) -> None:
    async def main() -> None:
        async with endpoint(answers(OK)) as (url, seen), opened(make) as sender:
            (outcome,) = await sender.send(
                [make_request(url, headers=(("X-A", f"{SECRET}\r\nX: 1"),))]
            )
            kind, message = failed(outcome)
            assert kind is FailureKind.INVALID_REQUEST
            assert SECRET not in message
            assert seen.heads == []

    run(main())


def test_an_endless_answer_is_read_to_the_limit_and_no_further(make: Make, run: Any) -> None:
    total = 10 * 1024 * 1024
    written = 0

    async def flood(peer: Peer) -> None:
        nonlocal written
        raw = peer.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        peer.writer.transport.set_write_buffer_limits(high=0)
        await peer.request()
        await peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        while written < total:
            await peer.write(b"x" * 16384)
            written += 16384
        await peer.wait_until_gone()

    async def main() -> None:
        async with endpoint(flood) as (url, seen), opened(make) as sender:
            (outcome,) = await sender.send([make_request(url)])
            response = answered(outcome)
            assert response.body == b"x" * RESPONSE_BODY_LIMIT
            assert response.truncated
            await seen.closed.wait()
            assert written < total
            # The next attempt must not read the rest of this answer.
            (outcome,) = await sender.send([make_request(url)])
            assert answered(outcome).status == 200
            assert seen.connections == 2

    run(main())


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_truncated_is_said_exactly_when_there_was_more(make: Make, run: Any, extra: int) -> None:
    size = RESPONSE_BODY_LIMIT + extra
    raw = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"y" * size

    async def main() -> None:
        async with endpoint(answers(raw)) as (url, _seen):
            response = answered(await once(make, url))
            assert len(response.body) == min(size, RESPONSE_BODY_LIMIT)
            assert response.truncated is (extra > 0)

    run(main())


def test_a_gzip_answer_is_left_as_it_is(make: Make, run: Any) -> None:
    packed = gzip.compress(b"hello" * 100)
    raw = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)

    async def main() -> None:
        async with endpoint(answers(raw + packed)) as (url, _seen):
            assert answered(await once(make, url)).body == packed

    run(main())


def test_a_chunked_answer_and_one_that_ends_with_the_connection_are_whole(
    make: Make, run: Any
) -> None:
    async def main() -> None:
        head = b"HTTP/1.1 200 OK\r\n"
        chunked = head + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"
        async with endpoint(answers(chunked)) as (url, _seen):
            assert answered(await once(make, url)).body == b"abc"
        async with endpoint(then_closes(head + b"\r\nabc")) as (url, _seen):
            assert answered(await once(make, url)).body == b"abc"

    run(main())


def test_retry_after_is_visible_under_a_lower_case_name(make: Make, run: Any) -> None:
    async def main() -> None:
        raw = b"HTTP/1.1 503 X\r\nRETRY-After: 17\r\nX-Bad: \xfc\xff\r\ncontent-length: 0\r\n\r\n"
        async with endpoint(answers(raw)) as (url, _seen):
            headers = answered(await once(make, url)).headers
            assert ("retry-after", "17") in headers
            assert ("x-bad", "\N{REPLACEMENT CHARACTER}" * 2) in headers

    run(main())


def test_cookies_of_an_endpoint_are_not_sent_back(make: Make, run: Any) -> None:
    async def main() -> None:
        raw = b"HTTP/1.1 200 X\r\nset-cookie: a=b; Path=/\r\ncontent-length: 0\r\n\r\n"
        async with endpoint(answers(raw)) as (url, seen), opened(make) as sender:
            await sender.send([make_request(url)])
            await sender.send([make_request(url)])
            assert b"a=b" not in seen.heads[1]

    run(main())


def test_one_connection_carries_many_requests(make: Make, run: Any) -> None:
    async def main() -> None:
        async with endpoint(answers(OK)) as (url, seen), opened(make) as sender:
            for _ in range(20):
                await sender.send([make_request(url)])
            assert seen.connections == 1
            assert len(seen.bodies) == 20

    run(main())


def test_a_kept_alive_connection_that_the_server_closed_costs_no_attempt(
    make: Make, run: Any
) -> None:
    async def main() -> None:
        async with endpoint(then_closes(OK)) as (url, seen), opened(make) as sender:
            for number in range(1, 21):
                (outcome,) = await sender.send([make_request(url)])
                assert answered(outcome).ok
                assert seen.connections == number

    run(main())


def test_200_requests_at_once_each_get_their_own_answer_in_order(make: Make, run: Any) -> None:
    count = 200
    bodies = [b"%d" % number for number in range(count)]

    async def main() -> None:
        arrived = 0
        everybody = asyncio.Event()

        async def script(peer: Peer) -> None:
            nonlocal arrived
            await peer.request()
            body = peer.seen.bodies[-1]
            arrived += 1
            if arrived == count:
                everybody.set()
            await everybody.wait()  # none is answered before all are in flight
            await peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

        async with endpoint(script) as (url, seen), opened(make) as sender:
            outcomes = await sender.send([make_request(url, body, 20.0) for body in bodies])
            assert [answered(outcome).body for outcome in outcomes] == bodies
            assert seen.connections == count

    run(main())


def test_close_is_idempotent_and_a_later_send_is_a_failure(make: Make, run: Any) -> None:
    async def main() -> None:
        sender = make()
        await sender.close()
        await sender.close()
        (outcome,) = await sender.send([make_request("http://127.0.0.1:1/")])
        assert failed(outcome) == (FailureKind.CONNECT, "the sender is closed")
        assert await sender.send([]) in ([], ())

    run(main())


def test_an_environment_proxy_is_not_used_by_httptools(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def main() -> None:
        async with endpoint(answers(OK)) as (url, _seen):
            assert answered(await once(HttptoolsSender, url)).ok

    run(main())


def test_the_receiver_answers_what_it_is_told(make: Make, run: Any) -> None:
    async def main() -> None:
        def handler(received: Any) -> Reply:
            return Reply(201, (("x-path", received.path),), received.body.upper(), 0.01)

        async with Receiver(handler=handler) as receiver, opened(make) as sender:
            outcomes = await sender.send([make_request(f"{receiver.url}/a?b", b"abc")] * 5)
            for outcome in outcomes:
                response = answered(outcome)
                assert (response.status, response.body) == (201, b"ABC")
                assert ("x-path", "/a?b") in response.headers
            assert receiver.requests == 5

    run(main())
