"""The server as a whole, in this process."""

import asyncio
import contextlib
import functools
import socket
import sqlite3
from pathlib import Path

import pytest

from drayman import running
from drayman.core.clock import SECOND, ManualClock
from drayman.core.events import Crashed, FilesExposed, StoreConditionChanged
from drayman.core.queue import Queue, State, creation
from drayman.core.task import NewTask
from drayman.server import Server, StartError
from drayman.settings import SettingsError, load
from drayman.tasks_v2 import types


class BrokenClock(ManualClock):
    """A clock whose waits fail, for an unexpected fault of a part."""

    async def wait(self, event, until):  # noqa: ARG002 - as the clock has them
        raise RuntimeError("the spring is broken")


def new_task(request):
    """Return a task that is due from the start of all times."""
    return NewTask(None, 0, types.Task.serialize(types.Task(request)))


def settings(**arguments):
    return load({"store": "memory", "port": "0", "http_port": "0"} | arguments, {})


async def test_a_part_that_fails_is_an_event_and_ends_the_server():
    events = []
    server = Server(settings(), clock=BrokenClock(), emit=events.append)
    await server.start()
    await server.crashed.wait()
    await server.stop()
    assert "the spring is broken" in {str(e.error) for e in events if isinstance(e, Crashed)}


async def test_a_server_can_stop_and_another_take_its_place(tmp_path):
    store = f"sqlite:{tmp_path}/tasks.db"
    for _ in range(2):
        server = Server(settings(store=store, queue=["projects/p/locations/l/queues/q"]))
        await server.start()
        assert f"store={store}" in server.ready_line
        await server.stop()
        await server.stop()  # harmless


async def test_started_parts_are_closed_when_another_cannot_start(tmp_path):
    store = f"sqlite:{tmp_path}/tasks.db"
    taken = Server(settings())
    await taken.start()
    with pytest.raises(StartError, match=f"cannot listen on 127.0.0.1:{taken.port}"):
        await Server(settings(store=store, port=str(taken.port))).start()
    free = Server(settings(store=store))
    await free.start()
    await asyncio.gather(free.stop(), taken.stop())


def write(content, name):
    Path(name).write_text(content)


def other_program(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")


def newer_version(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 999")
        connection.execute("PRAGMA application_id = 1148346745")


@pytest.mark.parametrize(
    ("name", "content", "arguments"),
    [
        ("queues.yaml", "queues: 7", {"queue_file": "queues.yaml"}),
        ("keys.yaml", "7", {"key_file": "keys.yaml"}),
        ("key.pem", "no key", {"signing_key": "key.pem"}),
        ("google.json", "no credentials", {"google_credentials": "google.json"}),
        ("access.yaml", "7", {"access_file": "access.yaml", "auth": "keys"}),
        ("targets.toml", "7", {"targets": "targets.toml"}),
        ("ca.pem", "no authority", {"target_ca": "ca.pem"}),
        ("cert.pem", "no certificate", {"tls_cert": "cert.pem"}),
        ("x", "", {"queue": ["projects/p/locations/l/queues/q"], "location": ["elsewhere"]}),
        ("tasks.db", other_program, {}),
        ("tasks.db", newer_version, {}),
    ],
)
async def test_a_failed_start_leaves_no_file_behind(
    tmp_path, monkeypatch, name, content, arguments
):
    monkeypatch.chdir(tmp_path)
    make = content if callable(content) else functools.partial(write, content)
    make(name)
    with pytest.raises((StartError, SettingsError)):
        await Server(settings(store="sqlite:tasks.db", **arguments)).start()
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("port", ["port", "http_port"])
async def test_a_taken_port_leaves_no_file_behind(tmp_path, port):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        server = Server(settings(store=f"sqlite:{tmp_path}/tasks.db", **{port: number}))
        with pytest.raises(StartError, match="cannot listen"):
            await server.start()
    assert list(tmp_path.iterdir()) == []


async def exposed(*, store_mode, key_mode, folder):
    """Return what a server finds open to other users when it starts with files of these modes."""
    store, keys = folder / "tasks.db", folder / "keys.yaml"
    await start_and_stop(store=f"sqlite:{store}")
    keys.write_text("{}")
    store.chmod(store_mode)
    keys.chmod(key_mode)
    events = await start_and_stop(store=f"sqlite:{store}", key_file=str(keys))
    return [event for event in events if isinstance(event, FilesExposed)]


async def start_and_stop(**arguments):
    events = []
    server = Server(settings(**arguments), emit=events.append)
    await server.start()
    await server.stop()
    return events


async def test_files_that_other_users_may_read_are_an_event(tmp_path):
    store = f"store sqlite:{tmp_path}/tasks.db"
    # The log and the shared memory of SQLite have the mode of the database.
    files = [f"{tmp_path}/tasks.db{suffix}" for suffix in ("", "-wal", "-shm")]
    keys = FilesExposed("--key-file", [f"{tmp_path}/keys.yaml"])
    assert await exposed(store_mode=0o644, key_mode=0o600, folder=tmp_path) == [
        FilesExposed(store, files)
    ]
    assert await exposed(store_mode=0o600, key_mode=0o604, folder=tmp_path) == [keys]
    assert await exposed(store_mode=0o640, key_mode=0o640, folder=tmp_path) == []


async def test_a_store_that_is_deleted_under_the_server_is_noticed_within_a_second(tmp_path):
    clock, events = ManualClock(), asyncio.Queue()
    store = tmp_path / "tasks.db"
    server = Server(settings(store=f"sqlite:{store}"), clock=clock, emit=events.put_nowait)
    await server.start()
    await server.store.check()  # the first inspection is done
    store.rename(tmp_path / "elsewhere.db")
    clock.advance(SECOND)
    while not isinstance(event := await events.get(), StoreConditionChanged):
        pass
    message = f"The store's file {store} was moved, replaced or deleted under the server."
    assert event == StoreConditionChanged(message)
    await server.stop()


@pytest.mark.parametrize(("files", "slots"), [(65_536, 4000), (1024, 768), (128, 64), (20, 1)])
def test_attempts_leave_open_files_for_callers(files, slots):
    notices = []
    limited = running.limit_attempts(settings(), files, notices.append)
    assert limited.max_in_flight == slots
    assert len(notices) == (slots < 4000)
    for warning in (notice.message for notice in notices):
        assert f"is {slots} instead of 4000" in warning
        assert f"allows {files} open files" in warning
        assert "ulimit -n" in warning


@pytest.mark.parametrize(
    ("present", "declared", "state"),
    [
        (None, "", State.RUNNING),
        (None, "RUNNING", State.RUNNING),
        (None, "PAUSED", State.PAUSED),
        (State.PAUSED, "", State.PAUSED),
        (State.PAUSED, "RUNNING", State.RUNNING),
        (State.RUNNING, "PAUSED", State.PAUSED),
        (State.DISABLED, "", State.DISABLED),
        (State.DISABLED, "RUNNING", State.RUNNING),
    ],
)
async def test_the_state_of_a_queue_file_holds_at_every_start(tmp_path, present, declared, state):
    file, name = tmp_path / "queues.yaml", "projects/p/locations/l/queues/q"
    file.write_text(f"queues: [{{name: {name}, state: {declared or 'STATE_UNSPECIFIED'}}}]")
    store = f"sqlite:{tmp_path}/tasks.db"
    if present is not None:
        before = Server(settings(store=store))
        await before.start()
        await before.store.update_queue(name, creation(Queue(name, present)), 0)
        await before.stop()
    server = Server(settings(store=store, queue_file=str(file)))
    await server.start()
    assert (await server.store.get_queue(name)).state is state
    await server.stop()


async def test_a_server_that_does_not_dispatch_makes_attempts_on_request():
    clock = ManualClock()
    server, now = Server(settings(), clock=clock, dispatches=False), clock.now()
    await server.start()
    name = "projects/p/locations/l/queues/q"
    await server.store.update_queue(name, creation(Queue(name)), now)
    request = {"http_request": {"url": "http://127.0.0.1:1"}}
    (task,) = await server.store.create_tasks(name, [new_task(request)], now)
    assert (await server.store.get_task(task.name, now)).dispatch_count == 0
    await server.dispatcher.step()
    assert (await server.store.get_task(task.name, now)).dispatch_count == 1
    await server.reset()
    assert server.dispatcher.in_flight == 0
    assert await server.store.list_queues("projects/p/locations/l", "", 10) == []
    await server.stop()
