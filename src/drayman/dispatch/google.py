"""Real tokens of Google, by impersonation of service accounts (IAM Credentials API)."""

import asyncio
import concurrent.futures
import datetime
import http
import json
import warnings
from typing import Any

import google.auth
from google.auth import impersonated_credentials, jwt
from google.auth.transport.requests import Request

from drayman.core.clock import SECOND
from drayman.core.delivery import OidcToken, Token
from drayman.dispatch.tokens import Made, TokenError

DEFAULT = "default"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_IDENTITY = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{}:generateIdToken"
_THREADS = 4


def load(source: str) -> Any:
    """Return the credentials of a file, or with ``default`` those of the environment.

    ValueError says why there are none.
    """
    try:
        if source == DEFAULT:
            credentials, _ = google.auth.default(scopes=[_SCOPE])
        else:
            with warnings.catch_warnings():
                # Deprecated because of files of strangers; this one is the operator's own.
                warnings.simplefilter("ignore", DeprecationWarning)
                credentials, _ = google.auth.load_credentials_from_file(source, scopes=[_SCOPE])
    except google.auth.exceptions.GoogleAuthError as error:
        raise ValueError(str(error)) from None
    return credentials


class Impersonator:
    """Makes tokens of service accounts which the server's own account may impersonate."""

    def __init__(self, credentials: Any, transport: Any = None) -> None:
        self._credentials = credentials
        self._transport = transport or Request()
        # Threads of its own: where Google hangs, nothing else waits.
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREADS, "drayman-google")

    async def make(self, token: Token, url: str) -> Made:
        """Fetch a token."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._fetch, token, url)

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, token: Token, url: str) -> Made:
        if isinstance(token, OidcToken):
            return self._identity(token.email, token.audience or url)
        made: Any = impersonated_credentials.Credentials(
            source_credentials=self._credentials,
            target_principal=token.email,
            target_scopes=token.scope.split(),
        )
        made.refresh(self._transport)
        return Made(made.token, int(made.expiry.replace(tzinfo=datetime.UTC).timestamp()) * SECOND)

    def _identity(self, email: str, audience: str) -> Made:
        url, headers = _IDENTITY.format(email), {"Content-Type": "application/json"}
        self._credentials.before_request(self._transport, "POST", url, headers)
        body = json.dumps({"audience": audience, "includeEmail": True}).encode()
        answer = self._transport(url=url, method="POST", body=body, headers=headers)
        if answer.status != http.HTTPStatus.OK:
            raise TokenError(f"IAM answered {answer.status}: {answer.data[:200]!r}")
        token = json.loads(answer.data)["token"]
        return Made(token, jwt.decode(token, verify=False)["exp"] * SECOND)
