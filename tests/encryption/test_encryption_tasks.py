"""Encryption as callers of the API see it: what is stored, and what is shown without the key."""

import pytest

from drayman.core.errors import FailedPrecondition
from drayman.core.task import NewTask, Task
from drayman.encryption import envelope
from drayman.encryption.cipher import TaskCipher
from drayman.encryption.locations import LocationKeys
from drayman.encryption.tasks import TaskEncryption
from drayman.tasks_v2 import types
from drayman.wire import tasks

LOCATION = "projects/p/locations/l"
QUEUE = f"{LOCATION}/queues/q"
KEY = f"{LOCATION}/keyRings/r/cryptoKeys/k"
OPERATION = f"{LOCATION}/operations/once"
MESSAGE = types.Task.pb()(http_request={"url": "http://a.example/", "body": b"secret"})
REQUEST = MESSAGE.SerializeToString()
NEW = [NewTask(None, 7, REQUEST), NewTask("named", 8, REQUEST)]
CIPHER = TaskCipher({KEY: bytes(32)})
WITHOUT_KEYS = TaskCipher({})


def encryption(store, clock, cipher=CIPHER):
    return TaskEncryption(cipher, LocationKeys(store, clock, cipher))


async def test_without_a_key_tasks_are_stored_as_they_are(store, clock):
    assert await encryption(store, clock).seal(QUEUE, NEW) == NEW


async def test_with_a_key_the_requests_of_tasks_are_sealed_and_nothing_else(store, clock):
    sealing = encryption(store, clock)
    await sealing.locations.set(LOCATION, KEY)
    assert await sealing.kms_key_of(QUEUE) == KEY
    sealed = await sealing.seal(QUEUE, NEW)
    assert [(each.id, each.schedule_time) for each in sealed] == [(None, 7), ("named", 8)]
    assert all(envelope.is_sealed(each.request) for each in sealed)
    assert await sealing.seal("projects/p/locations/other/queues/q", NEW) == NEW


async def test_without_its_key_a_location_takes_no_tasks(store, clock):
    await encryption(store, clock).locations.set(LOCATION, KEY)
    with pytest.raises(FailedPrecondition, match="is not available"):
        await encryption(store, clock, WITHOUT_KEYS).seal(QUEUE, NEW)


@pytest.mark.parametrize("view", [tasks.BASIC, tasks.FULL])
@pytest.mark.parametrize("request_", [REQUEST, CIPHER.seal(KEY, REQUEST)], ids=["open", "sealed"])
def test_with_its_key_a_task_is_shown_whole_in_any_view(store, clock, view, request_):
    task = encryption(store, clock).open(Task("n", 0, 0, request_), view)
    assert tasks.Message.FromString(task.request) == MESSAGE


def test_without_its_key_a_task_is_shown_without_body_and_headers(store, clock):
    sealed = Task("n", 0, 0, CIPHER.seal(KEY, REQUEST))
    sealing = encryption(store, clock, WITHOUT_KEYS)
    shown = tasks.Message.FromString(sealing.open(sealed, tasks.BASIC).request).http_request
    assert (shown.url, shown.body) == ("http://a.example/", b"")
    with pytest.raises(FailedPrecondition, match="is not available"):
        sealing.open(sealed, tasks.FULL)
