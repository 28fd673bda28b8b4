"""Which role may make which call, over which transport.

The calls and roles come from the tables of the server; what is expected of them is written here,
from the published roles and the text of each call.
"""

import pytest
from callers import LOCATION, QUEUE, Result, call, create_key, with_key

from drayman.access import roles
from drayman.api import admin
from drayman.core.events import QueueAction, QueueChanged
from drayman.core.queue import Queue, creation
from drayman.core.status import Code
from drayman.tasks_v2 import rpcs
from live import LiveServer

TRANSPORTS = ["grpc", "rest"]
COLUMNS = {
    "O": "roles/owner",
    "E": "roles/editor",
    "V": "roles/viewer",
    "a": "roles/cloudtasks.admin",
    "e": "roles/cloudtasks.editor",
    "v": "roles/cloudtasks.viewer",
    "q": "roles/cloudtasks.queueAdmin",
    "n": "roles/cloudtasks.enqueuer",
    "r": "roles/cloudtasks.taskRunner",
    "d": "roles/cloudtasks.taskDeleter",
    "A": "roles/drayman.admin",
    "D": "roles/drayman.viewer",
    "u": "roles/iam.serviceAccountUser",
}
# Call, who may make it, and the permission that others lack.
EXPECTED = {
    name: (letters, permission)
    for name, letters, permission in (
        line.split()
        for line in """
        ListQueues          OEVaevq       cloudtasks.queues.list
        GetQueue            OEVaevq       cloudtasks.queues.get
        CreateQueue         OEaeq         cloudtasks.queues.create
        UpdateQueue         OEaeq         cloudtasks.queues.update
        DeleteQueue         OEaeq         cloudtasks.queues.delete
        PurgeQueue          OEaeq         cloudtasks.queues.purge
        PauseQueue          OEaeq         cloudtasks.queues.pause
        ResumeQueue         OEaeq         cloudtasks.queues.resume
        GetIamPolicy        Oaq           cloudtasks.queues.getIamPolicy
        SetIamPolicy        Oaq           cloudtasks.queues.setIamPolicy
        TestIamPermissions  OEVaevqnrdADu -
        ListTasks           OEVaev        cloudtasks.tasks.list
        GetTask             OEVaev        cloudtasks.tasks.get
        CreateTask          OEaen         cloudtasks.tasks.create
        BatchCreateTasks    OEaen         cloudtasks.tasks.create
        BufferTask          OEaen         cloudtasks.tasks.create
        DeleteTask          OEaed         cloudtasks.tasks.delete
        BatchDeleteTasks    OEaed         cloudtasks.tasks.delete
        RunTask             OEaer         cloudtasks.tasks.run
        UpdateCmekConfig    Oa            cloudtasks.cmekConfig.update
        GetCmekConfig       OEVaev        cloudtasks.cmekConfig.get
        GetOperation        OEVaev        cloudtasks.operations.get
        ListOperations      OEVaev        cloudtasks.operations.list
        WaitOperation       OEVaev        cloudtasks.operations.get
        CancelOperation     OEae          cloudtasks.operations.cancel
        DeleteOperation     OEae          cloudtasks.operations.delete
        GetLocation         OEVaevq       cloudtasks.locations.get
        ListLocations       OEVaevq       cloudtasks.locations.list
        ListQueueStats      OEVAD         drayman.queues.getStats
        GetQueueStats       OEVAD         drayman.queues.getStats
        ListAttempts        OEVAD         drayman.attempts.list
        ListDeadLetters     OEVAD         drayman.deadLetters.list
        GetDeadLetter       OEVAD         drayman.deadLetters.get
        DeleteDeadLetter    OEA           drayman.deadLetters.delete
        DeleteDeadLetters   OEA           drayman.deadLetters.delete
        ReplayDeadLetters   OEA           drayman.deadLetters.replay
        """.strip().splitlines()
    )
}
RESOURCES = {
    "ListLocations": "projects/p",
    "ListQueueStats": "",
    **dict.fromkeys(["ListQueues", "CreateQueue", "GetLocation", "ListOperations"], LOCATION),
    **dict.fromkeys(["GetTask", "DeleteTask", "RunTask"], f"{QUEUE}/tasks/t"),
    **dict.fromkeys(["GetCmekConfig", "UpdateCmekConfig"], f"{LOCATION}/cmekConfig"),
    **dict.fromkeys(
        ["GetOperation", "WaitOperation", "CancelOperation", "DeleteOperation"],
        f"{LOCATION}/operations/o",
    ),
}
"""What the call of a name is about; all others are about the queue."""


@pytest.fixture(scope="module")
def live():
    server = LiveServer(auth="keys")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def key_of(live):
    return {
        letter: create_key(live, f"key-{number}", role)
        for number, (letter, role) in enumerate(COLUMNS.items())
    }


def test_every_call_and_every_role_has_an_expectation():
    served = {rpc.name for rpc in rpcs.SERVED} | {row.name for row in admin.CALLS}
    assert set(EXPECTED) == served | {"BufferTask"}
    assert set(COLUMNS.values()) == set(roles.ROLES)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", EXPECTED)
def test_a_call_is_for_those_who_have_its_permission(live, key_of, name, transport):
    letters, permission = EXPECTED[name]
    resource = RESOURCES.get(name, QUEUE)
    refusal = Result(
        Code.PERMISSION_DENIED,
        f'The principal (user or service account) lacks IAM permission "{permission}" for the '
        f'resource "{resource}" (or the resource may not exist).',  # recorded: common errors
        "",
        {},
    )
    allowed = ""
    for letter, key in key_of.items():
        result = call(live, transport, name, with_key(key))
        if result is None:  # not a call of this transport
            return
        if result.code is Code.PERMISSION_DENIED:
            assert result == refusal
        else:
            allowed += letter
    assert sorted(allowed) == sorted(letters)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", EXPECTED)
def test_a_call_without_credentials_is_refused(live, name, transport):
    result = call(live, transport, name, {})
    if result is not None:
        assert (result.code, result.reason) == (Code.UNAUTHENTICATED, "CREDENTIALS_MISSING")
        assert result.metadata["method"].endswith(f".{name}")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_administrative_call_names_the_member_who_made_it(transport):
    live = LiveServer(auth="keys")
    member = f"serviceAccount:{transport}@p.iam.gserviceaccount.com"
    key = create_key(live, f"admin-{transport}", "roles/owner", member=member)
    live.run(live.store.update_queue(QUEUE, creation(Queue(QUEUE)), live.clock.now()))
    call(live, transport, "PauseQueue", with_key(key))
    event = live.next_event(QueueChanged)
    assert (event.queue, event.action, event.by) == (QUEUE, QueueAction.PAUSED, member)
    live.stop()
