"""What web pages can make a browser do, and that other clients do not notice."""

import http.client
import itertools
import json
import shutil
import subprocess

import pytest

from drayman.api import browsers
from drayman.api.browsers import BrowserPolicy
from drayman.core.errors import PermissionDenied
from live import PATIENCE, LiveServer

LOCATION = "projects/p/locations/l"
QUEUES = f"/v2/{LOCATION}/queues"
OWN = "localhost:8123"
FOREIGN = "http://evil.test"
FORM = "application/x-www-form-urlencoded"

LOCAL = browsers.policy("127.0.0.1", (), None, local=True)
PUBLIC = browsers.policy("0.0.0.0", (), None, local=False)
NAMED = browsers.policy("0.0.0.0", ("tasks.test", "*.apps.test"), None, local=False)
ISSUER = browsers.policy("127.0.0.1", (), "https://id.test/x", local=True)
ANY = browsers.policy("127.0.0.1", ("*",), None, local=True)


def refusal(policy, method="POST", **fields):
    """Return the message of a refusal, None if the request is served."""
    headers = {name.replace("_", "-").encode(): value.encode() for name, value in fields.items()}
    try:
        browsers.check(policy, method, headers)
    except PermissionDenied as error:
        return error.message
    return None


@pytest.mark.parametrize(
    ("host", "served"),
    [
        # host                       on loopback, for others, with names, with an issuer, any
        ("localhost:8123",           (1, 1, 1, 1, 1)),
        ("LOCALHOST:8123",           (1, 1, 1, 1, 1)),
        ("app.localhost",            (1, 1, 1, 1, 1)),
        ("localhost.:8123",          (1, 1, 1, 1, 1)),
        ("127.0.0.1:8123",           (1, 1, 1, 1, 1)),
        ("127.0.0.9",                (1, 1, 1, 1, 1)),
        ("[::1]:8123",               (1, 1, 1, 1, 1)),
        ("10.1.2.3:8123",            (1, 1, 1, 1, 1)),
        ("host.docker.internal:81",  (1, 1, 1, 1, 1)),
        ("",                         (1, 1, 1, 1, 1)),
        ("evil.test",                (0, 1, 0, 0, 1)),
        ("evil.test:8123",           (0, 1, 0, 0, 1)),
        ("127.0.0.1.evil.test",      (0, 1, 0, 0, 1)),
        ("localhost.evil.test",      (0, 1, 0, 0, 1)),
        ("evil.test:x:y",            (0, 1, 0, 0, 1)),
        ("drayman:8123",             (0, 1, 0, 0, 1)),
        ("tasks.test:8123",          (0, 1, 1, 0, 1)),
        ("a.tasks.test",             (0, 1, 0, 0, 1)),
        ("a.apps.test",              (0, 1, 1, 0, 1)),
        ("b.a.apps.test",            (0, 1, 1, 0, 1)),
        ("apps.test",                (0, 1, 0, 0, 1)),
        ("id.test",                  (0, 1, 0, 1, 1)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_names_of_other_hosts_are_refused(method, host, served):
    """DNS rebinding: a GET has neither Origin nor Sec-Fetch-Site, so that only Host is left."""
    policies = (LOCAL, PUBLIC, NAMED, ISSUER, ANY)
    refused = [refusal(policy, method, host=host) for policy in policies]
    assert [message is None for message in refused] == list(map(bool, served))
    expected = (
        f'The Host "{host}" is not a name of this server. If it should be, start the server with '
        "--allow-host."
    )
    assert set(refused) <= {None, expected}


NAVIGATION = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}


@pytest.mark.parametrize(
    ("fields", "get", "post"),
    [
        # A client that is no browser: whatever it sends as content type.
        ({}, True, True),
        ({"content_type": "application/json"}, True, True),
        ({"content_type": FORM}, True, True),
        ({"content_type": "text/plain"}, True, True),
        # A page of this server.
        ({"origin": f"http://{OWN}"}, True, True),
        ({"origin": f"https://{OWN}"}, True, True),  # a proxy terminates TLS
        ({"sec_fetch_site": "same-origin"}, True, True),
        ({"origin": "https://proxy.test", "sec_fetch_site": "same-origin"}, True, True),
        ({"sec_fetch_site": "none", "sec_fetch_mode": "navigate"}, True, True),
        ({"origin": f"http://{OWN}", "content_type": "application/json"}, True, True),
        ({"origin": f"http://{OWN}", "content_type": "text/plain"}, True, False),
        ({"origin": f"http://{OWN}", "content_type": "Text/Plain; charset=x"}, True, False),
        ({"sec_fetch_site": "same-origin", "content_type": FORM}, True, False),
        ({"sec_fetch_site": "same-origin", "content_type": "multipart/form-data; boundary=x"},
         True, False),
        # A page of another site, or of another port.
        ({"origin": FOREIGN}, False, False),
        ({"origin": FOREIGN, "content_type": "application/json"}, False, False),
        ({"origin": FOREIGN, "sec_fetch_site": "cross-site"}, False, False),
        ({"origin": "http://localhost:3000"}, False, False),
        ({"origin": "http://localhost"}, False, False),
        ({"origin": "http://localhost:3000", "sec_fetch_site": "same-site"}, False, False),
        ({"origin": f"http://{OWN}.evil.test"}, False, False),
        ({"origin": f"http://{OWN}@evil.test"}, False, False),
        ({"origin": "null"}, False, False),
        ({"origin": ""}, False, False),
        ({"origin": "http://["}, False, False),
        ({"origin": "http://[", "sec_fetch_site": "cross-site"}, False, False),
        ({"sec_fetch_site": "cross-site"}, False, False),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"}, False, False),
        ({"sec_fetch_site": "same-site", "sec_fetch_mode": "cors"}, False, False),
        ({"sec_fetch_site": "anything"}, False, False),
        # A link on such a page; a form there is refused.
        (NAVIGATION, True, False),
        (NAVIGATION | {"origin": "null", "content_type": FORM}, True, False),
    ],
)  # fmt: skip
def test_pages_of_other_sites_are_refused(fields, get, post):
    for policy, method in itertools.product((LOCAL, PUBLIC), ("GET", "POST", "DELETE", "PATCH")):
        served = refusal(policy, method, host=OWN, **fields) is None
        assert served == (get if method == "GET" else post)


@pytest.mark.parametrize("path", [f"{QUEUES}/q/tasks:buffer", f"{QUEUES}/q/tasks/t:buffer"])
def test_a_link_on_a_page_of_another_site_creates_no_task(server, path):
    """BufferTask creates a task by a GET as well."""
    assert exchange(server, "GET", path, Host=OWN, **NAVIGATION)[0] == 403
    assert exchange(server, "GET", f"{QUEUES}/q", Host=OWN, **NAVIGATION)[0] == 404
    assert exchange(server, "GET", path, Host=OWN, sec_fetch_site="same-origin")[0] == 404


@pytest.mark.parametrize(
    ("policy", "origin", "served"),
    [
        (NAMED, "https://tasks.test", True),
        (NAMED, "https://console.apps.test:444", True),
        (NAMED, FOREIGN, False),
        (ISSUER, "https://id.test", True),
        (LOCAL, "http://host.docker.internal", False),
        (ANY, FOREIGN, True),
        (ANY, "null", False),
    ],
)
def test_pages_of_allowed_hosts_are_served(policy, origin, served):
    for site in ({}, {"sec_fetch_site": "cross-site"}):
        answer = refusal(policy, host=OWN, origin=origin, content_type="application/json", **site)
        assert (answer is None) == served


def test_refusals_say_what_to_do():
    assert refusal(LOCAL, host=OWN, origin=FOREIGN) == (
        'Requests of web pages of the origin "http://evil.test" are refused. If a page there '
        "should call this server, start it with --allow-host and the host of the page."
    )
    assert refusal(LOCAL, host=OWN, sec_fetch_site="cross-site") == (
        "Requests of web pages of other sites are refused. If a page there "
        "should call this server, start it with --allow-host and the host of the page."
    )
    assert refusal(LOCAL, host=OWN, origin=f"http://{OWN}", content_type="text/plain; x") == (
        'The content type "text/plain" is refused in requests of web pages. Send application/json.'
    )


def test_without_a_policy_any_host_is_served():
    assert refusal(BrowserPolicy(), host="evil.test") is None


@pytest.fixture(scope="module")
def server():
    live = LiveServer()
    yield live
    live.stop()


def exchange(live, method, path, body=None, **fields):
    """Return status, header fields and JSON value of a response."""
    connection = http.client.HTTPConnection("127.0.0.1", live.server.port, timeout=PATIENCE)
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    fields = {name.lower(): value for name, value in response.getheaders()}
    return response.status, fields, json.loads(content) if content else None


ADMIN = f"/drayman/v1/{LOCATION}/queues/q"
GUARDED = [
    ("GET", QUEUES), ("POST", QUEUES), ("PATCH", f"{QUEUES}/q"), ("DELETE", f"{QUEUES}/q"),
    ("POST", f"{QUEUES}/q/tasks"), ("POST", f"{QUEUES}/q:purge"),
    ("POST", f"{QUEUES}/q/tasks/t:buffer"),
    ("OPTIONS", QUEUES), ("GET", f"{ADMIN}/stats"), ("POST", f"{ADMIN}/deadLetters:delete"),
    ("GET", "/no/such/path"), ("GET", "/"),
]  # fmt: skip
OPEN = ["/healthz", "/readyz", "/.well-known/openid-configuration", "/jwks", "/certs"]


@pytest.mark.parametrize(
    "fields", [{"Host": "evil.test"}, {"Origin": FOREIGN}, {"Sec_Fetch_Site": "cross-site"}]
)
@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_rest_the_admin_api_and_every_other_path_are_guarded(server, method, path, fields):
    status, _, content = exchange(server, method, path, b"{}", **fields)
    assert status == 403
    assert content["error"]["code"] == 403
    assert content["error"]["status"] == "PERMISSION_DENIED"


@pytest.mark.parametrize("fields", [{"Host": "evil.test"}, {"Origin": FOREIGN}])
@pytest.mark.parametrize("path", OPEN)
def test_health_and_public_documents_are_open_to_all(server, path, fields):
    assert exchange(server, "GET", path, **fields)[0] == 200


@pytest.mark.parametrize(("method", "path"), [*GUARDED, *(("GET", path) for path in OPEN)])
@pytest.mark.parametrize("origin", [FOREIGN, f"http://{OWN}"])
def test_no_response_permits_pages_of_other_origins_to_read_it(server, method, path, origin):
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "x"}
    _, fields, _ = exchange(server, method, path, b"{}", Host=OWN, Origin=origin, **asked)
    assert [name for name in fields if name.startswith("access-control-")] == []


@pytest.mark.parametrize(("method", "path"), [*GUARDED, *(("GET", path) for path in OPEN)])
def test_every_response_tells_browsers_to_keep_it_to_themselves(server, method, path):
    _, fields, _ = exchange(server, method, path, b"{}")
    assert fields["x-content-type-options"] == "nosniff"
    assert fields["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert fields["cross-origin-resource-policy"] == "same-origin"
    assert fields["referrer-policy"] == "no-referrer"
    public = path in {"/.well-known/openid-configuration", "/jwks", "/certs"}
    assert fields.get("cache-control") == (None if public else "no-store")


def test_googles_client_does_not_notice(server):
    with server.client("rest") as client:
        queue = client.create_queue(
            parent=LOCATION, queue={"name": f"{LOCATION}/queues/google-rest"}
        )
        client.delete_queue(name=queue.name)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_does_not_notice(server):
    """``curl -d`` sends the content type of a form unless told otherwise."""
    queue = {"name": f"{LOCATION}/queues/curl"}
    command = ["curl", "--silent", "-d", json.dumps(queue), f"{server.url}{QUEUES}"]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)
    assert json.loads(done.stdout)["name"] == queue["name"]


@pytest.mark.parametrize(
    ("settings", "served"),
    [
        ({}, False),
        ({"host": "0.0.0.0", "insecure": "true"}, True),
        ({"allow_host": ["evil.test"]}, True),
        ({"host": "0.0.0.0", "insecure": "true", "allow_host": ["other.test"]}, False),
    ],
)
def test_the_settings_decide_which_names_are_served(settings, served):
    live = LiveServer(**settings)
    status, _, _ = exchange(live, "GET", QUEUES, Host="evil.test:8123")
    live.stop()
    assert status == (200 if served else 403)


def test_forms_are_taken_where_a_token_is_checked_but_from_own_pages_alone():
    headers = {
        b"host": OWN.encode(),
        b"content-type": FORM.encode(),
        b"sec-fetch-site": b"same-origin",
    }
    browsers.check(LOCAL, "POST", headers, takes_forms=True)
    with pytest.raises(PermissionDenied):
        browsers.check(LOCAL, "POST", headers)
    with pytest.raises(PermissionDenied):
        browsers.check(
            LOCAL, "POST", headers | {b"sec-fetch-site": b"cross-site"}, takes_forms=True
        )
