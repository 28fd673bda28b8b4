"""A handler verifies our tokens with Google's own library, over HTTP/1.1."""

import requests
from google.auth.transport.requests import Request
from google.oauth2 import id_token

from drayman import tasks


def get(cloud_tasks, path):
    response = requests.get(f"http://{cloud_tasks.address}{path}", timeout=30)
    assert response.status_code == 200
    return response.json()


def test_a_handler_accepts_a_token_with_google_auth(cloud_tasks):
    url, issuer = "https://a.example/x", f"http://{cloud_tasks.address}"
    task = tasks.http_task(url, oidc="worker@example.com")
    cloud_tasks.client().create_task(parent=cloud_tasks.queue("q"), task=task)
    cloud_tasks.run_all()
    (delivery,) = cloud_tasks.deliveries
    token = delivery.headers["Authorization"].removeprefix("Bearer ")
    claims = id_token.verify_token(token, Request(), audience=url, certs_url=f"{issuer}/certs")
    assert claims["email"] == "worker@example.com"
    assert claims["iss"] == issuer


def test_discovery_leads_to_the_keys(cloud_tasks):
    document = get(cloud_tasks, "/.well-known/openid-configuration")
    issuer = f"http://{cloud_tasks.address}"
    assert document["issuer"] == issuer
    assert document["jwks_uri"] == f"{issuer}/jwks"
    keys = get(cloud_tasks, "/jwks")["keys"]
    assert {key["kid"] for key in keys} == set(get(cloud_tasks, "/certs"))
