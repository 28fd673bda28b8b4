"""The server as a whole, in this process."""

import asyncio

import pytest

from drayman import server as server_module
from drayman.config import load
from drayman.core.clock import ManualClock
from drayman.core.events import Crashed
from drayman.server import Server, StartError


class BrokenClock(ManualClock):
    """Waiting fails: a stand-in for a fault nobody has thought of."""

    async def wait(self, event, until):  # noqa: ARG002 - as the clock has them
        raise RuntimeError("the spring is broken")


def config(**given):
    return load({"store": "memory", "port": "0", "http_port": "0"} | given, {})


async def test_a_part_that_dies_is_told_and_ends_the_server():
    events = []
    server = Server(config(), clock=BrokenClock(), emit=events.append)
    await server.start()
    await server.crashed.wait()
    await server.stop()
    assert "the spring is broken" in {str(e.error) for e in events if isinstance(e, Crashed)}


async def test_a_server_can_stop_and_another_take_its_place(tmp_path):
    store = f"sqlite:{tmp_path}/tasks.db"
    for _ in range(2):
        server = Server(config(store=store, queue=["projects/p/locations/l/queues/q"]))
        await server.start()
        assert f"store={store}" in server.ready_line
        await server.stop()
        await server.stop()  # harmless


async def test_what_started_is_closed_when_the_rest_cannot(tmp_path):
    store = f"sqlite:{tmp_path}/tasks.db"
    taken = Server(config())
    await taken.start()
    with pytest.raises(StartError, match=f"cannot listen on 127.0.0.1:{taken.port}"):
        await Server(config(store=store, port=str(taken.port))).start()
    free = Server(config(store=store))
    await free.start()
    await asyncio.gather(free.stop(), taken.stop())


@pytest.mark.parametrize(("files", "slots"), [(65_536, 4000), (1024, 768), (128, 64), (20, 1)])
def test_attempts_leave_open_files_for_callers(files, slots, capsys):
    assert server_module._within_files(config(), files).max_in_flight == slots
    said = capsys.readouterr().err
    assert said.count("\n") == (slots < 4000)
    if said:
        assert f"is {slots} instead of 4000" in said
        assert f"allows {files} open files" in said
        assert "ulimit -n" in said
