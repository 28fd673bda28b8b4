"""Impersonation of service accounts, against answers of Google's IAM Credentials API."""

import json

import pytest
from google.auth import credentials

from drayman.core.clock import HOUR, SECOND
from drayman.core.delivery import OAuthToken, OidcToken
from drayman.signing import google
from drayman.signing.bearer import BearerToken, BearerTokenError
from drayman.signing.google import Impersonator
from drayman.signing.signer import sign
from verifier import Document

EMAIL = "worker@p.iam.gserviceaccount.com"
NOW = 1_700_000_000 * SECOND


class Source(credentials.Credentials):
    """Credentials of a server that may impersonate."""

    def __init__(self):
        super().__init__()
        self.token = "source"

    def refresh(self, request):
        pass


class Iam:
    """A transport that answers as the IAM Credentials API does."""

    def __init__(self, id_token):
        self.calls = []
        self.status = 200
        self._id_token = id_token

    def __call__(self, url, body=None, headers=None, **_):
        self.calls.append((url, json.loads(body), headers))
        content = {"accessToken": "ya29.access", "expireTime": "2033-05-18T03:33:20Z"}
        if url.endswith(":generateIdToken"):
            content = {"token": self._id_token}
        response = Document(content, self.status)
        response.data = response.data.decode()
        return response


@pytest.fixture
def iam(key):
    return Iam(sign(OidcToken(EMAIL), "a", "https://accounts.google.com", key, NOW))


@pytest.fixture
def impersonator(iam):
    opened = Impersonator(Source(), iam)
    yield opened
    opened.close()


async def test_an_access_token_is_fetched_for_its_scopes(iam, impersonator):
    token = await impersonator.issue(OAuthToken(EMAIL, "scope-1 scope-2"), "https://a.example")
    assert token == BearerToken("ya29.access", 2_000_000_000 * SECOND)
    ((url, body, headers),) = iam.calls
    assert url.endswith(f"/serviceAccounts/{EMAIL}:generateAccessToken")
    assert body["scope"] == ["scope-1", "scope-2"]
    assert headers["authorization"] == "Bearer source"


async def test_an_id_token_is_fetched_for_its_audience(iam, impersonator):
    token = await impersonator.issue(OidcToken(EMAIL), "https://a.example/x")
    assert token.expire_time == NOW + HOUR
    ((url, body, headers),) = iam.calls
    assert url.endswith(f"/serviceAccounts/{EMAIL}:generateIdToken")
    assert body == {"audience": "https://a.example/x", "includeEmail": True}
    assert headers["authorization"] == "Bearer source"


async def test_a_refusal_of_google_is_a_token_error(iam, impersonator):
    iam.status = 403
    with pytest.raises(BearerTokenError, match="IAM answered 403"):
        await impersonator.issue(OidcToken(EMAIL), "https://a.example/x")


# Google deprecates it for files of unknown origin; this one is the operator's own.
@pytest.mark.filterwarnings("ignore:The load_credentials_from_file")
def test_credentials_that_cannot_be_loaded_are_a_value_error(tmp_path):
    path = tmp_path / "credentials.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match="type"):
        google.load_credentials(str(path))
