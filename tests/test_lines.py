"""What a server says on its descriptors: nobody waits for a reader who does not read."""

import logging
import os

import pytest

from drayman import activity, observe
from drayman.lines import Lines


@pytest.fixture
def pipe():
    ends = list(os.pipe())
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def root():
    """The root logger, as it was afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("drayman")
    before = root.handlers[:], root.level, ours.level
    root.handlers.clear()  # else they would be closed, pytest's own among them
    yield root
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


async def test_lines_arrive_in_order_and_those_that_wait_at_the_end_too(pipe):
    lines = Lines(pipe[1])
    for number in range(1000):
        lines.write(f"{number}\n")
    await lines.close()
    assert os.read(pipe[0], 65_536).decode().split() == [str(number) for number in range(1000)]
    assert lines.left_out == 0


async def test_what_nobody_reads_is_left_out_and_counted(pipe):
    lines = Lines(pipe[1], room=2)
    lines.write("x" * 1_000_000)  # more than a pipe holds
    for _ in range(10):
        lines.write("line\n")
    assert lines.left_out in (8, 9)
    await lines.close()
    os.close(pipe.pop(0))  # lets the thread end
    lines._thread.join()


async def test_a_reader_that_is_gone_is_no_fault(pipe):
    lines = Lines(pipe[1])
    os.close(pipe.pop(0))
    lines.write("line\n")
    lines._thread.join()
    assert not lines.write("line\n")
    await lines.close()
    assert lines.left_out == 1


async def test_the_activity_log_says_once_that_it_is_not_read(pipe, caplog):
    lines = Lines(pipe[1], room=2)
    log = activity.Log(lines)
    log.write("x" * 1_000_000)
    for _ in range(10):
        log.write("line\n")
    assert caplog.text.count("lines are left out") == 1
    await log.close()
    assert f"{lines.left_out} lines were left out" in caplog.text
    os.close(pipe.pop(0))
    lines._thread.join()


async def test_log_lines_say_how_many_found_no_room(pipe, root):  # noqa: ARG001
    lines = Lines(pipe[1], room=1)
    observe.log_to(lines, "info")
    log = logging.getLogger("drayman")
    log.info("x" * 1_000_000)
    for _ in range(10):
        log.info("line")
    lost = lines.left_out
    assert lost >= 8
    said = b""
    while said.count(b"x") < 1_000_000 or lines._lines.qsize():
        said += os.read(pipe[0], 65_536)
    log.info("again")
    await lines.close()
    said += os.read(pipe[0], 65_536)
    assert f"{lost} lines were left out: nobody read them\n" in said.decode()
