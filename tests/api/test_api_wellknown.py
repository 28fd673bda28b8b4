"""A handler verifies our tokens with Google's own library, over HTTP/1.1."""

import pytest
from google.auth.transport.requests import Request
from google.oauth2 import id_token

from drayman.core.clock import ManualClock, SystemClock
from drayman.core.delivery import OidcToken
from drayman.signing.keyring import KeyRing
from drayman.signing.signer import TokenSigner
from live import LiveServer


@pytest.fixture(scope="module")
def server():
    live = LiveServer(ManualClock(SystemClock().now()))
    yield live
    live.stop()


def get(server, path):
    status, document = server.request("GET", path)
    assert status == 200
    return document


def test_a_handler_accepts_a_token_with_google_auth(server):
    keyring = KeyRing(server.store, server.clock)
    signer = TokenSigner(keyring, server.clock, server.url)
    token = server.run(signer.issue(OidcToken("worker@example.com"), "https://a.example/x")).value
    claims = id_token.verify_token(
        token, Request(), audience="https://a.example/x", certs_url=f"{server.url}/certs"
    )
    assert claims["email"] == "worker@example.com"
    assert claims["iss"] == server.url


def test_discovery_leads_to_the_keys(server):
    document = get(server, "/.well-known/openid-configuration")
    assert document["issuer"] == server.url
    assert document["jwks_uri"] == f"{server.url}/jwks"
    keys = get(server, "/jwks")["keys"]
    assert {key["kid"] for key in keys} == set(get(server, "/certs"))
