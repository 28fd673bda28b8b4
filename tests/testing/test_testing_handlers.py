"""Code of a test runs in the thread that waits for it, and none of it is forgotten."""

import asyncio
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


@pytest.fixture(params=[SystemExit(3), KeyboardInterrupt(), pytest.fail.Exception("no")], ids=repr)
def end(request):
    """Give an exception that ends the test or the program."""
    return request.param


def raise_(error):
    raise error


async def raise_async(error):
    raise error


def test_the_end_of_the_program_in_a_coroutine_is_raised_in_the_wait(server, handlers, end):
    with pytest.raises(type(end)) as raised:
        handlers.wait(lambda: server.begin(handlers.run(raise_async(end))))
    assert raised.value is end
    assert server.call(current) == "server"  # which goes on
    assert handlers.wait(lambda: server.begin(handlers.run(current_async()))) == "drayman-handlers"


async def test_the_end_of_the_program_is_raised_in_a_wait_of_a_loop(server, handlers, end):
    with pytest.raises(type(end)):
        await handlers.wait_async(lambda: server.begin(handlers.run(raise_async(end))))
    with pytest.raises(type(end)):
        await handlers.wait_async(lambda: server.begin(handlers.call(lambda: raise_(end))))
    assert server.call(current) == "server"


def test_the_end_of_the_program_is_an_error_for_the_server(server, handlers, end):
    with pytest.raises(RuntimeError, match="the handler was ended by ") as raised:
        server.run(handlers.call(lambda: raise_(end)))  # while nothing waits
    assert raised.value.__cause__ is end
    with pytest.raises(RuntimeError, match="the handler was ended by "):
        server.run(handlers.run(raise_async(end)))
    assert server.call(current) == "server"


def test_a_function_that_raises_stop_iteration_fails(server, handlers):
    with pytest.raises(RuntimeError, match="the handler raised StopIteration"):
        handlers.wait(lambda: server.begin(handlers.call(lambda: next(iter([])))))


async def test_waits_may_end_in_any_order(server, handlers):
    first, second = concurrent.futures.Future(), concurrent.futures.Future()
    waits = [asyncio.create_task(handlers.wait_async(lambda each=each: each))
             for each in (first, second)]  # fmt: skip
    await asyncio.to_thread(lambda: None)  # both have begun
    first.set_result(1)
    assert await waits[0] == 1
    in_thread = asyncio.to_thread(server.run, handlers.call(current))
    assert await in_thread == current()
    second.set_result(2)
    assert await waits[1] == 2
    in_thread = asyncio.to_thread(server.run, handlers.call(current))
    assert await in_thread != current()  # nothing waits any more


def test_a_reset_forgets_waits_of_loops_that_are_closed(server, handlers):
    loop = asyncio.new_event_loop()
    forever = concurrent.futures.Future()
    task = loop.create_task(handlers.wait_async(lambda: forever))
    loop.run_until_complete(asyncio.wait([task], timeout=0))
    handlers.reset()
    assert server.run(handlers.call(current)) not in {current(), "server"}
    forever.set_result("ended")
    assert loop.run_until_complete(task) == "ended"
    loop.close()


def test_a_timeout_names_the_event_loop_that_the_wait_blocks(server, handlers):
    async def work():
        await handlers.run(current_async())
        raise TimeoutError("no end after 30 s")

    async def test():
        return handlers.wait(lambda: server.begin(work()))

    with pytest.raises(TimeoutError, match=r"^no end after 30 s; .* use async_cloud_tasks, and "):
        asyncio.run(test())
    with pytest.raises(TimeoutError, match=r"^no end after 30 s$"):
        handlers.wait(lambda: server.begin(work()))


def test_a_thread_that_has_ended_is_named_at_once():
    thread = LoopThread("server")
    thread.loop.call_soon_threadsafe(thread.loop.stop)
    thread.join()
    with pytest.raises(RuntimeError, match="the thread of the server has ended"):
        thread.call(current)
    thread.close()
    with pytest.raises(RuntimeError, match="the server is closed"):
        thread.call(current)
