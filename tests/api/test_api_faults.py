"""What callers see of faults that are not theirs."""

import types

import pytest

from drayman.api import calls
from drayman.core import role
from drayman.core.clock import ManualClock
from drayman.core.errors import NotFound, Unimplemented
from drayman.core.events import CallCrashed, CallRefused
from drayman.core.status import Code
from error_details import details_of
from live import LiveServer

QUEUE = "projects/p/locations/l/queues/q"


@pytest.fixture
def context():
    """What a call needs to fail; its events are in ``context.events``."""
    events = []
    return types.SimpleNamespace(
        events=events, emit=events.append, clock=ManualClock(), access=None, role=role.ALL
    )


async def test_an_internal_error_is_an_event_and_its_caller_gets_no_details(context):
    error = RuntimeError("the secret of the inside")

    async def fail(_caller):
        raise error

    with pytest.raises(calls.InternalError) as caught:
        await calls.guard(context, "GetQueue", {}, fail)
    assert caught.value.code is Code.INTERNAL
    assert caught.value.message == "Internal error; the server's log has the details."
    assert caught.value.__cause__ is None
    assert context.events == [CallCrashed("GetQueue", error, context.clock.now())]


async def test_a_refusal_is_an_event_and_is_raised_as_it_is(context):
    async def refuse(_caller):
        raise NotFound("no")

    with pytest.raises(NotFound, match="no"):
        await calls.guard(context, "GetQueue", {}, refuse)
    now = context.clock.now()
    assert context.events == [CallRefused("GetQueue", Code.NOT_FOUND, "no", now)]


async def test_a_server_that_only_dispatches_refuses_a_call_before_its_handler_runs(context):
    async def fail(_caller):
        raise AssertionError

    context.role = role.DISPATCH
    message = "This server has the role dispatch: it takes no calls."
    with pytest.raises(Unimplemented, match=message):
        await calls.guard(context, "GetQueue", {}, fail)
    now = context.clock.now()
    assert context.events == [CallRefused("GetQueue", Code.UNIMPLEMENTED, message, now)]


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_a_store_that_cannot_be_used_is_unavailable(transport, refused):
    live = LiveServer()
    with live.client(transport) as client:
        live.run(live.store.close())
        message = "The store is closed: the server is stopping."
        error = refused("UNAVAILABLE", message, client.get_queue, name=QUEUE, retry=None)
        # The delay of a retry, as google.rpc.RetryInfo defines it and as HTTP does.
        kind = "type.googleapis.com/google.rpc.RetryInfo"
        assert details_of(error) == [{"@type": kind, "retryDelay": "1s"}]
        if transport == "rest":
            assert error.response.headers["Retry-After"] == "1"
        task = {"http_request": {"url": "http://example.com"}}
        refused("UNAVAILABLE", message, client.create_task, parent=QUEUE, task=task)
    live.stop()
