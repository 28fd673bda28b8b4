"""The non-blocking writer: no caller waits for a reader."""

import os

import pytest

from drayman.observe.writer import NonBlockingWriter

MORE_THAN_A_PIPE_HOLDS = "x" * 1_000_000


@pytest.fixture
def pipe():
    ends = list(os.pipe())
    yield ends
    for end in ends:
        os.close(end)


async def test_lines_are_written_in_order_and_flushed_by_close(pipe):
    writer = NonBlockingWriter(pipe[1])
    for number in range(1000):
        assert writer.write(f"{number}\n")
    await writer.close()
    assert os.read(pipe[0], 65_536).decode().split() == [str(number) for number in range(1000)]


async def test_lines_beyond_the_buffer_are_dropped_and_close_returns(pipe):
    writer = NonBlockingWriter(pipe[1], size=2)
    writer.write(MORE_THAN_A_PIPE_HOLDS)
    accepted = [writer.write("line\n") for _ in range(10)]
    assert accepted.count(True) in (1, 2)  # the first line is in the thread or in the buffer
    await writer.close(flush_seconds=0)  # returns although nobody reads
    os.close(pipe.pop(0))  # ends the thread
    await writer.close()


async def test_a_writer_whose_reader_is_gone_drops_lines(pipe):
    writer = NonBlockingWriter(pipe[1])
    os.close(pipe.pop(0))
    writer.write("line\n")
    await writer.close()
    assert not writer.write("line\n")
