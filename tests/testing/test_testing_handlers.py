"""Code of a test runs in the thread that waits for it, and none of it is forgotten."""

import concurrent.futures
import threading

import pytest

from drayman.testing.handlers import Handlers
from drayman.testing.loop_thread import LoopThread


@pytest.fixture
def server():
    """Give the thread of a server."""
    thread = LoopThread("server")
    yield thread
    thread.close()


@pytest.fixture
def handlers():
    each = Handlers()
    yield each
    each.close()


def current(*_):
    return threading.current_thread().name


async def current_async():
    return current()


def test_a_function_runs_in_the_thread_that_waits(server, handlers):
    assert handlers.wait(lambda: server.begin(handlers.call(current))) == current()


def test_without_a_thread_that_waits_there_is_another(server, handlers):
    assert server.run(handlers.call(current)) not in {current(), "server"}
    assert server.run(handlers.run(current_async())) == "drayman-handlers"


def test_a_coroutine_for_a_thread_that_waits_has_a_loop_of_its_own(server, handlers):
    assert handlers.wait(lambda: server.begin(handlers.run(current_async()))) == "drayman-handlers"


async def test_a_coroutine_runs_in_the_loop_that_waits(server, handlers):
    assert (
        await handlers.wait_async(lambda: server.begin(handlers.run(current_async()))) == current()
    )
    assert await handlers.wait_async(lambda: server.begin(handlers.call(current))) == current()


def test_what_was_submitted_when_the_wait_ends_still_runs(server, handlers):
    ended, late = concurrent.futures.Future(), []

    def end():
        ended.set_result("ended")
        late.append(server.begin(handlers.call(current)))
        server.call(lambda: None)  # afterwards it has been submitted

    def begin():
        server.begin(handlers.call(end))
        return ended

    assert handlers.wait(begin) == "ended"
    assert late[0].result() == current()


@pytest.mark.parametrize("cancelled_before", [False, True])
def test_a_call_that_is_cancelled_disturbs_nobody(server, handlers, cancelled_before):
    ended, calls, called = concurrent.futures.Future(), [], []

    def cancel():
        calls[0].cancel()
        for _ in range(5):
            server.call(lambda: None)  # lets the server get to it
        called.append(current())

    def begin():
        calls.append(server.begin(handlers.call(cancel)))
        if cancelled_before:
            cancel()
        server.begin(handlers.call(lambda: ended.set_result("ended")))
        return ended

    assert handlers.wait(begin) == "ended"
    assert called == [current()]


def test_what_a_function_raises_is_raised_where_it_was_called(server, handlers):
    with pytest.raises(ZeroDivisionError):
        handlers.wait(lambda: server.begin(handlers.call(lambda: 1 // 0)))


def test_the_end_of_the_program_passes_through_the_thread_that_waits(server, handlers):
    def end():
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        handlers.wait(lambda: server.begin(handlers.call(end)))
    assert server.call(current) == "server"  # which goes on
