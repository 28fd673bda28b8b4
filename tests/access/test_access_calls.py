"""A server that authenticates its callers, as they see it."""

import grpc
import pytest
import requests
from callers import LOCATION, QUEUE, call, create_key, over_grpc, over_http, with_key
from google.api_core import exceptions
from google.cloud import tasks_v2
from google.oauth2.credentials import Credentials
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from issuer_server import AUDIENCE

from drayman import tasks
from drayman.access import roles
from drayman.core.clock import SECOND
from drayman.core.events import CallRefused
from drayman.core.status import Code
from drayman.tasks_v2 import rpcs, types
from live import PATIENCE, LiveServer, Worker
from verifier import verify

TRANSPORTS = ["grpc", "rest"]
# Recorded from Google's APIs.
MISSING = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login "
    "cookie or other valid authentication credential. See "
    "https://developers.google.com/identity/sign-in/web/devconsole-project."
)
INVALID = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie "
    "or other valid authentication credential. See "
    "https://developers.google.com/identity/sign-in/web/devconsole-project."
)
NO_KEYS = (
    "API keys are not supported by this API. Expected OAuth2 access token or other authentication "
    "credentials that assert a principal. See https://cloud.google.com/docs/authentication"
)
BAD_KEY = "API key not valid. Please pass a valid API key."
TASK = {"http_request": {"url": "https://example.com"}}
OWNER = "roles/owner"


def lacks(permission, resource):
    return (
        f'The principal (user or service account) lacks IAM permission "{permission}" for the '
        f'resource "{resource}" (or the resource may not exist).'
    )


@pytest.fixture
def start(tmp_path):
    """Start servers with an access file of this content."""
    started = []

    def start(content="", **settings):
        path = tmp_path / "access.yaml"
        path.write_text(content or "{}")
        live = LiveServer(access_file=str(path), **{"auth": "keys"} | settings)
        started.append(live)
        return live

    yield start
    for live in started:
        live.stop()


@pytest.fixture
def live(start):
    return start()


@pytest.fixture(params=TRANSPORTS)
def transport(request):
    return request.param


@pytest.fixture
def as_caller(transport):
    """Return Google's client, whose calls carry header fields, as a function of a server."""
    clients = []

    def connect(live, fields):
        client = live.client(transport)
        clients.append(client)
        return Client(client, tuple(fields.items()))

    yield connect
    for client in clients:
        client.transport.close()


class Client:
    """A client whose calls all have the same metadata."""

    def __init__(self, client, metadata):
        self._client = client
        self._metadata = metadata

    def __getattr__(self, name):
        method = getattr(self._client, name)
        return lambda **fields: method(fields, metadata=self._metadata, retry=None)


@pytest.fixture
def refused():
    def check(message, call, **fields):
        with pytest.raises(exceptions.GoogleAPICallError) as caught:
            call(**fields)
        error = caught.value
        is_grpc = isinstance(error.response, grpc.RpcError)
        actual = error.message if is_grpc else error.response.json()["error"]["message"]
        assert actual == message

    return check


def test_a_call_without_credentials_is_told_so(live, transport):
    result = call(live, transport, "GetQueue", {})
    assert (result.code, result.message) == (Code.UNAUTHENTICATED, MISSING)
    assert result.reason == "CREDENTIALS_MISSING"
    assert result.metadata == {
        "service": "cloudtasks.googleapis.com",
        "method": "google.cloud.tasks.v2.CloudTasks.GetQueue",
    }
    assert result.challenge == ("" if transport == "grpc" else 'Bearer realm="drayman"')


@pytest.mark.parametrize("key", ["wrong", "AIzaSyD-0000000000000000000000000000000"])
def test_a_wrong_key_is_an_invalid_argument(live, transport, key):
    result = call(live, transport, "GetQueue", with_key(key))
    assert (result.code, result.message) == (Code.INVALID_ARGUMENT, BAD_KEY)
    assert (result.reason, result.challenge) == ("API_KEY_INVALID", "")


def test_a_token_where_only_keys_are_accepted_is_invalid(live, transport):
    result = call(live, transport, "GetQueue", {"authorization": "Bearer a.b.c"})
    assert (result.code, result.message) == (Code.UNAUTHENTICATED, INVALID)
    assert result.reason == "ACCESS_TOKEN_TYPE_UNSUPPORTED"
    if transport == "rest":
        assert result.challenge == 'Bearer realm="drayman", error="invalid_token"'


def test_a_key_where_only_tokens_are_accepted_is_refused(start, transport):
    result = call(start(auth="oidc"), transport, "GetQueue", with_key("any"))
    assert (result.code, result.message) == (Code.UNAUTHENTICATED, NO_KEYS)
    assert result.reason == "CREDENTIALS_MISSING"


def test_a_key_may_be_in_the_query(live):
    key = create_key(live, "k", OWNER)
    path = f"/v2/{LOCATION}/queues?key="
    assert over_http(live, "GET", path + key, {}).code is Code.OK
    assert over_http(live, "GET", path + "wrong", {}).message == BAD_KEY
    stats = f"/drayman/v1/{QUEUE}/stats?key="
    assert over_http(live, "GET", stats + key, {}).code is Code.NOT_FOUND
    assert over_http(live, "GET", path + "wrong", with_key(key)).code is Code.OK


def test_the_log_has_the_reason_that_the_caller_is_not_told(start, issuer):
    live = start(issuers(issuer), auth="oidc")
    token = issuer.token(live.clock.now(), aud="other")
    result = call(live, "rest", "GetQueue", {"authorization": f"Bearer {token}"})
    assert (result.code, result.message, result.reason) == (Code.UNAUTHENTICATED, INVALID, "")
    event = live.next_event(CallRefused)
    assert event.message == f"{INVALID} (its audience is not one of {AUDIENCE})"


def test_nothing_of_a_request_is_parsed_before_its_caller_is_known(live):
    result = over_http(live, "POST", f"/v2/{QUEUE}/tasks", {}, {"bogus": 1})
    assert result.code is Code.UNAUTHENTICATED
    rpc = rpcs.BY_NAME["CreateTask"]

    class Garbage:
        def SerializeToString(self):  # noqa: N802 - a method of messages
            return b"\xff"

    assert over_grpc(live, rpc, Garbage(), {}).code is Code.UNAUTHENTICATED


def test_health_and_public_documents_are_open(live):
    for path in ("/healthz", "/readyz", "/jwks", "/.well-known/openid-configuration", "/certs"):
        assert live.request("GET", path)[0] == 200
    with grpc.insecure_channel(live.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        assert stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE).status == 1


def test_reflection_is_for_known_callers(live):
    key = create_key(live, "k")
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    with grpc.insecure_channel(live.address) as channel:
        reflect = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        with pytest.raises(grpc.RpcError) as caught:
            list(reflect(iter([request]), timeout=PATIENCE))
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        metadata = (("x-goog-api-key", key),)
        (response,) = reflect(iter([request]), metadata=metadata, timeout=PATIENCE)
        assert response.list_services_response.service


def test_a_key_that_is_revoked_stops_working_while_the_server_runs(live, transport, revoke_key):
    text = create_key(live, "k", OWNER)
    assert call(live, transport, "ListQueues", with_key(text)).code is Code.OK
    key = _Id(text.split("_")[1])
    live.run(revoke_key(live.store, key))
    live.advance(SECOND)
    assert call(live, transport, "ListQueues", with_key(text)).message == BAD_KEY


class _Id:
    def __init__(self, key_id):
        self.id = key_id


# The order of checks (recorded).


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("", Code.INVALID_ARGUMENT, "Invalid resource field value in the request."),
        ("bad", Code.PERMISSION_DENIED, "Permission denied on resource project bad."),
        (f"{LOCATION}/queues", Code.PERMISSION_DENIED, None),
        (f"{LOCATION}/queues/not_valid", Code.PERMISSION_DENIED, None),
    ],
)  # fmt: skip
def test_the_permission_comes_after_the_project_and_before_the_ids(live, name, code, message):
    key = create_key(live, "k")
    request = types.GetQueueRequest.pb()(name=name)
    result = over_grpc(live, rpcs.BY_NAME["GetQueue"], request, with_key(key))
    assert (result.code, result.message) == (code, message or lacks("cloudtasks.queues.get", name))


# Policies and bindings.


def policy_of(role, *members):
    return {"bindings": [{"role": role, "members": list(members)}]}


def test_a_policy_opens_its_queue_alone(live, as_caller, refused):
    owner = as_caller(live, with_key(create_key(live, "owner", OWNER)))
    web = as_caller(
        live, with_key(create_key(live, "web", member="serviceAccount:web@example.com"))
    )
    other = f"{LOCATION}/queues/other"
    for name in (QUEUE, other):
        owner.create_queue(parent=LOCATION, queue={"name": name, "state": "PAUSED"})
        owner.pause_queue(name=name)
        refused(lacks("cloudtasks.tasks.create", name), web.create_task, parent=name, task=TASK)
    policy = policy_of("roles/cloudtasks.enqueuer", "serviceAccount:web@example.com")
    owner.set_iam_policy(resource=QUEUE, policy=policy)
    live.advance(SECOND)
    created = web.create_task(parent=QUEUE, task=TASK)
    refused(lacks("cloudtasks.tasks.create", other), web.create_task, parent=other, task=TASK)
    refused(lacks("cloudtasks.tasks.get", created.name), web.get_task, name=created.name)
    owner.set_iam_policy(resource=QUEUE, policy={})
    live.advance(SECOND)
    refused(lacks("cloudtasks.tasks.create", QUEUE), web.create_task, parent=QUEUE, task=TASK)


@pytest.mark.parametrize("member", ["allUsers", "allAuthenticatedUsers"])
def test_everyone_is_every_known_caller(live, as_caller, member, transport):
    owner = as_caller(live, with_key(create_key(live, "owner", OWNER)))
    owner.create_queue(parent=LOCATION, queue={"name": QUEUE})
    owner.set_iam_policy(resource=QUEUE, policy=policy_of("roles/viewer", member))
    live.advance(SECOND)
    as_caller(live, with_key(create_key(live, "other"))).get_queue(name=QUEUE)
    assert call(live, transport, "GetQueue", {}).code is Code.UNAUTHENTICATED


def test_a_policy_with_a_condition_is_refused(live, as_caller, refused):
    owner = as_caller(live, with_key(create_key(live, "owner", OWNER)))
    owner.create_queue(parent=LOCATION, queue={"name": QUEUE})
    policy = policy_of("roles/viewer", "allUsers") | {"version": 3}
    policy["bindings"][0]["condition"] = {"expression": "true"}
    message = "Can't set conditional policy on this resource"  # recorded
    refused(message, owner.set_iam_policy, resource=QUEUE, policy=policy)


def test_permissions_are_tested_for_the_caller(live, as_caller):
    owner = as_caller(live, with_key(create_key(live, "owner", OWNER)))
    owner.create_queue(parent=LOCATION, queue={"name": QUEUE})
    runner = as_caller(live, with_key(create_key(live, "runner", "roles/cloudtasks.taskRunner")))
    asked = ["cloudtasks.queues.get", "cloudtasks.tasks.run"]
    for client, granted in ((owner, asked), (runner, asked[1:])):
        response = client.test_iam_permissions(resource=QUEUE, permissions=asked)
        assert list(response.permissions) == granted


def test_bindings_of_the_access_file_hold_on_their_resource(start, as_caller, refused):
    live = start("""
bindings:
- role: roles/viewer
  members: [serviceAccount:web@example.com]
  resource: projects/p
""")
    web = as_caller(
        live, with_key(create_key(live, "web", member="serviceAccount:web@example.com"))
    )
    assert list(web.list_queues(parent=LOCATION)) == []
    elsewhere = "projects/p2/locations/l"
    refused(lacks("cloudtasks.queues.list", elsewhere), web.list_queues, parent=elsewhere)


@pytest.mark.parametrize("method", ["list_tasks", "get_task", "create_task", "run_task"])
def test_the_full_view_needs_a_permission_of_its_own(live, as_caller, refused, method, monkeypatch):
    needed = {
        "list_tasks": "cloudtasks.tasks.list", "get_task": "cloudtasks.tasks.get",
        "create_task": "cloudtasks.tasks.create", "run_task": "cloudtasks.tasks.run",
    }  # fmt: skip
    monkeypatch.setitem(roles.ROLES, "roles/cloudtasks.taskDeleter", frozenset(needed.values()))
    client = as_caller(live, with_key(create_key(live, "k", "roles/cloudtasks.taskDeleter")))
    name = f"{QUEUE}/tasks/t"
    fields = {"list_tasks": {"parent": QUEUE}, "create_task": {"parent": QUEUE, "task": TASK}}
    resource = QUEUE if method in fields else name
    call = getattr(client, method)
    request = fields.get(method, {"name": name}) | {"response_view": "FULL"}
    refused(lacks("cloudtasks.tasks.fullView", resource), call, **request)


# Service accounts.

ACCOUNT = "worker@example.com"
ACT_AS = """
bindings:
- role: roles/iam.serviceAccountUser
  members: [serviceAccount:web@example.com]
  resource: projects/-/serviceAccounts/worker@example.com
"""


def task_as(email, kind="oidc_token"):
    url = "https://worker.googleapis.com"  # OAuth tokens go nowhere else
    return {"http_request": {"url": url, kind: {"service_account_email": email}}}


@pytest.mark.parametrize("kind", ["oidc_token", "oauth_token"])
def test_a_task_with_a_token_needs_its_account(start, as_caller, refused, kind):
    live = start(ACT_AS)
    owner = as_caller(live, with_key(create_key(live, "owner", OWNER)))
    owner.create_queue(parent=LOCATION, queue={"name": QUEUE})
    owner.pause_queue(name=QUEUE)
    enqueuer = "roles/cloudtasks.enqueuer"
    may = as_caller(
        live, with_key(create_key(live, "may", enqueuer, member="serviceAccount:web@example.com"))
    )
    may_not = as_caller(live, with_key(create_key(live, "may-not", enqueuer)))
    message = lacks("iam.serviceAccounts.actAs", ACCOUNT)
    may.create_task(parent=QUEUE, task=task_as(ACCOUNT, kind))
    refused(message, may_not.create_task, parent=QUEUE, task=task_as(ACCOUNT, kind))
    batch = [{"parent": QUEUE, "task": TASK}, {"parent": QUEUE, "task": task_as(ACCOUNT, kind)}]
    refused(message, may_not.batch_create_tasks, parent=QUEUE, requests=batch)
    other = lacks("iam.serviceAccounts.actAs", "other@example.com")
    refused(other, may.create_task, parent=QUEUE, task=task_as("other@example.com", kind))
    owner.create_task(parent=QUEUE, task=task_as("other@example.com", kind))


def test_a_queue_with_a_token_needs_its_account(live, as_caller, refused):
    admin = as_caller(live, with_key(create_key(live, "admin", "roles/cloudtasks.queueAdmin")))
    token = {"oidc_token": {"service_account_email": ACCOUNT}}
    queue = {"name": QUEUE, "http_target": token}
    message = lacks("iam.serviceAccounts.actAs", ACCOUNT)
    refused(message, admin.create_queue, parent=LOCATION, queue=queue)
    admin.create_queue(parent=LOCATION, queue={"name": QUEUE})
    refused(message, admin.update_queue, queue=queue)
    for path in ("http_target", "http_target.oidc_token"):
        refused(message, admin.update_queue, queue=queue, update_mask={"paths": [path]})
    admin.update_queue(queue=queue, update_mask={"paths": ["rate_limits"]})


def test_a_project_owner_may_use_the_accounts_of_the_project_alone(start, as_caller, refused):
    live = start("""
bindings:
- role: roles/owner
  members: [serviceAccount:web@example.com]
  resource: projects/p
""")
    web = as_caller(
        live, with_key(create_key(live, "web", member="serviceAccount:web@example.com"))
    )
    web.create_queue(parent=LOCATION, queue={"name": QUEUE})
    web.pause_queue(name=QUEUE)
    web.create_task(parent=QUEUE, task=task_as("w@p.iam.gserviceaccount.com"))
    for foreign in ("w@p2.iam.gserviceaccount.com", ACCOUNT):
        message = lacks("iam.serviceAccounts.actAs", foreign)
        refused(message, web.create_task, parent=QUEUE, task=task_as(foreign))


# Tokens.


def issuers(issuer):
    return f"""
bindings:
- role: roles/owner
  members: ['user:ann@example.com', 'serviceAccount:{ACCOUNT}']
issuers:
- issuer: {issuer.url}
  audiences: [{AUDIENCE}]
"""


def test_a_token_of_a_configured_issuer_is_accepted(start, issuer, transport):
    live = start(issuers(issuer), auth="oidc")
    fields = {"authorization": f"Bearer {issuer.token(live.clock.now())}"}
    assert call(live, transport, "ListQueues", fields).code is Code.OK
    other = issuer.token(live.clock.now(), email="bob@example.com", sub="5")
    result = call(live, transport, "ListQueues", {"authorization": f"Bearer {other}"})
    assert result.message == lacks("cloudtasks.queues.list", LOCATION)


def test_a_token_takes_precedence_over_a_key(start, issuer, transport):
    live = start(issuers(issuer), auth="keys,oidc")
    key = create_key(live, "k")
    token = {"authorization": f"Bearer {issuer.token(live.clock.now())}"}
    assert call(live, transport, "ListQueues", token | with_key(key)).code is Code.OK
    denied = call(live, transport, "ListQueues", with_key(key))
    assert denied.code is Code.PERMISSION_DENIED


def test_a_task_carries_a_token_with_which_its_target_may_call_back(start, issuer):
    live = start(issuers(issuer), auth="keys,oidc", allow_http_tokens="true")
    worker = Worker()
    key = with_key(create_key(live, "owner", OWNER))
    client = live.client("grpc")
    metadata = tuple(key.items())
    client.create_queue({"parent": LOCATION, "queue": {"name": QUEUE}}, metadata=metadata)
    token = {"service_account_email": ACCOUNT, "audience": live.url}
    task = {"http_request": {"url": worker.url, "oidc_token": token}}
    client.create_task({"parent": QUEUE, "task": task}, metadata=metadata)
    authorization = worker.next().headers["Authorization"]
    _, certificates = live.request("GET", "/certs")
    payload = verify(
        authorization.removeprefix("Bearer "), certificates, live.url, live.clock.now()
    )
    assert payload["email"] == ACCOUNT
    for transport in TRANSPORTS:
        fields = {"authorization": authorization}
        assert call(live, transport, "ListQueues", fields).code is Code.OK
    client.transport.close()
    worker.stop()


# Clients.


@pytest.mark.parametrize("library", [tasks_v2, tasks], ids=["google", "drayman"])
def test_the_option_api_key_of_clients_works_over_rest(live, library):
    options = {"api_endpoint": live.url, "api_key": create_key(live, "k", OWNER)}
    with library.CloudTasksClient(transport="rest", client_options=options) as client:
        assert list(client.list_queues(parent=LOCATION)) == []


@pytest.mark.parametrize("library", [tasks_v2, tasks], ids=["google", "drayman"])
def test_credentials_of_clients_work_over_rest(start, issuer, library):
    live = start(issuers(issuer), auth="oidc")
    with library.CloudTasksClient(
        transport="rest",
        credentials=Credentials(issuer.token(live.clock.now())),
        client_options={"api_endpoint": live.url},
    ) as client:
        assert list(client.list_queues(parent=LOCATION)) == []


def test_a_client_without_credentials_is_unauthenticated(live, transport):
    address = live.url if transport == "rest" else f"http://{live.address}"
    with (
        tasks.CloudTasksClient(
            transport=transport, client_options={"api_endpoint": address}
        ) as client,
        pytest.raises(exceptions.Unauthenticated, match="missing required authentication"),
    ):
        client.list_queues(parent=LOCATION)


def test_our_client_sends_an_api_key_over_plain_grpc(live):
    options = {"api_endpoint": f"http://{live.address}", "api_key": create_key(live, "k", OWNER)}
    with tasks.CloudTasksClient(client_options=options) as client:
        assert list(client.list_queues(parent=LOCATION)) == []


async def test_our_client_for_asyncio_sends_an_api_key_over_plain_grpc(live):
    options = {"api_endpoint": f"http://{live.address}", "api_key": create_key(live, "k", OWNER)}
    async with tasks.CloudTasksAsyncClient(client_options=options) as client:
        pager = await client.list_queues(parent=LOCATION)
        assert [queue async for queue in pager] == []


@pytest.mark.parametrize(
    "path",
    [
        f"/v2/{QUEUE}/tasks",
        f"/v2/{QUEUE}/tasks:buffer",
        f"/drayman/v1/{QUEUE}/deadLetters:replay",
    ],
)
def test_a_body_of_an_unknown_caller_is_not_decompressed(live, path):
    """Otherwise 16 KB sent would be 16 MB for the thread that large requests of others need."""
    response = requests.post(
        f"http://127.0.0.1:{live.server.port}{path}",
        data=b"no gzip",
        headers={"content-encoding": "gzip"},
        timeout=PATIENCE,
    )
    assert response.json()["error"]["status"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("known", [True, False])
def test_a_message_of_an_unknown_caller_is_not_decompressed(live, known):
    fields = with_key(create_key(live, "owner", OWNER)) if known else {}
    with grpc.insecure_channel(live.address) as channel:
        call = channel.unary_unary(rpcs.BY_NAME["CreateTask"].full_name)
        with pytest.raises(grpc.RpcError) as caught:
            call(
                bytes(17 << 20),  # 17 KB on the way, and more than a request may have
                metadata=tuple(fields.items()),
                timeout=PATIENCE,
                compression=grpc.Compression.Gzip,
            )
    expected = grpc.StatusCode.RESOURCE_EXHAUSTED if known else grpc.StatusCode.UNAUTHENTICATED
    assert caught.value.code() is expected
