"""What a server needs of its process: open files, garbage collection, threads, signals, systemd."""

import asyncio
import concurrent.futures
import contextlib
import fcntl
import gc
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

MAX_OPEN_FILES = 65_536
"""The limit of open files to request: each attempt and each connection needs one."""

_SWITCH_INTERVAL = 0.0005
"""Seconds for which the event loop may hold the interpreter's lock while the store's thread waits
for it. At a tenth of Python's default, commits beside a busy loop are several times faster."""
_GC_THRESHOLD = (20_000, 10, 500)
"""Thresholds for ``gc.set_threshold``, which make collections rare. Reference counts free
nearly all memory; the attempts in flight alone would cause a young collection, which frees nothing,
again and again. A full collection stops the process for as long as the heap is large."""
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def shorten_switch_interval() -> None:
    """Let threads wait less for the event loop's thread."""
    sys.setswitchinterval(_SWITCH_INTERVAL)


def tune_garbage_collection() -> None:
    """Exempt present objects from collection, and make full collections rare."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLD)


def raise_open_file_limit() -> int:
    """Raise the limit of open files as far as the system permits, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MAX_OPEN_FILES, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, target), hard))
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_OPEN_FILES if limit == resource.RLIM_INFINITY else limit


def widen_file_table(open_files: int) -> None:
    """Have the system allocate its table for this many open files now.

    Linux doubles the table when it is full. In a process with threads, this blocks the thread that
    opens a file, here the event loop, for 5 to 20 ms.
    """
    null = os.open(os.devnull, os.O_RDONLY)
    with contextlib.suppress(OSError):
        os.close(fcntl.fcntl(null, fcntl.F_DUPFD, min(open_files, MAX_OPEN_FILES) - 1))
    os.close(null)


def stop_event() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set; a second signal ends the process at once."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        stopped.set()
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    return stopped


def hangup_event() -> asyncio.Event:
    """Return an event that SIGHUP sets."""
    hangup = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
    return hangup


def notify(state: str) -> None:
    """Tell systemd the state of the process (sd_notify); nothing without systemd."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # of the abstract namespace
        address = "\0" + address[1:]
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications,
    ):
        notifications.sendto(state.encode(), address)


async def wait_any(*events: asyncio.Event) -> None:
    """Return when one of the events is set."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def run_until(work: Coroutine[Any, Any, None], *events: asyncio.Event) -> None:
    """Run a coroutine; cancel it if one of the events is set before it has ended."""
    running, ended = asyncio.create_task(work), asyncio.create_task(wait_any(*events))
    await asyncio.wait([running, ended], return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if not running.done():
        running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def run_in_thread(function: Callable[[], Result]) -> Result:
    """Return the result of a function that may block, run in a thread of its own.

    The process can exit while it blocks, which a thread of ``asyncio.to_thread`` would prevent.
    """
    future: concurrent.futures.Future[Result] = concurrent.futures.Future()

    def run() -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - raised where the result is awaited
                future.set_exception(error)

    threading.Thread(target=run, name="drayman-files", daemon=True).start()
    return await asyncio.wrap_future(future)
