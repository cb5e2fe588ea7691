"""Who is signed in: a signed cookie that ends by itself, and the token that every form carries.

Nothing is kept here: the signature is made with the admin secret, so a restart or another process
with the same secret takes the cookie as well, and a new secret ends all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

LIFE_S = 12 * 3600
"""A session ends so long after the last page; it is renewed at half its life."""

_COOKIE = re.compile(r"([\w-]{16,64})\.(\d{1,12})\.([0-9a-f]{64})")


class Session(NamedTuple):
    """A browser that may see the console.

    Attributes:
        expires: seconds since 1970-01-01 UTC.
    """

    id: str
    expires: int

    @property
    def short_id(self) -> str:
        """Names it in the audit, and is of no use to sign in."""
        return hashlib.sha256(self.id.encode()).hexdigest()[:12]


class Sessions:
    """Makes and checks cookies and tokens.

    Args:
        secret: the admin secret; None: there is none, and sessions end with the process.
    """

    def __init__(self, secret: str | None) -> None:
        seed = secrets.token_bytes(32) if secret is None else secret.encode()
        self._secret = secret
        self._key = hmac.digest(seed, b"cdc-triggers console session", "sha256")

    def may_sign_in(self, given: str) -> bool:
        """True if it is the secret; takes the same time whatever is given."""
        wanted = (self._secret or "").encode()
        same = hmac.compare_digest(given.encode("utf-8", "replace"), wanted)
        return self._secret is not None and same

    def begin(self, now: float) -> Session:
        """A new session."""
        return Session(secrets.token_urlsafe(24), int(now) + LIFE_S)

    def renewed(self, session: Session, now: float) -> Session | None:
        """The same for longer, if half its life is over."""
        if session.expires - now > LIFE_S / 2:
            return None
        return session._replace(expires=int(now) + LIFE_S)

    def write(self, session: Session) -> str:
        """As a cookie's value."""
        return f"{session.id}.{session.expires}.{self._sign(f'{session.id}.{session.expires}')}"

    def read(self, cookie: str, now: float) -> Session | None:
        """The session of a cookie; None: it is not one of ours, or is over."""
        found = _COOKIE.fullmatch(cookie)
        if found is None:
            return None
        session = Session(found[1], int(found[2]))
        genuine = hmac.compare_digest(found[3], self._sign(f"{session.id}.{session.expires}"))
        return session if genuine and session.expires > now else None

    def token(self, session: Session) -> str:
        """What a form of this session carries; another site cannot know it."""
        return self._sign(f"form {session.id}")

    def is_token(self, session: Session, given: str) -> bool:
        """True if a form carries the token of this session."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.token(session).encode())

    def _sign(self, text: str) -> str:
        return hmac.digest(self._key, text.encode(), "sha256").hex()
