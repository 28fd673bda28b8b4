"""The activity log's way to its reader: nobody waits for one that does not read."""

import os

import pytest

from drayman.activity import Lines


@pytest.fixture
def pipe():
    ends = list(os.pipe())
    yield ends
    for end in ends:
        os.close(end)


async def test_lines_arrive_in_order_and_those_that_wait_at_the_end_too(pipe):
    lines = Lines(pipe[1])
    for number in range(1000):
        lines.write(f"{number}\n")
    await lines.close()
    assert os.read(pipe[0], 65_536).decode().split() == [str(number) for number in range(1000)]
    assert lines.left_out == 0


async def test_what_nobody_reads_is_left_out_and_counted_and_said_once(pipe, caplog):
    lines = Lines(pipe[1], room=2)
    lines.write("x" * 1_000_000)  # more than a pipe holds
    for _ in range(10):
        lines.write("line\n")
    assert lines.left_out in (8, 9)
    assert caplog.text.count("lines are left out") == 1
    await lines.close()
    assert f"{lines.left_out} lines were left out" in caplog.text
    os.close(pipe.pop(0))  # lets the thread end
    lines._thread.join()


async def test_a_reader_that_is_gone_is_no_fault(pipe, caplog):
    lines = Lines(pipe[1])
    os.close(pipe.pop(0))
    lines.write("line\n")
    lines._thread.join()
    lines.write("line\n")
    await lines.close()
    assert lines.left_out == 1
    assert "lines are left out" in caplog.text
