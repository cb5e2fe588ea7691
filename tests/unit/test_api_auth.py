"""Who may call the HTTP API: every way to ask, with and without a secret."""

from __future__ import annotations

import pytest

from cdc_triggers.console.answers import ApiError
from cdc_triggers.console.auth import Access

SECRET = Access("hüsh", loopback=False)
LOOPBACK = Access(None, loopback=True)
CLOSED = Access(None, loopback=False)

GIVEN = "hüsh".encode().decode("latin-1")
"""As it arrives: headers are bytes, read as Latin-1."""


def status(access: Access, **headers: str) -> int | None:
    found = None
    try:
        access.check({name.replace("_", "-"): value for name, value in headers.items()})
    except ApiError as error:
        found = error
    if found is None:
        return None
    assert found.code in {"access-denied", "unsupported-media-type"}
    assert "hüsh" not in str(found.document())
    return found.status


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, 401),
        ({"x_hasura_admin_secret": GIVEN}, None),
        ({"x_hasura_admin_secret": ""}, 401),
        ({"x_hasura_admin_secret": "wrong"}, 401),
        ({"x_hasura_admin_secret": GIVEN + "x"}, 401),
        ({"authorization": f"Bearer {GIVEN}"}, None),
        ({"authorization": f"bearer  {GIVEN}"}, None),
        ({"authorization": f"Basic {GIVEN}"}, 401),
        ({"authorization": GIVEN}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"authorization": f"Bearer {GIVEN}", "x_hasura_admin_secret": "wrong"}, 401),
        ({"x_hasura_admin_secret": GIVEN, "host": "evil.example", "origin": "http://e"}, None),
        ({"x_hasura_admin_secret": GIVEN, "x_forwarded_for": "192.0.2.1"}, None),
        ({"host": "localhost"}, 401),
    ],
    ids=str,
)
def test_with_a_secret_whoever_has_it_may_call(headers: dict[str, str], found: int | None) -> None:
    assert status(SECRET, **headers) == found
    assert status(SECRET._replace(loopback=True), **headers) == found


def test_a_refusal_says_how_to_authenticate() -> None:
    with pytest.raises(ApiError) as caught:
        SECRET.check({})
    assert caught.value.headers == (("www-authenticate", "Bearer"),)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"host": "localhost"}, None),
        ({"host": "LOCALHOST:8080"}, None),
        ({"host": "127.0.0.1:8080"}, None),
        ({"host": "127.9.9.9"}, None),
        ({"host": "[::1]:8080"}, None),
        ({}, 403),
        ({"host": ""}, 403),
        ({"host": "evil.example"}, 403),
        ({"host": "localhost.evil.example"}, 403),
        ({"host": "evil.example@localhost"}, 403),
        ({"host": "127.0.0.1.nip.io"}, 403),
        ({"host": "192.0.2.1"}, 403),
        ({"host": "[::1"}, 403),
        ({"host": "localhost", "origin": "http://localhost"}, None),
        ({"host": "localhost:8080", "origin": "http://localhost:8080"}, None),
        ({"host": "localhost:8080", "origin": "http://localhost:9090"}, 403),
        ({"host": "localhost", "origin": "http://evil.example"}, 403),
        ({"host": "localhost", "origin": "null"}, 403),
        ({"host": "localhost", "sec_fetch_site": "same-origin"}, None),
        ({"host": "localhost", "sec_fetch_site": "cross-site"}, 403),
        ({"host": "localhost", "sec_fetch_site": "same-site"}, 403),
        ({"host": "localhost", "x_forwarded_for": "192.0.2.1"}, 403),
        ({"host": "localhost", "forwarded": "for=192.0.2.1"}, 403),
        ({"host": "localhost", "content_type": "application/json; charset=utf-8"}, None),
        ({"host": "localhost", "content_type": "text/plain"}, 415),
        ({"host": "localhost", "content_type": "application/x-www-form-urlencoded"}, 415),
        ({"host": "evil.example", "x_hasura_admin_secret": "guess"}, 403),
    ],
    ids=str,
)
def test_without_a_secret_only_this_machine_may_call_and_no_page_from_elsewhere(
    headers: dict[str, str], found: int | None
) -> None:
    assert status(LOOPBACK, **headers) == found


@pytest.mark.parametrize(
    "headers", [{}, {"host": "localhost"}, {"x_hasura_admin_secret": ""}, {"authorization": "x"}]
)
def test_without_a_secret_a_port_that_others_reach_is_closed(headers: dict[str, str]) -> None:
    assert status(CLOSED, **headers) == 403


def test_what_describes_the_api_is_open_as_far_as_the_api_is() -> None:
    SECRET.check_origin({})
    LOOPBACK.check_origin({"host": "localhost"})
    for access, headers in ((CLOSED, {"host": "localhost"}), (LOOPBACK, {"host": "evil.example"})):
        with pytest.raises(ApiError):
            access.check_origin(headers)
