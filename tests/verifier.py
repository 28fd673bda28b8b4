"""Verifies bearer tokens as a handler does, with Google's own library, at a time the test gives."""

import base64
import datetime
import json
from unittest import mock

from google.oauth2 import id_token

from drayman.core.clock import SECOND


class Document:
    """A transport of google-auth that fetches one document, whatever the URL."""

    def __init__(self, content, status=200):
        self.data = json.dumps(content).encode()
        self.status = status

    def __call__(self, _url, **_):
        return self


def verify(token, certificates, audience, now):
    """Return the claims of a valid token; google-auth's error for any other."""
    utc = datetime.datetime.fromtimestamp(now / SECOND, tz=datetime.UTC).replace(tzinfo=None)
    with mock.patch("google.auth._helpers.utcnow", return_value=utc):  # it takes no clock
        return id_token.verify_token(
            token, Document(certificates), audience, "https://tasks.example/certs"
        )


def decode(token):
    """Return header and claims of a token, unverified."""
    header, claims, _ = token.split(".")
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, claims)]
