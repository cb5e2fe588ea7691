"""May this browser see a page, or change something from one?"""

from __future__ import annotations

import math
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.console import auth
from cdc_triggers.console.answers import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdc_triggers.console.auth import Access
    from cdc_triggers.console.pages.session import Session, Sessions

_PORT = re.compile(r":(\d{1,5})$")


class Admitted(NamedTuple):
    """What the cookie says.

    Attributes:
        session: None: nobody is signed in.
        fresh: the session is to be written into the answer.
    """

    session: Session | None
    fresh: bool


class Gate(NamedTuple):
    """The rule: with a secret whoever has signed in with it, else whoever sits at this machine."""

    access: Access
    sessions: Sessions

    def check_origin(self, headers: Mapping[str, str], *, changes: bool) -> None:
        """Nothing, if the request comes from a page of ours, or from a link that was followed.

        Raises:
            ApiError: it does not, or the console is closed.
        """
        if self.access.kind == "closed":
            raise _denied("the console is closed: set CDC_TRIGGERS_ADMIN_SECRET for this process")
        if self.access.kind == "loopback":
            auth.check_host(headers)
        followed = headers.get("sec-fetch-mode") == "navigate" and not changes
        if not auth.is_same_origin(headers) and not followed:
            raise _denied("a page from elsewhere may not call this")
        if changes and self.access.kind == "loopback":
            auth.check_same_origin(headers)

    def admit(self, headers: Mapping[str, str], cookies: Mapping[str, str], now: float) -> Admitted:
        """Who asks. Without a secret everybody at this machine has a session, for the tokens."""
        session = self.sessions.read(cookies.get(cookie_name(headers), ""), now)
        if session is None:
            if self.access.secret is not None:
                return Admitted(None, fresh=False)
            return Admitted(self.sessions.begin(now), fresh=True)
        longer = self.sessions.renewed(session, now)
        return Admitted(longer or session, fresh=longer is not None)

    def check_token(self, session: Session, token: str) -> None:
        """Nothing, if a form was made for this session.

        Raises:
            ApiError: it was not.
        """
        if not self.sessions.is_token(session, token):
            raise _denied("this form is of another session: load the page anew and try again")

    def cookie(self, session: Session, headers: Mapping[str, str], now: float) -> tuple[str, str]:
        """The header that hands the session out."""
        life = max(0, math.ceil(session.expires - now))
        value = self.sessions.write(session)
        return ("set-cookie", f"{cookie_name(headers)}={value}; Max-Age={life}{_rules(headers)}")

    def no_cookie(self, headers: Mapping[str, str]) -> tuple[str, str]:
        """The header that takes it back."""
        return ("set-cookie", f"{cookie_name(headers)}=; Max-Age=0{_rules(headers)}")


def cookie_name(headers: Mapping[str, str]) -> str:
    """With the port: browsers do not tell two ports of one host apart."""
    port = _PORT.search(headers.get("host", ""))
    return f"cdc_triggers_{port[1] if port else 'session'}"


def is_https(headers: Mapping[str, str]) -> bool:
    """True if a proxy in front says so. Who lies here only makes the cookie stricter."""
    return headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower() == "https"


def _rules(headers: Mapping[str, str]) -> str:
    return f"; Path=/; HttpOnly; SameSite=Strict{'; Secure' if is_https(headers) else ''}"


def _denied(message: str) -> ApiError:
    return ApiError(HTTPStatus.FORBIDDEN, "access-denied", message)
