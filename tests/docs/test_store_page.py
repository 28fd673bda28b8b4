"""The commands for operators of a store do what the page promises."""

import shutil
import sqlite3
import subprocess

import pytest
from pages import code_blocks

from drayman.core.clock import DAY
from drayman.core.limits import Limits
from drayman.core.queue import Queue, creation
from drayman.core.task import NewTask
from drayman.store.sqlite.database import open_store

QUEUE = "projects/p/locations/l/queues/q"
PAGE = 4096
TASKS = 200

pytestmark = pytest.mark.skipif(
    not shutil.which("sqlite3"), reason="needs the command-line tool of SQLite"
)


def run(block, folder):
    """Run the commands of a block of the page."""
    script = "\n".join(line.removeprefix("$ ") for line in block.splitlines())
    subprocess.run(["sh", "-ec", script], cwd=folder, check=True, capture_output=True)


async def create(path):
    store = await open_store(str(path), Limits(), DAY)
    await store.update_queue(QUEUE, creation(Queue(QUEUE)), DAY)
    await store.create_tasks(QUEUE, [NewTask(None, DAY, b"x" * 1_000)] * TASKS, DAY)
    await store.close()


async def listed(path):
    store = await open_store(str(path), Limits(), DAY)
    page = await store.list_tasks(QUEUE, 0, TASKS, 1 << 30)
    assert (await store.queue_stats(QUEUE, DAY)).tasks == len(page.tasks)
    await store.close()
    return page.tasks


async def test_what_can_be_read_of_a_damaged_store_is_saved(tmp_path):
    path = tmp_path / "drayman.db"
    await create(path)
    content = path.read_bytes()
    start = content.index(b"x" * 1_000, len(content) // 2) // PAGE * PAGE
    path.write_bytes(content[:start] + b"\xa5" * PAGE + content[start + PAGE :])
    save, _ = code_blocks("docs/store.md", "console")
    run(save, tmp_path)
    saved = await listed(tmp_path / "saved.db")
    assert TASKS - PAGE // 1_000 <= len(saved) < TASKS


async def test_an_old_file_is_converted_and_keeps_its_tasks(tmp_path):
    path = tmp_path / "drayman.db"
    with sqlite3.connect(path) as connection:
        connection.executescript("PRAGMA journal_mode = WAL")
    connection.close()
    await create(path)
    _, convert = code_blocks("docs/store.md", "console")
    run(convert, tmp_path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    connection.close()
    assert len(await listed(path)) == TASKS
