"""kill -9 at any moment: what was acknowledged holds."""

import asyncio
import sys
from pathlib import Path

import pytest
from world import LIMITS, START, World

from drayman.store.sqlite.database import open_store


async def lines_until_killed(path, lines):
    """Run a busy store, kill it after ``lines`` lines of output; return all of its output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        Path(__file__).with_name("busy_store.py"),
        str(path),
        stdout=asyncio.subprocess.PIPE,
    )
    output = [await process.stdout.readline() for _ in range(lines)]
    process.kill()
    output += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    return [line.decode().strip() for line in output if line.endswith(b"\n")]


@pytest.mark.parametrize("lines", [1, 237, 2_011])
async def test_acknowledged_writes_survive_the_process(tmp_path, lines):
    path = tmp_path / "drayman.db"
    output = await lines_until_killed(path, lines)
    created, doomed, deleted = ({line[1:] for line in output if line[0] == sign} for sign in "+?-")
    world = World(await open_store(str(path), LIMITS, START))
    listed = await world.listed(page=1_000)
    assert len(listed) == len(set(listed))
    assert created - doomed <= set(listed)
    assert not deleted & set(listed)
    assert await world.in_flight() == 0
    assert {claim.task.name for claim in await world.claim()} == set(listed)
    await world.store.close()
