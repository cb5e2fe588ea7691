"""Who may call: whoever has the admin secret; without one, whoever sits at this machine.

Without a secret a browser of this machine must not be made to call by a page from elsewhere: not by
a name that was rebound to 127.0.0.1, and not by a form or a request that it sends across sites.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from cdc_triggers.console.answers import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER = "x-hasura-admin-secret"

_HOST = re.compile(r"[\w.:\[\]-]+")
_DENIED = "access-denied"
_PROXIED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_SAME = frozenset({"same-origin", "none"})


class Access(NamedTuple):
    """The rule.

    Args:
        secret: None: there is none.
        loopback: only this machine can connect.
    """

    secret: str | None
    loopback: bool

    @property
    def kind(self) -> str:
        """`secret`, `loopback` or `closed`."""
        if self.secret is not None:
            return "secret"
        return "loopback" if self.loopback else "closed"

    def check(self, headers: Mapping[str, str]) -> None:
        """Nothing, if a request with these headers may be carried out.

        Raises:
            ApiError: it may not; the message says why.
        """
        if self.secret is not None:
            _check_secret(self.secret, headers)
        else:
            self.check_origin(headers)

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """The same for what holds no secrets: with a secret, everybody may read it.

        Raises:
            ApiError: as `check`.
        """
        if self.secret is not None:
            return
        if not self.loopback:
            raise _forbidden("the API is closed: set CDC_TRIGGERS_ADMIN_SECRET for the stream")
        _check_local(headers)


def _check_secret(secret: str, headers: Mapping[str, str]) -> None:
    given = headers.get(HEADER)
    if given is None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else None
    if given is None:
        text = f"{HEADER}, or Authorization: Bearer, required, but not found"
    elif hmac.compare_digest(given.encode("latin-1"), secret.encode()):
        return
    else:
        text = f"invalid {HEADER}"
    denied = ApiError(HTTPStatus.UNAUTHORIZED, _DENIED, text)
    denied.headers = (("www-authenticate", "Bearer"),)
    raise denied


def check_host(headers: Mapping[str, str]) -> None:
    """Nothing, if the caller names this machine and no proxy stands between.

    Raises:
        ApiError: it does not, or one does.
    """
    if not _is_loopback(headers.get("host", "")):
        raise _forbidden(
            "without a secret the Host must be localhost or a loopback address: "
            "call it so, or set CDC_TRIGGERS_ADMIN_SECRET for the stream"
        )
    if any(name in headers for name in _PROXIED):
        raise _forbidden(
            "this came through a proxy: set CDC_TRIGGERS_ADMIN_SECRET for the stream, "
            "or nobody knows who calls"
        )


def check_same_origin(headers: Mapping[str, str]) -> None:
    """Nothing, if no page from elsewhere made the browser call.

    Raises:
        ApiError: one did.
    """
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"http://{headers.get('host', '').lower()}":
        raise _forbidden("a page from elsewhere may not call this")
    if not is_same_origin(headers):
        raise _forbidden("a page from elsewhere may not call this")


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """True unless the browser says that a page from elsewhere made it call."""
    return headers.get("sec-fetch-site", "none").lower() in _SAME


def _check_local(headers: Mapping[str, str]) -> None:
    check_host(headers)
    check_same_origin(headers)
    kind = headers.get("content-type")
    if kind is not None and not is_json(kind):
        raise ApiError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "write content-type: application/json",
        )


def is_json(content_type: str) -> bool:
    """True for `application/json`, with parameters or without."""
    return content_type.partition(";")[0].strip().lower() == "application/json"


def _is_loopback(host: str) -> bool:
    """True for `localhost` and addresses like 127.0.0.1 and [::1], with a port or without."""
    if not _HOST.fullmatch(host):
        return False
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _forbidden(message: str) -> ApiError:
    return ApiError(HTTPStatus.FORBIDDEN, _DENIED, message)
