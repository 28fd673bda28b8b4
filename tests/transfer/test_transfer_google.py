"""A location is read through the API of a server that stands in Google's place."""

import asyncio

import pytest
from filled_store import LOCATION, OTHER, QUEUE, new_task
from google.auth.credentials import AnonymousCredentials

from drayman import tasks
from drayman.access import keys
from drayman.core.clock import DAY, HOUR, SECOND, ManualClock, SystemClock
from drayman.core.document import API_KEY, Document
from drayman.core.queue import Queue, State, creation
from drayman.transfer import google, jobs
from drayman.transfer.google import GoogleError, Location, Pacer
from drayman.transfer.importing import Importer, ImportOptions
from drayman.transfer.selection import Selection
from live import LiveServer

TASKS = 5


@pytest.fixture
def live():
    server = LiveServer()
    fill(server)
    yield server
    server.stop()


def fill(server, after=DAY):
    now = server.clock.now()
    for name in (QUEUE, OTHER):
        server.run(server.store.update_queue(name, creation(Queue(name)), now))
    new = [new_task(f"t{number}", now, after=after) for number in range(TASKS)]
    server.run(server.store.create_tasks(QUEUE, new, now))


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr(google, "PAGE_SIZE", 2)


async def read(server, *patterns, cursor=None, pause=False, limit=None, **options):
    """Return the batches of a location, as many as ``limit``."""
    client = tasks.CloudTasksAsyncClient(
        credentials=None if options else AnonymousCredentials(),
        client_options={"api_endpoint": f"http://{server.address}"} | options,
    )
    location = Location(client, LOCATION, Selection(patterns), Pacer(SystemClock(), 10_000))
    batches = []
    try:
        async for batch in location.batches(cursor, pause=pause):
            batches.append(batch)
            if len(batches) == limit:
                break
    finally:
        await client.transport.close()
    return batches


def task_ids(batches):
    return [each.task.name.rpartition("/")[2] for batch in batches[1:] for each in batch.records]


ALL = [f"t{number}" for number in range(TASKS)]


@pytest.mark.usefixtures("small_pages")
async def test_queues_come_first_and_then_their_tasks_page_by_page(live):
    batches = await read(live)
    assert [queue.name for queue in batches[0].records] == [OTHER, QUEUE]
    assert task_ids(batches) == ALL
    assert batches[-1].cursor["done"] == QUEUE


@pytest.mark.usefixtures("small_pages")
async def test_a_cursor_continues_with_the_next_page(live):
    first = await read(live, "q", limit=2)
    rest = await read(live, "q", cursor=first[-1].cursor)
    assert task_ids(first) + task_ids(rest) == ALL


@pytest.mark.usefixtures("small_pages")
async def test_a_queue_is_read_again_when_its_page_token_has_ended(live):
    first = await read(live, "q", limit=2)
    live.advance(3 * HOUR)
    assert task_ids(await read(live, "q", cursor=first[-1].cursor)) == ALL


async def test_tasks_that_are_read_again_are_left_out_by_their_names(live, tmp_path):
    importer = Importer(f"sqlite:{tmp_path / 'a.db'}", "id", ImportOptions(), SystemClock())
    importer.resume()
    batches = await read(live, "q")
    for batch in (*batches, *batches[1:]):
        importer.apply(batch)
    assert (importer.progress.inserted["tasks"], importer.progress.existing) == (TASKS, TASKS)


async def test_queues_are_paused_after_they_were_read_and_before_their_tasks_are(live):
    batches = await read(live, "q", pause=True, limit=1)
    assert batches[0].records[0].state is State.RUNNING
    assert live.run(live.store.get_queue(QUEUE)).state is State.RUNNING
    await read(live, "q", pause=True)
    assert live.run(live.store.get_queue(QUEUE)).state is State.PAUSED
    assert live.run(live.store.get_queue(OTHER)).state is State.RUNNING


async def test_a_missing_permission_is_named_with_those_that_are_needed():
    server = LiveServer(auth="keys")
    try:
        fill(server)
        key, text = keys.generate("k", "", ("roles/cloudtasks.queueAdmin",), server.clock.now())
        server.run(server.store.put_document(Document(API_KEY, key.id, keys.encode(key))))
        server.advance(SECOND)
        with pytest.raises(GoogleError) as error:
            await read(server, api_key=text)
    finally:
        server.stop()
    assert 'lacks IAM permission "cloudtasks.tasks.list"' in str(error.value)
    assert "for the bodies of tasks, cloudtasks.tasks.fullView" in str(error.value)


async def test_calls_begin_at_the_rate_at_most():
    clock = ManualClock()
    pacer, begun = Pacer(clock, 10), []

    async def work():
        for _ in range(3):
            await pacer.wait()
            begun.append(clock.now())

    start, working = clock.now(), asyncio.ensure_future(work())
    while not working.done():
        for _ in range(5):
            await asyncio.sleep(0)  # noqa: TID251 - lets the calls run, not time pass
        clock.advance(SECOND // 20)
    assert begun == [start, start + SECOND // 10, start + 2 * SECOND // 10]


def test_missing_credentials_are_an_error_for_the_operator(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    monkeypatch.delenv("CLOUD_TASKS_EMULATOR_HOST", raising=False)
    with pytest.raises(GoogleError, match="no access to the API: "):
        jobs.import_from_api(jobs.Source("p", "l"), f"sqlite:{tmp_path / 'a.db'}", ImportOptions())
