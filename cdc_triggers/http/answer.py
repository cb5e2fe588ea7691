"""One answer of an endpoint, read as it comes: bytes in, a `Response` out.

The bytes are taken apart by httptools (llhttp, the parser of Node.js).
"""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from cdc_triggers.core.attempt import RESPONSE_BODY_LIMIT, Failure, FailureKind, Response

HEAD_LIMIT: Final = 64 * 1024
"""Bytes that may come before the body, or beside it at once; nobody means more."""

REMEMBERED: Final = 1024
"""Answers that are alike and not longer than this are taken apart once."""

NOT_HTTP: Final = Failure(FailureKind.PROTOCOL, "the answer is not HTTP")
NO_ANSWER: Final = Failure(
    FailureKind.CONNECT, "the endpoint closed the connection without an answer"
)
CUT_OFF: Final = Failure(
    FailureKind.PROTOCOL, "the endpoint closed the connection in the middle of its answer"
)
TOO_LONG: Final = Failure(FailureKind.PROTOCOL, "the answer's headers are longer than 64 KiB")

_FRAMED: Final = {b"content-length", b"transfer-encoding"}


class Answer:
    """Feed it until there is an `outcome`.

    Attributes:
        outcome: the answer, or why it is none; None while it is not complete.
        reusable: the connection may carry another request: the answer was complete, nothing came
            after it, and the endpoint does not mean to close.
    """

    __slots__ = (
        "_body",
        "_bodyless",
        "_ended",
        "_framed",
        "_head",
        "_headers",
        "_parser",
        "_reading_body",
        "_size",
        "_status",
        "outcome",
        "reusable",
    )

    def __init__(self) -> None:
        self.outcome: Response | Failure | None = None
        self.reusable = False
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []
        self._size = self._head = self._status = 0
        self._framed = self._reading_body = self._ended = False

    def feed(self, data: bytes) -> None:
        """Take what came; the caller stops as soon as there is an outcome."""
        assert self._parser is not None, "fed after its outcome"
        size = self._size
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            # it wants to speak something else: an answer like any other, and not the one asked for
            self._finish()
        except HttpParserError:
            if self.outcome is None:
                self.outcome = NOT_HTTP
            self.reusable = False
        if self.outcome is None:
            # trailers and what is said of a chunk have no end of their own either
            self._head = 0 if self._size > size else self._head + len(data)
            if self._head > HEAD_LIMIT:
                self.outcome = TOO_LONG
        if self.outcome is not None:
            self.forget()

    def end(self) -> None:
        """The endpoint has closed the connection: for some answers that is their end."""
        if self.outcome is not None:
            return
        if self._reading_body and not self._framed:
            self._finish()
        else:
            self.outcome = CUT_OFF if self._head or self._reading_body else NO_ANSWER

    def forget(self) -> None:
        """Let go of what it was made of.

        The parser refers back: else it would all stay in memory until the garbage collector comes
        by, which is seldom.
        """
        self._parser = None
        self._body.clear()

    # -- called by the parser ---------------------------------------------------------------------

    def on_message_begin(self) -> None:  # noqa: D102 - see above
        if self._ended:
            self.reusable = False
        self._framed = self._reading_body = False
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: D102
        if self._reading_body:
            return  # a trailer
        name = name.lower()
        if name in _FRAMED:
            self._framed = True
        self._headers.append((name.decode("latin-1"), value.decode("utf-8", "replace")))

    def on_headers_complete(self) -> None:  # noqa: D102
        assert self._parser is not None
        self._status = self._parser.get_status_code()
        self._reading_body = self._status >= HTTPStatus.OK

    def on_body(self, body: bytes) -> None:  # noqa: D102
        if self.outcome is not None:
            return
        self._body.append(body)
        self._size += len(body)
        if self._size > RESPONSE_BODY_LIMIT:
            self._finish()

    def on_message_complete(self) -> None:  # noqa: D102
        if self.outcome is None and self._reading_body:
            self._finish()
            assert self._parser is not None
            self.reusable = self._parser.should_keep_alive()

    def _finish(self) -> None:
        body = b"".join(self._body)
        self._ended = True
        self.outcome = Response(
            self._status,
            tuple(self._headers),
            body[:RESPONSE_BODY_LIMIT],
            len(body) > RESPONSE_BODY_LIMIT,
        )


@lru_cache(maxsize=256)
def whole_answer(data: bytes) -> Response | None:
    """The answer, if these bytes are all of it and the connection stays; else None.

    Endpoints answer most requests with the same few bytes, so these are taken apart once.
    """
    answer = Answer()
    answer.feed(data)
    answer.forget()
    outcome = answer.outcome
    return outcome if isinstance(outcome, Response) and answer.reusable else None
