"""Turns what an HTTP client raises into a `Failure`: a kind, and words of our own.

A client's message may hold the URL, and the URL may hold secrets. So no text of a client, a server
or a certificate is passed on: the words here are chosen by what the text contains, or by errno.
"""

from __future__ import annotations

import os
import socket
import ssl
from typing import TYPE_CHECKING

from cdc_triggers.core.attempt import Failure, FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterator

_PHRASES: tuple[tuple[str, FailureKind, str], ...] = (
    ("has expired", FailureKind.TLS, "TLS: the endpoint's certificate has expired"),
    ("not yet valid", FailureKind.TLS, "TLS: the endpoint's certificate is not valid yet"),
    ("hostname mismatch", FailureKind.TLS, "TLS: the certificate is for another host name"),
    ("ip address mismatch", FailureKind.TLS, "TLS: the certificate is for another host name"),
    ("unable to get", FailureKind.TLS, "TLS: the certificate is from an unknown issuer"),
    ("self-signed", FailureKind.TLS, "TLS: the certificate is from an unknown issuer"),
    ("self signed", FailureKind.TLS, "TLS: the certificate is from an unknown issuer"),
    ("certificate verify", FailureKind.TLS, "TLS: the endpoint's certificate is not accepted"),
    ("wrong version number", FailureKind.TLS, "TLS: the endpoint does not speak TLS"),
    ("record layer", FailureKind.TLS, "TLS: the endpoint does not speak TLS"),
    ("alert", FailureKind.TLS, "TLS: the endpoint refused the handshake"),
    ("handshake", FailureKind.TLS, "TLS: the handshake failed"),
    (
        "server disconnected without",
        FailureKind.CONNECT,
        "the endpoint closed the connection without an answer",
    ),
    (
        "without sending complete message body",
        FailureKind.PROTOCOL,
        "the endpoint closed the connection in the middle of its answer",
    ),
    ("illegal status line", FailureKind.PROTOCOL, "the answer is not HTTP"),
)
"""What a client's text contains (in lower case), and what we say. The first match counts."""

_DEFAULTS = {
    FailureKind.CONNECT: "the connection failed",
    FailureKind.DNS: "the host name cannot be resolved",
    FailureKind.TLS: "TLS: the handshake failed",
    FailureKind.TIMEOUT: "no complete answer within the time limit",
    FailureKind.PROTOCOL: "the answer is not valid HTTP",
    FailureKind.INVALID_REQUEST: "the URL or a header is not valid",
}


def timed_out(timeout_s: float) -> Failure:
    """No complete answer in time; the limit is not a secret."""
    return Failure(FailureKind.TIMEOUT, f"no complete answer within {timeout_s:g} s")


def invalid_header(name: str) -> Failure:
    """A header that the client sets itself; its name comes from the trigger file."""
    return Failure(FailureKind.INVALID_REQUEST, f"header {name} is set by the client, not by hand")


def failure(error: BaseException, fallback: FailureKind, texts: Iterator[str]) -> Failure:
    """Name the cause.

    Args:
        error: what the client raised; causes and contexts are followed.
        fallback: the kind, if nothing more precise is known.
        texts: more texts to judge by, such as the client's own list of causes.
    """
    known = _by_type(error)
    if known is not None:
        return known
    text = "\n".join(texts).lower()
    for needle, kind, words in _PHRASES:
        if needle in text:
            return Failure(kind, words)
    return Failure(fallback, _DEFAULTS[fallback])


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what it came from, and the members of groups on the way; each once."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        todo += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            todo += one.exceptions


def _by_type(error: BaseException) -> Failure | None:
    """Judge by the operating system's and OpenSSL's own errors: surer than by text."""
    found: Failure | None = None
    for one in chain(error):
        if isinstance(one, socket.gaierror):
            return Failure(FailureKind.DNS, _DEFAULTS[FailureKind.DNS])
        if isinstance(one, ssl.SSLError):
            text = str(one).lower()
            words = (w for n, k, w in _PHRASES if k is FailureKind.TLS and n in text)
            return Failure(FailureKind.TLS, next(words, _DEFAULTS[FailureKind.TLS]))
        if isinstance(one, OSError) and one.errno and found is None:
            found = _by_errno(one.errno)
    return found


def _by_errno(number: int) -> Failure:
    return Failure(FailureKind.CONNECT, os.strerror(number).lower())
