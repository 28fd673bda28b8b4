"""What callers see of faults that are not theirs."""

import logging

import pytest

from drayman.api import calls
from drayman.core.errors import NotFound
from drayman.core.status import Code
from live import LiveServer

QUEUE = "projects/p/locations/l/queues/q"


async def test_a_fault_of_ours_is_told_to_the_log_alone(caplog):
    async def fail():
        raise RuntimeError("the secret of the inside")

    with caplog.at_level(logging.ERROR), pytest.raises(calls.InternalError) as caught:
        await calls.guard(fail(), "GetQueue")
    assert caught.value.code is Code.INTERNAL
    assert caught.value.message == "Internal error; the server's log has the details."
    assert caught.value.__cause__ is None
    assert "GetQueue failed" in caplog.text
    assert "the secret of the inside" in caplog.text


async def test_a_refusal_passes_as_it_is():
    async def refuse():
        raise NotFound("no")

    with pytest.raises(NotFound, match="no"):
        await calls.guard(refuse(), "GetQueue")


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_a_store_that_cannot_be_used_is_unavailable(transport, refused):
    live = LiveServer()
    with live.client(transport) as client:
        live.run(live.server.store.close())
        words = "The store is closed: the server is stopping."
        refused("UNAVAILABLE", words, client.get_queue, name=QUEUE, retry=None)
        task = {"http_request": {"url": "http://example.com"}}
        refused("UNAVAILABLE", words, client.create_task, parent=QUEUE, task=task)
    live.stop()
