"""Whatever a webhook's URL is made of, there is one head of a request, or a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cdc_triggers.core.attempt import FailureKind
from cdc_triggers.http.head import Head, Headers, head_of

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS = st.one_of(
    st.sampled_from(
        [
            *("a", ".", ":", "80", "@", "/", "?", "#", "[::1]", "[", "]", "%", "%0d%0a", "\r\n"),
            *("xn--", "xn--a", "xn--ls8h.la", "[fe80::1%eth0]", "1.2.3.4", "_", "-", " ", "a" * 64),
        ]
    ),
    st.text(max_size=2),
)
HEADERS: Headers = (("content-type", "application/json"),)


@given(st.sampled_from(["http://", "https://", ""]), st.lists(PARTS, max_size=6))
@example("http://", ["[fe80::1%eth0]", "1.2.3.4", "\u202e", "[::1]"])
def test_any_url_gives_one_head_or_an_invalid_request(scheme: str, parts: Sequence[str]) -> None:
    head = head_of("POST", scheme + "".join(parts), HEADERS)
    if not isinstance(head, Head):
        assert head.kind is FailureKind.INVALID_REQUEST
        return
    lines = head.start.decode("ascii").split("\r\n")
    assert not any("\r" in line or "\n" in line for line in lines)
    names = [line.partition(":")[0] for line in lines[1:-1]]
    method, _, version = lines[0].split(" ")
    assert (method, version) == ("POST", "HTTP/1.1")
    ours = [name for name in names if name != "authorization"]
    assert ours == ["host", "accept", "user-agent", "content-type"]


@pytest.mark.parametrize("host", ["xn--ls8h.la", "xn--a", "xn--"])
def test_a_host_that_newer_rules_of_such_names_do_not_allow_is_called_as_it_is_written(
    host: str,
) -> None:
    head = head_of("POST", f"https://{host}:8443/hook", HEADERS)
    assert isinstance(head, Head)
    assert head.origin == (True, host, 8443)
    assert f"\r\nhost: {host}:8443\r\n".encode() in head.start
