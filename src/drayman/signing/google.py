"""Bearer tokens of Google, by impersonation of service accounts (IAM Credentials API)."""

import asyncio
import concurrent.futures
import datetime
import http
import json
import warnings
from typing import Any

import google.auth
import jwt
from google.auth import impersonated_credentials
from google.auth.transport.requests import Request

from drayman.core.clock import SECOND
from drayman.core.delivery import OidcToken, Token
from drayman.signing.bearer import BearerToken, BearerTokenError

DEFAULT = "default"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_ID_TOKEN_URL = (
    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{}:generateIdToken"  # noqa: S105 - a URL
)
_THREADS = 4


def load_credentials(source: str) -> Any:
    """Return the credentials of a file, or with ``default`` those of the environment.

    ValueError when there are none.
    """
    try:
        if source == DEFAULT:
            credentials, _ = google.auth.default(scopes=[_SCOPE])
        else:
            with warnings.catch_warnings():
                # Deprecated because of files from strangers; this one is the operator's own.
                warnings.simplefilter("ignore", DeprecationWarning)
                credentials, _ = google.auth.load_credentials_from_file(source, scopes=[_SCOPE])
    except google.auth.exceptions.GoogleAuthError as error:
        raise ValueError(str(error)) from None
    return credentials


class Impersonator:
    """Issues tokens of the service accounts that the server's own account may impersonate."""

    def __init__(self, credentials: Any, transport: Any = None) -> None:
        self._credentials = credentials
        self._transport = transport or Request()
        # Threads of its own: a hanging call to Google blocks nothing else.
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREADS, "drayman-google")

    async def issue(self, spec: Token, audience: str) -> BearerToken:
        """Fetch a token from Google. BearerTokenError, or google.auth's own errors."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._fetch, spec, audience)

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, spec: Token, audience: str) -> BearerToken:
        if isinstance(spec, OidcToken):
            return self._fetch_id_token(spec.email, audience)
        return self._fetch_access_token(spec.email, spec.scope)

    def _fetch_access_token(self, email: str, scope: str) -> BearerToken:
        credentials: Any = impersonated_credentials.Credentials(
            source_credentials=self._credentials,
            target_principal=email,
            target_scopes=scope.split(),
        )
        credentials.refresh(self._transport)
        expiry = credentials.expiry.replace(tzinfo=datetime.UTC)
        return BearerToken(credentials.token, int(expiry.timestamp()) * SECOND)

    def _fetch_id_token(self, email: str, audience: str) -> BearerToken:
        url, headers = _ID_TOKEN_URL.format(email), {"Content-Type": "application/json"}
        self._credentials.before_request(self._transport, "POST", url, headers)
        body = json.dumps({"audience": audience, "includeEmail": True}).encode()
        response = self._transport(url=url, method="POST", body=body, headers=headers)
        if response.status != http.HTTPStatus.OK:
            raise BearerTokenError(f"IAM answered {response.status}: {response.data[:200]!r}")
        token = json.loads(response.data)["token"]
        payload = jwt.decode(token, options={"verify_signature": False})
        return BearerToken(token, payload["exp"] * SECOND)
