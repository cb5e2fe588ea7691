"""What an endpoint sends is read the same however it is cut; no bytes break the reader."""

from __future__ import annotations

import gc
import itertools
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from cdc_triggers.core.attempt import RESPONSE_BODY_LIMIT, Failure, Response
from cdc_triggers.http.answer import HEAD_LIMIT, Answer, whole_answer

TOKEN = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).map(
    lambda name: f"x-{name}"
)
VALUE = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=20)
HEADERS = st.lists(st.tuples(TOKEN, VALUE), max_size=5)
BODY = st.binary(max_size=300)
STATUS = st.integers(200, 599).filter(lambda status: status not in {204, 304})


def written(status: int, headers: list[tuple[str, str]], framing: bytes) -> bytes:
    lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers)
    return b"HTTP/1.1 %d Said\r\n%b%b\r\n" % (status, lines, framing)


def chunked(parts: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part) + b"0\r\n\r\n"


def read(raw: bytes, cuts: list[int]) -> Answer:
    """Fed in pieces that end at the cuts, as the connection does it."""
    answer = Answer()
    places = sorted({cut % (len(raw) + 1) for cut in cuts} | {0, len(raw)})
    for start, end in itertools.pairwise(places):
        answer.feed(raw[start:end])
        if answer.outcome is not None:
            break
    return answer


CUTS = st.lists(st.integers(0, 2_000), max_size=8)


@given(STATUS, HEADERS, BODY, CUTS)
def test_an_answer_of_a_known_length_is_the_same_in_any_pieces(
    status: int, headers: list[tuple[str, str]], body: bytes, cuts: list[int]
) -> None:
    raw = written(status, headers, b"content-length: %d\r\n" % len(body)) + body
    answer = read(raw, cuts)
    expected = (*headers, ("content-length", str(len(body))))
    assert answer.outcome == Response(status, expected, body)
    assert answer.reusable
    assert whole_answer(raw) == answer.outcome


@given(STATUS, st.lists(BODY, max_size=5), CUTS, st.sampled_from([b"", b"x-late: 1\r\n"]))
def test_chunks_are_one_body_and_trailers_are_not_headers(
    status: int, parts: list[bytes], cuts: list[int], trailer: bytes
) -> None:
    end = chunked(parts).removesuffix(b"\r\n") + trailer + b"\r\n"
    answer = read(written(status, [], b"transfer-encoding: chunked\r\n") + end, cuts)
    framing = (("transfer-encoding", "chunked"),)
    assert answer.outcome == Response(status, framing, b"".join(parts))
    assert answer.reusable


@given(STATUS, BODY, CUTS)
def test_an_answer_that_ends_with_its_connection_is_whole_only_then(
    status: int, body: bytes, cuts: list[int]
) -> None:
    answer = read(written(status, [], b"") + body, cuts)
    assert answer.outcome is None
    answer.end()
    assert answer.outcome == Response(status, (), body)
    assert not answer.reusable


@given(BODY.filter(bool), st.integers(0, 299), CUTS)
def test_one_that_is_cut_off_is_no_answer(body: bytes, missing: int, cuts: list[int]) -> None:
    raw = written(200, [], b"content-length: %d\r\n" % len(body)) + body
    answer = read(raw[: -1 - missing % len(raw)], cuts)
    answer.end()
    assert isinstance(answer.outcome, Failure)
    assert not answer.reusable


@given(st.lists(st.sampled_from([100, 102, 103]), max_size=4), BODY, CUTS)
def test_interim_answers_are_passed_over(interim: list[int], body: bytes, cuts: list[int]) -> None:
    before = b"".join(written(status, [("x-early", "1")], b"") for status in interim)
    raw = before + written(201, [], b"content-length: %d\r\n" % len(body)) + body
    answer = read(raw, cuts)
    assert answer.outcome == Response(201, (("content-length", str(len(body))),), body)
    assert answer.reusable


@given(BODY.filter(bool), CUTS)
def test_what_comes_after_an_answer_costs_the_connection(extra: bytes, cuts: list[int]) -> None:
    raw = written(200, [], b"content-length: 2\r\n") + b"ok"
    assert whole_answer(raw + b"HTTP/1.1 200 OK\r\n") is None
    answer = Answer()
    answer.feed(raw + b"H" + extra)
    assert answer.outcome == Response(200, (("content-length", "2"),), b"ok")
    assert not answer.reusable


@given(st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n"]), st.binary(max_size=400), CUTS)
def test_any_bytes_give_an_outcome_and_never_an_error(
    start: bytes, data: bytes, cuts: list[int]
) -> None:
    answer = read(start + data, cuts)
    answer.end()
    assert isinstance(answer.outcome, Response | Failure)


@given(st.integers(1, 3), CUTS)
def test_a_head_without_end_is_given_up(times: int, cuts: list[int]) -> None:
    for line in (b"x-a: b\r\n", b"x" * 100):
        raw = b"HTTP/1.1 200 OK\r\n" + line * (times * HEAD_LIMIT // len(line) + 50)
        answer = read(raw, cuts)
        assert isinstance(answer.outcome, Failure)


@given(st.sampled_from([b"0\r\nx-a: ", b"0\r\n", b"5;a=", b"5;"]), st.integers(100, 20_000))
def test_what_comes_beside_a_body_without_end_is_given_up(start: bytes, piece: int) -> None:
    for line in (b"x", b"x-a: b\r\n"):
        answer, fed = Answer(), 0
        answer.feed(written(200, [], b"transfer-encoding: chunked\r\n") + b"2\r\nok\r\n" + start)
        while answer.outcome is None and fed <= 2 * HEAD_LIMIT:
            answer.feed(line * (piece // len(line)))
            fed += piece
        assert isinstance(answer.outcome, Failure)


@given(st.integers(1, 3))
def test_a_body_in_the_smallest_chunks_and_pieces_is_whole(size: int) -> None:
    answer = Answer()
    answer.feed(written(200, [], b"transfer-encoding: chunked\r\n"))
    body = b"y" * (RESPONSE_BODY_LIMIT // 2 + size)
    for start in range(0, len(body), size):
        chunk = body[start : start + size]
        answer.feed(b"%x;e\r\n" % len(chunk))
        answer.feed(chunk)
        answer.feed(b"\r\n")
    answer.feed(b"0\r\n\r\n")
    assert isinstance(answer.outcome, Response)
    assert answer.outcome.body == body


@given(st.integers(-2, 2), st.lists(st.integers(0, RESPONSE_BODY_LIMIT), max_size=4))
def test_a_body_is_read_to_the_limit(extra: int, cuts: list[int]) -> None:
    size = RESPONSE_BODY_LIMIT + extra
    raw = written(200, [], b"content-length: %d\r\n" % size) + b"y" * size
    outcome = read(raw, cuts).outcome
    assert isinstance(outcome, Response)
    assert len(outcome.body) == min(size, RESPONSE_BODY_LIMIT)
    assert outcome.truncated is (extra > 0)


def test_nothing_of_an_answer_stays_in_memory_also_without_the_garbage_collector() -> None:
    head = written(500, [], b"content-length: 10000000\r\n")
    piece = b"x" * 200_000
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(100):
            for pieces in ([head + piece], [head], [b"HTTP/1.1 nonsense"]):
                read(pieces[0], []).forget()
            assert whole_answer(head) is None
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert kept < len(piece)
