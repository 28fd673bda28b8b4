"""The options of a client: ours passes the same to its transport as Google's."""

import base64
import itertools
import json

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core import gapic_v1
from google.api_core.client_options import ClientOptions
from google.auth import exceptions as auth_exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import tasks_v2 as google_tasks
from recorders import AGENT
from samples import QUEUE

from drayman import tasks
from drayman.tasks_v2.services.cloud_tasks import transports

CLIENTS = (google_tasks.CloudTasksClient, tasks.CloudTasksClient)


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


def configuration(client_class, **arguments):
    """What a client passes to its transport and its endpoint, or the class of the exception."""
    transport_options = {}

    def transport(**options):
        transport_options.update(options)
        return transport_options

    try:
        client = client_class(transport=transport, **arguments)
    except Exception as error:  # noqa: BLE001 - the test compares its class
        return type(error)
    transport_options.pop("client_info")
    credentials = transport_options.pop("credentials")
    token = getattr(credentials, "token", None)
    return transport_options, type(credentials), token, client.api_endpoint, client.universe_domain


def cert_source():
    return b"certificate", b"key"


OPTIONS = (
    {},
    {"api_endpoint": "example.com:1"},
    {"client_cert_source": cert_source},
    {"client_cert_source": cert_source, "api_endpoint": "example.com"},
    {"universe_domain": "example.com"},
    {"universe_domain": "  "},
    {"universe_domain": "example.com", "client_cert_source": cert_source},
    {"quota_project_id": "payer", "scopes": ["a", "b"], "api_audience": "https://a"},
    {"api_key": "secret"},
    {"nonsense": 1},
    {"client_cert_source": cert_source, "client_encrypted_cert_source": cert_source},
)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "+".join(options) or "none")
@pytest.mark.parametrize(
    ("certificate", "endpoint"),
    list(
        itertools.product([None, "true", "false"], [None, "auto", "always", "never", "NEVER", "x"])
    ),
)
def test_options_and_environment_have_the_same_effect_as_for_googles_client(
    monkeypatch, options, certificate, endpoint
):
    if certificate:
        monkeypatch.setenv("GOOGLE_API_USE_CLIENT_CERTIFICATE", certificate)
    if endpoint:
        monkeypatch.setenv("GOOGLE_API_USE_MTLS_ENDPOINT", endpoint)
    google, ours = (configuration(client, client_options=options) for client in CLIENTS)
    assert ours == google


@pytest.mark.parametrize("domain", ["example.com", ""])
def test_the_universe_domain_of_the_environment_has_the_same_effect(monkeypatch, domain):
    monkeypatch.setenv("GOOGLE_CLOUD_UNIVERSE_DOMAIN", domain)
    google, ours = (configuration(client) for client in CLIENTS)
    assert ours == google


def test_an_invalid_variable_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("GOOGLE_API_USE_MTLS_ENDPOINT", "perhaps")
    with pytest.raises(auth_exceptions.MutualTLSChannelError, match="but is `perhaps`"):
        tasks.CloudTasksClient()


def test_options_can_be_an_object():
    options = ClientOptions(api_endpoint="example.com", quota_project_id="payer")
    google, ours = (configuration(client, client_options=options) for client in CLIENTS)
    assert ours == google


@pytest.mark.parametrize(
    "arguments",
    [
        {"credentials": AnonymousCredentials()},
        {"client_options": {"api_key": "secret"}},
        {"client_options": {"scopes": ["a"]}},
    ],
)
def test_credentials_together_with_a_transport_are_refused(arguments, recorder):
    for client, kind in zip(CLIENTS, (google_tasks, None), strict=True):
        module = kind.services.cloud_tasks.transports if kind else transports
        with grpc.insecure_channel(recorder.address) as channel:
            transport = module.CloudTasksGrpcTransport(channel=channel)
            with pytest.raises(ValueError, match="transport"):
                client(transport=transport, **arguments)


def test_an_api_key_together_with_credentials_is_refused():
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


def test_an_unknown_transport_is_refused_by_name():
    with pytest.raises(KeyError, match=r"'pigeon' is no transport; there are grpc, .*rest"):
        tasks.CloudTasksClient(transport="pigeon")


@pytest.mark.parametrize("kind", [transports.CloudTasksGrpcTransport, None])
def test_a_transport_can_be_a_class_or_a_function(kind, recorder):
    def make(**options):
        return transports.CloudTasksGrpcTransport(**options)

    options = {"api_endpoint": f"http://{recorder.address}"}
    with tasks.CloudTasksClient(transport=kind or make, client_options=options) as client:
        client.get_queue(name=QUEUE)
    assert len(recorder.take()) == 1


def test_a_client_without_credentials_is_refused():
    for transport in ("grpc", "rest"):
        with pytest.raises(
            auth_exceptions.DefaultCredentialsError,
            match=r"credentials were not found.* set CLOUD_TASKS_EMULATOR_HOST=HOST:PORT",
        ):
            tasks.CloudTasksClient(transport=transport)


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_application_default_credentials_are_loaded(
    transport, monkeypatch, key_file, service_account, log_records
):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", key_file)
    tasks.CloudTasksClient(transport=transport).transport.close()
    (created,) = log_records
    assert created.credentialsInfo["principal"] == service_account["client_email"]


def headers(recorder):
    (call,) = recorder.take()
    return {name.lower(): value for name, value in call.headers.items()}


def test_a_service_account_signs_its_own_tokens(rest_recorder, service_account, key_file):
    options = {"api_endpoint": f"http://{rest_recorder.address}"}
    all_claims = []
    for client_class in CLIENTS:
        for create, argument in (
            (client_class.from_service_account_info, service_account),
            (client_class.from_service_account_file, key_file),
            (client_class.from_service_account_json, key_file),
        ):
            client = create(argument, transport="rest", client_options=options)
            with client:
                client.get_queue(name=QUEUE)
            token = headers(rest_recorder)["authorization"].removeprefix("Bearer ")
            all_claims.append(claims(token))
    assert all_claims == all_claims[:1] * 6


def claims(token):
    """The claims of a JWT except its times."""
    body = token.split(".")[1]
    values = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return {name: values[name] for name in values if name not in ("iat", "exp")}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # google.auth's own, of this option
def test_the_credentials_of_a_file_are_used(rest_recorder, key_file, service_account):
    options = {
        "api_endpoint": f"http://{rest_recorder.address}",
        "credentials_file": key_file,
    }
    with tasks.CloudTasksClient(transport="rest", client_options=options) as client:
        client.get_queue(name=QUEUE)
    token = headers(rest_recorder)["authorization"].removeprefix("Bearer ")
    assert claims(token)["iss"] == service_account["client_email"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # google.auth's own, of this option
def test_the_credentials_of_a_file_are_loaded_for_grpc(key_file, log_records):
    with tasks.CloudTasksClient(client_options={"credentials_file": key_file}):
        pass
    (created,) = log_records
    assert created.credentialsType == "google.oauth2.service_account.Credentials"


def test_an_api_key_is_sent_as_a_header(rest_recorder):
    options = {"api_endpoint": f"http://{rest_recorder.address}", "api_key": "secret"}
    api_keys = []
    for client_class in CLIENTS:
        with client_class(transport="rest", client_options=options) as client:
            client.get_queue(name=QUEUE)
        api_keys.append(headers(rest_recorder)["x-goog-api-key"])
    assert api_keys == ["secret", "secret"]


def test_an_api_key_is_sent_in_plain_text_over_grpc(recorder):
    options = {"api_endpoint": f"http://{recorder.address}", "api_key": "secret"}
    with tasks.CloudTasksClient(client_options=options) as client:
        client.get_queue(name=QUEUE, metadata=[("x-goog-api-client", "mine"), ("x", "y")])
    (call,) = recorder.take()
    assert (call.metadata["x-goog-api-key"], call.metadata["x"]) == ("secret", "y")


async def test_an_api_key_is_sent_in_plain_text_over_grpc_by_asyncio(recorder):
    options = {"api_endpoint": f"http://{recorder.address}", "api_key": "secret"}
    async with tasks.CloudTasksAsyncClient(client_options=options) as client:
        await client.get_queue(name=QUEUE)
    assert recorder.take()[0].metadata["x-goog-api-key"] == "secret"


def test_the_emulator_gets_no_api_key(recorder, monkeypatch):
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", recorder.address)
    with tasks.CloudTasksClient(client_options={"api_key": "secret"}) as client:
        client.get_queue(name=QUEUE)
    assert "x-goog-api-key" not in recorder.take()[0].metadata


def test_the_quota_project_is_sent_over_rest(rest_recorder, service_account):
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
    assert headers(rest_recorder)["x-goog-user-project"] == "payer"


def test_client_info_is_sent_as_a_header_or_omitted(recorder):
    info = gapic_v1.client_info.ClientInfo(client_library_version="9", user_agent="me/1")
    options = {"api_endpoint": f"http://{recorder.address}"}
    with tasks.CloudTasksClient(client_options=options, client_info=info) as client:
        client.get_queue(name=QUEUE)
    assert recorder.take()[0].metadata[AGENT] == info.to_user_agent()
    with tasks.CloudTasksClient(client_options=options, client_info=None) as client:
        client.get_queue(name=QUEUE)
    assert AGENT not in recorder.take()[0].metadata


def test_a_with_block_closes_the_transport_at_its_end(recorder):
    with tasks.CloudTasksClient(
        client_options={"api_endpoint": f"http://{recorder.address}"}
    ) as client:
        client.get_queue(name=QUEUE)
    with pytest.raises(ValueError, match="closed channel"):
        client.get_queue(name=QUEUE)


def test_the_deprecated_lookup_of_the_mutual_tls_endpoint_still_works(monkeypatch):
    monkeypatch.setenv("GOOGLE_API_USE_CLIENT_CERTIFICATE", "true")
    options = ClientOptions(client_cert_source=cert_source)
    results = []
    for client in CLIENTS:
        with pytest.warns(DeprecationWarning, match="get_mtls_endpoint_and_cert_source"):
            results.append(client.get_mtls_endpoint_and_cert_source(options))
    assert results[0] == results[1] == ("cloudtasks.mtls.googleapis.com", cert_source)


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_requests_and_responses_are_logged(transport, recorder, rest_recorder, log_records):
    address = (recorder if transport == "grpc" else rest_recorder).address
    with tasks.CloudTasksClient(
        transport=transport, client_options={"api_endpoint": f"http://{address}"}
    ) as client:
        client.get_queue(name=QUEUE)
    created, request, response = log_records
    assert created.getMessage() == "Created client `CloudTasksClient`."
    fields = {"grpc": ("request", "response"), "rest": ("httpRequest", "httpResponse")}[transport]
    assert json.loads(getattr(request, fields[0])["payload"]) == {"name": QUEUE}
    assert json.loads(getattr(response, fields[1])["payload"]) == {}
    assert request.rpcName == "/google.cloud.tasks.v2.CloudTasks/GetQueue"
    assert {record.serviceName for record in log_records} == {"google.cloud.tasks.v2.CloudTasks"}


class FailingCredentials(AnonymousCredentials):
    def get_cred_info(self):
        raise OSError("no information")


@pytest.mark.usefixtures("log_records")
def test_credentials_that_fail_to_describe_themselves_do_not_fail_the_client():
    with tasks.CloudTasksClient(credentials=FailingCredentials()) as client:
        assert client.api_endpoint == "cloudtasks.googleapis.com"


INVALID_ENDPOINTS = {
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
@pytest.mark.parametrize(("value", "description"), INVALID_ENDPOINTS.items())
def test_an_invalid_endpoint_is_refused_with_the_reason(transport, value, description):
    options = {"api_endpoint": value}
    with pytest.raises(ValueError, match="api_endpoint must be HOST") as caught:
        tasks.CloudTasksClient(
            transport=transport, client_options=options, credentials=AnonymousCredentials()
        )
    assert repr(value) in str(caught.value)
    assert description in str(caught.value)
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


def test_the_names_of_grpcs_resolvers_are_for_grpc_only(tmp_path):
    options = {"api_endpoint": f"unix:{tmp_path}/socket"}
    with tasks.CloudTasksClient(
        client_options=options, credentials=AnonymousCredentials()
    ) as client:
        assert client.transport.host == options["api_endpoint"]
    with pytest.raises(ValueError, match="host must be"):
        tasks.CloudTasksClient(
            transport="rest", client_options=options, credentials=AnonymousCredentials()
        )
