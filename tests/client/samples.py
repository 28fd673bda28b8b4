"""A sample request for every RPC, and the parametrizations over all RPCs."""

import datetime
import re

import grpc
import pytest

from drayman.tasks_v2 import rpcs

LOCATION = "projects/my-project/locations/us-central1"
QUEUE = f"{LOCATION}/queues/mail"
TASK = f"{QUEUE}/tasks/hello"
CMEK = f"{LOCATION}/cmekConfig"

A_TASK = {
    "name": TASK,
    "http_request": {
        "url": "https://example.com/work",
        "http_method": "PUT",
        "headers": {"Content-Type": "text/plain"},
        "body": b"\x00hello\xff",
    },
    "schedule_time": datetime.datetime(2030, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.UTC),
    "dispatch_deadline": datetime.timedelta(seconds=20.5),
}
A_QUEUE = {
    "name": QUEUE,
    "rate_limits": {"max_dispatches_per_second": 5.5},
    "retry_config": {"max_attempts": 7, "min_backoff": datetime.timedelta(milliseconds=100)},
}
A_MASK = {"paths": ["retry_config.max_attempts", "rate_limits"]}

# The fields of the sample request, by client method.
REQUESTS = {
    "list_queues": {"parent": LOCATION, "filter": "state: PAUSED", "page_size": 3},
    "get_queue": {"name": QUEUE},
    "create_queue": {"parent": LOCATION, "queue": A_QUEUE},
    "update_queue": {"queue": A_QUEUE, "update_mask": A_MASK},
    "delete_queue": {"name": QUEUE},
    "purge_queue": {"name": QUEUE},
    "pause_queue": {"name": QUEUE},
    "resume_queue": {"name": QUEUE},
    "get_iam_policy": {"resource": QUEUE},
    "set_iam_policy": {"resource": QUEUE, "policy": {"version": 1, "etag": b"x"}},
    "test_iam_permissions": {"resource": QUEUE, "permissions": ["cloudtasks.tasks.create"]},
    "list_tasks": {"parent": QUEUE, "response_view": 2, "page_token": "next"},
    "get_task": {"name": TASK, "response_view": 1},
    "create_task": {"parent": QUEUE, "task": A_TASK, "response_view": 2},
    "batch_create_tasks": {
        "parent": QUEUE,
        "requests": [{"parent": QUEUE, "task": A_TASK}],
        "request_id": "3f1e",
    },
    "delete_task": {"name": TASK},
    "batch_delete_tasks": {"parent": QUEUE, "names": [TASK, f"{TASK}2"]},
    "run_task": {"name": TASK, "response_view": 2},
    "update_cmek_config": {"cmek_config": {"name": CMEK, "kms_key": "k"}},
    "get_cmek_config": {"name": CMEK},
    "get_operation": {"name": f"{LOCATION}/operations/1"},
    "get_location": {"name": LOCATION},
    "list_locations": {"name": "projects/my-project", "page_size": 2},
}


def flattened(rpc):
    """The arguments of the client method that the sample request of an RPC sets."""
    return {name: REQUESTS[rpc.method].get(name) for name in rpc.flattened}


def assert_same_error(googles, ours):
    """Our client raises the exception of Google's, whose text may name the server or resource."""
    assert isinstance(ours, type(googles))
    assert type(ours).__name__ == type(googles).__name__
    assert (ours.message, ours.code, ours.grpc_status_code) == (
        googles.message,
        googles.code,
        googles.grpc_status_code,
    )
    assert re.fullmatch(re.escape(str(googles)) + r"( \(.+\))?", str(ours))


CLIENT_RPCS = (*rpcs.RPCS, *rpcs.MIXINS)
each_rpc = pytest.mark.parametrize("rpc", CLIENT_RPCS, ids=lambda rpc: rpc.name)
each_flattened_rpc = pytest.mark.parametrize("rpc", rpcs.RPCS, ids=lambda rpc: rpc.name)
each_error_code = pytest.mark.parametrize(
    "code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
)
