"""Browser sessions: credentials in memory, found by the secret of a cookie.

A session has the credentials, not the caller: each call of the API checks them again, so that a
revoked key ends all sessions at once.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from typing import NamedTuple

from drayman.access.control import API_KEY, AUTHORIZATION, Fields
from drayman.core.clock import HOUR, SECOND, Micros

COOKIE = "drayman_session"
LIFETIME: Micros = 12 * HOUR
MAX_SESSIONS = 1000
"""The most sessions; a further one ends the oldest."""
_JWT_DOTS = 2


class Session(NamedTuple):
    """A session.

    Attributes:
        fields: The header fields that authenticate its calls.
        end: When it ends.
    """

    fields: Fields
    end: Micros


class Sessions:
    """The sessions of a server, and the tokens of its forms."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def open(self, fields: Fields, now: Micros) -> str:
        """Return the id of a new session."""
        if len(self._sessions) >= MAX_SESSIONS:
            self._sessions.popitem(last=False)
        session_id = secrets.token_urlsafe()
        self._sessions[session_id] = Session(fields, now + LIFETIME)
        return session_id

    def find(self, session_id: str, now: Micros) -> Session | None:
        """Return a session that has not ended."""
        session = self._sessions.get(session_id)
        if session is not None and session.end <= now:
            self.close(session_id)
            return None
        return session

    def close(self, session_id: str) -> None:
        """End a session, if there is one."""
        self._sessions.pop(session_id, None)

    def form_token(self, session_id: str) -> str:
        """Return what each form of a session's pages has, and no other site can know."""
        return hmac.new(self._secret, session_id.encode(), hashlib.sha256).hexdigest()

    def accepts(self, session_id: str, token: str) -> bool:
        """Return whether a form is from a page of a session."""
        return hmac.compare_digest(self.form_token(session_id).encode(), token.encode())


def credentials(text: str) -> Fields:
    """Return the header fields for an API key or, with its two dots, a bearer token."""
    text = text.strip()
    if text.count(".") == _JWT_DOTS:
        return {AUTHORIZATION: b"Bearer " + text.encode()}
    return {API_KEY: text.encode()}


def session_id(fields: Fields) -> str:
    """Return the id in the cookie of a request, "" for none."""
    # Not by http.cookies: it gives up at the first cookie of another program that it cannot parse.
    for pair in fields.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def cookie(value: str, *, secure: bool) -> bytes:
    """Return the value of ``Set-Cookie`` for a session; an empty id removes the cookie."""
    age = LIFETIME // SECOND if value else 0
    attributes = f"Path=/console; Max-Age={age}; HttpOnly; SameSite=Strict"
    return f"{COOKIE}={value}; {attributes}{'; Secure' if secure else ''}".encode()
