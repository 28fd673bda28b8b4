"""How a client is made: what Google's client passes to its transport, ours does too."""

import base64
import itertools
import json
import logging

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core import gapic_v1
from google.api_core.client_options import ClientOptions
from google.auth import exceptions as auth_exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import tasks_v2 as google_tasks
from samples import QUEUE

from drayman import tasks
from drayman.tasks_v2.services.cloud_tasks import transports

CLIENTS = (google_tasks.CloudTasksClient, tasks.CloudTasksClient)
AGENT = "x-goog-api-client"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch, tmp_path):
    for name in (
        "CLOUD_TASKS_EMULATOR_HOST",
        "GOOGLE_API_USE_CLIENT_CERTIFICATE",
        "GOOGLE_API_USE_MTLS_ENDPOINT",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CLOUD_UNIVERSE_DOMAIN",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.fixture(scope="session")
def service_account():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "worker@my-project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }


@pytest.fixture
def key_file(service_account, tmp_path):
    path = tmp_path / "key.json"
    path.write_text(json.dumps(service_account))
    return str(path)


def made(client_class, **arguments):
    """What the client's making comes to: what its transport was given, or what was raised."""
    given = {}

    def transport(**options):
        given.update(options)
        return given

    try:
        client = client_class(transport=transport, **arguments)
    except Exception as error:  # noqa: BLE001 - what it is is what the test compares
        return type(error)
    given.pop("client_info")
    credentials = given.pop("credentials")
    token = getattr(credentials, "token", None)
    return given, type(credentials), token, client.api_endpoint, client.universe_domain


def source():
    return b"certificate", b"key"


OPTIONS = (
    {},
    {"api_endpoint": "example.com:1"},
    {"client_cert_source": source},
    {"client_cert_source": source, "api_endpoint": "example.com"},
    {"universe_domain": "example.com"},
    {"universe_domain": "  "},
    {"universe_domain": "example.com", "client_cert_source": source},
    {"quota_project_id": "payer", "scopes": ["a", "b"], "api_audience": "https://a"},
    {"api_key": "secret"},
    {"nonsense": 1},
    {"client_cert_source": source, "client_encrypted_cert_source": source},
)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "+".join(options) or "none")
@pytest.mark.parametrize(
    ("certificate", "endpoint"),
    list(
        itertools.product([None, "true", "false"], [None, "auto", "always", "never", "NEVER", "x"])
    ),
)
def test_options_and_environment_lead_where_googles_do(monkeypatch, options, certificate, endpoint):
    if certificate:
        monkeypatch.setenv("GOOGLE_API_USE_CLIENT_CERTIFICATE", certificate)
    if endpoint:
        monkeypatch.setenv("GOOGLE_API_USE_MTLS_ENDPOINT", endpoint)
    google, ours = (made(client, client_options=options) for client in CLIENTS)
    assert ours == google


@pytest.mark.parametrize("domain", ["example.com", ""])
def test_the_universe_domain_of_the_environment(monkeypatch, domain):
    monkeypatch.setenv("GOOGLE_CLOUD_UNIVERSE_DOMAIN", domain)
    google, ours = (made(client) for client in CLIENTS)
    assert ours == google


def test_a_wrong_value_is_named(monkeypatch):
    monkeypatch.setenv("GOOGLE_API_USE_MTLS_ENDPOINT", "perhaps")
    with pytest.raises(auth_exceptions.MutualTLSChannelError, match="but is `perhaps`"):
        tasks.CloudTasksClient()


def test_options_are_an_object_too():
    options = ClientOptions(api_endpoint="example.com", quota_project_id="payer")
    google, ours = (made(client, client_options=options) for client in CLIENTS)
    assert ours == google


@pytest.mark.parametrize(
    "arguments",
    [
        {"credentials": AnonymousCredentials()},
        {"client_options": {"api_key": "secret"}},
        {"client_options": {"scopes": ["a"]}},
    ],
)
def test_a_transport_has_its_own_credentials(arguments, recorder):
    for client, kind in zip(CLIENTS, (google_tasks, None), strict=True):
        module = kind.services.cloud_tasks.transports if kind else transports
        with grpc.insecure_channel(recorder.address) as channel:
            transport = module.CloudTasksGrpcTransport(channel=channel)
            with pytest.raises(ValueError, match="transport"):
                client(transport=transport, **arguments)


def test_a_key_and_credentials_exclude_one_another():
    for client in CLIENTS:
        with pytest.raises(ValueError, match="api_key and credentials"):
            client(credentials=AnonymousCredentials(), client_options={"api_key": "k"})


@pytest.mark.parametrize(
    ("label", "name"),
    [
        (None, "CloudTasksGrpcTransport"),
        ("grpc", "CloudTasksGrpcTransport"),
        ("grpc_asyncio", "CloudTasksGrpcAsyncIOTransport"),
        ("rest", "CloudTasksRestTransport"),
    ],
)
def test_transports_have_googles_names(label, name):
    for client in CLIENTS:
        assert client.get_transport_class(label).__name__ == name
    asynchronous = tasks.CloudTasksAsyncClient.get_transport_class
    assert asynchronous().__name__ == "CloudTasksGrpcAsyncIOTransport"


def test_an_unknown_transport_is_named():
    with pytest.raises(KeyError, match=r"'carrier pigeon' is no transport; there are grpc, .*rest"):
        tasks.CloudTasksClient(transport="carrier pigeon")


@pytest.mark.parametrize("kind", [transports.CloudTasksGrpcTransport, None])
def test_a_transport_is_a_class_or_a_callable(kind, recorder):
    def make(**options):
        return transports.CloudTasksGrpcTransport(**options)

    options = {"api_endpoint": f"http://{recorder.address}"}
    with tasks.CloudTasksClient(transport=kind or make, client_options=options) as client:
        client.get_queue(name=QUEUE)
    assert len(recorder.take()) == 1


def test_without_credentials_there_is_no_client():
    for transport in ("grpc", "rest"):
        with pytest.raises(auth_exceptions.DefaultCredentialsError):
            tasks.CloudTasksClient(transport=transport)


def test_application_default_credentials_are_found(monkeypatch, key_file, service_account):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", key_file)
    for transport in ("grpc", "rest"):
        with tasks.CloudTasksClient(transport=transport) as client:
            found = client.transport._credentials
            assert found.service_account_email == service_account["client_email"]


def sent(recorder):
    (one,) = recorder.take()
    return {name.lower(): value for name, value in one.headers.items()}


def test_a_service_account_signs_its_own_tokens(rest_recorder, service_account, key_file):
    options = {"api_endpoint": f"http://{rest_recorder.address}"}
    audiences = []
    for kind in CLIENTS:
        for client in (
            kind.from_service_account_info(
                service_account, transport="rest", client_options=options
            ),
            kind.from_service_account_file(key_file, transport="rest", client_options=options),
            kind.from_service_account_json(key_file, transport="rest", client_options=options),
        ):
            with client:
                client.get_queue(name=QUEUE)
            token = sent(rest_recorder)["authorization"].removeprefix("Bearer ")
            audiences.append(claims(token))
    assert all(one == audiences[0] for one in audiences)


def claims(token):
    body = token.split(".")[1]
    found = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return {name: found[name] for name in found if name not in ("iat", "exp")}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # google.auth's own, of this option
def test_credentials_of_a_file(key_file, service_account):
    options = {"credentials_file": key_file}
    with tasks.CloudTasksClient(client_options=options) as client:
        found = client.transport._credentials
        assert found.service_account_email == service_account["client_email"]


def test_an_api_key_and_a_paying_project_are_sent(rest_recorder):
    options = {"api_endpoint": f"http://{rest_recorder.address}", "api_key": "secret"}
    headers = []
    for kind in CLIENTS:
        with kind(transport="rest", client_options=options) as client:
            client.get_queue(name=QUEUE)
        headers.append(sent(rest_recorder)["x-goog-api-key"])
    assert headers == ["secret", "secret"]


def test_the_paying_project_is_sent_over_rest(rest_recorder, service_account):
    client = tasks.CloudTasksClient.from_service_account_info(
        service_account,
        transport="rest",
        client_options={
            "api_endpoint": f"http://{rest_recorder.address}",
            "quota_project_id": "payer",
        },
    )
    with client:
        client.get_queue(name=QUEUE)
    assert sent(rest_recorder)["x-goog-user-project"] == "payer"


def test_client_info_is_what_a_client_says_about_itself(recorder):
    info = gapic_v1.client_info.ClientInfo(client_library_version="9", user_agent="me/1")
    options = {"api_endpoint": f"http://{recorder.address}"}
    with tasks.CloudTasksClient(client_options=options, client_info=info) as client:
        client.get_queue(name=QUEUE)
    assert recorder.take()[0].metadata[AGENT] == info.to_user_agent()
    with tasks.CloudTasksClient(client_options=options, client_info=None) as client:
        client.get_queue(name=QUEUE)
    assert AGENT not in recorder.take()[0].metadata


def test_leaving_the_block_closes_the_transport(recorder):
    with tasks.CloudTasksClient(
        client_options={"api_endpoint": f"http://{recorder.address}"}
    ) as client:
        client.get_queue(name=QUEUE)
    with pytest.raises(ValueError, match="closed channel"):
        client.get_queue(name=QUEUE)


def test_the_old_way_to_mutual_tls(monkeypatch):
    monkeypatch.setenv("GOOGLE_API_USE_CLIENT_CERTIFICATE", "true")
    options = ClientOptions(client_cert_source=source)
    found = []
    for client in CLIENTS:
        with pytest.warns(DeprecationWarning, match="get_mtls_endpoint_and_cert_source"):
            found.append(client.get_mtls_endpoint_and_cert_source(options))
    assert found[0] == found[1] == ("cloudtasks.mtls.googleapis.com", source)


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_requests_and_responses_are_logged(transport, recorder, rest_recorder):
    class Kept(logging.Handler):
        def emit(self, record):
            records.append(record)

    records = []
    address = (recorder if transport == "grpc" else rest_recorder).address
    logger = logging.getLogger("google.cloud.tasks_v2")
    logger.addHandler(handler := Kept())
    logger.setLevel(logging.DEBUG)
    try:
        with tasks.CloudTasksClient(
            transport=transport, client_options={"api_endpoint": f"http://{address}"}
        ) as client:
            client.get_queue(name=QUEUE)
    finally:
        logger.setLevel(logging.NOTSET)
        logger.removeHandler(handler)
    created, request, response = records
    assert created.getMessage() == "Created client `CloudTasksClient`."
    told = {"grpc": ("request", "response"), "rest": ("httpRequest", "httpResponse")}[transport]
    assert json.loads(getattr(request, told[0])["payload"]) == {"name": QUEUE}
    assert json.loads(getattr(response, told[1])["payload"]) == {}
    assert request.rpcName == "/google.cloud.tasks.v2.CloudTasks/GetQueue"
    assert {record.serviceName for record in records} == {"google.cloud.tasks.v2.CloudTasks"}


class Secretive(AnonymousCredentials):
    def get_cred_info(self):
        raise OSError("not even that")


def test_credentials_that_tell_nothing_do_not_keep_a_client_from_being_made():
    logger = logging.getLogger("google.cloud.tasks_v2")
    logger.setLevel(logging.DEBUG)
    try:
        with tasks.CloudTasksClient(credentials=Secretive()) as client:
            assert client.api_endpoint == "cloudtasks.googleapis.com"
    finally:
        logger.setLevel(logging.NOTSET)


WRONG = {
    "": "it is empty",
    " ": "it is empty",
    "a b": "a space",
    " example.com": "a space",
    "grpc://example.com:1": "grpc:// is not supported",
    "https://example.com:1/path": "a slash too",
    "http://example.com/": "a slash too",
    "example.com/": "a slash too",
    "example.com:0": "from 1 to 65535",
    "example.com:65536": "from 1 to 65535",
    "example.com:http": "from 1 to 65535",
    "example.com:": "from 1 to 65535",
    "me@example.com": "names a user",
    "::1": "brackets",
    "http://": "no host",
}


@pytest.mark.parametrize("transport", ["grpc", "rest"])
@pytest.mark.parametrize(("value", "complaint"), WRONG.items())
def test_an_endpoint_that_is_none_is_named(transport, value, complaint):
    options = {"api_endpoint": value}
    with pytest.raises(ValueError, match="api_endpoint must be HOST") as caught:
        tasks.CloudTasksClient(
            transport=transport, client_options=options, credentials=AnonymousCredentials()
        )
    assert repr(value) in str(caught.value)
    assert complaint in str(caught.value)
    with pytest.raises(ValueError, match="host must be HOST"):
        tasks.CloudTasksClient.get_transport_class(transport)(host=value)


@pytest.mark.parametrize(
    ("value", "grpc_host", "rest_host"),
    [
        ("example.com", "example.com:443", "https://example.com"),
        ("https://example.com:8443", "example.com:8443", "https://example.com:8443"),
        ("https://example.com", "example.com:443", "https://example.com"),
        ("http://example.com", "example.com:80", "http://example.com"),
        ("HTTP://[::1]:8123", "[::1]:8123", "http://[::1]:8123"),
        ("[::1]", "[::1]:443", "https://[::1]"),
    ],
)
def test_an_endpoint_means_the_same_for_both_transports(value, grpc_host, rest_host):
    for transport, host in (("grpc", grpc_host), ("rest", rest_host)):
        with tasks.CloudTasksClient(
            transport=transport,
            client_options={"api_endpoint": value},
            credentials=AnonymousCredentials(),
        ) as client:
            assert client.transport.host == host
            assert client.api_endpoint == value


def test_grpcs_own_names_are_grpcs(tmp_path):
    options = {"api_endpoint": f"unix:{tmp_path}/socket"}
    with tasks.CloudTasksClient(
        client_options=options, credentials=AnonymousCredentials()
    ) as client:
        assert client.transport.host == options["api_endpoint"]
    with pytest.raises(ValueError, match="host must be"):
        tasks.CloudTasksClient(
            transport="rest", client_options=options, credentials=AnonymousCredentials()
        )
