"""Run a server in this process, until a signal or a fault of its own ends it."""

import dataclasses
import json
import sys
from collections.abc import Callable

from drayman import access_setup, process
from drayman.core.events import Emit, Notice, Reloaded, ReloadFailed
from drayman.observe import log
from drayman.observe.writer import NonBlockingWriter
from drayman.server import Server
from drayman.settings import Settings, SettingsError

RESERVED_FILES = 64
"""Open files reserved for callers, as a minimum; otherwise a quarter of all."""
_STDERR = 2
_RELAXED = "durability is relaxed: a power cut may lose tasks that were promised"


class CrashError(Exception):
    """An internal error stopped the server; the log has the details."""


async def serve(
    settings: Settings, read: Callable[[], Settings], make: Callable[[Settings], Server] = Server
) -> None:
    """Run a server, made by ``make``, until SIGTERM or SIGINT; a second signal ends it at once.

    SIGHUP loads files again; ``read`` reads the settings, of which the log level may change. A
    stop ends a reload in progress.

    StartError when it cannot start, CrashError when a part of it failed: a supervisor may start
    it again, and nothing acknowledged is lost.
    """
    process.shorten_switch_interval()
    writer = NonBlockingWriter(_STDERR)
    log.configure(writer.write, settings.log_level, settings.log_format)
    try:
        await _serve(settings, read, make)
    finally:
        await writer.close()


async def _serve(
    settings: Settings, read: Callable[[], Settings], make: Callable[[Settings], Server]
) -> None:
    open_files = process.raise_open_file_limit()
    process.widen_file_table(open_files)
    settings = limit_attempts(settings, open_files)
    stopped, hangup = process.stop_event(), process.hangup_event()
    server = make(settings)
    await server.start()
    relaxed = settings.durability == "relaxed"
    warnings = server.warning, _RELAXED if relaxed else "", *access_setup.warnings(settings)
    for warning in warnings:
        if warning:
            log.record(Notice(warning))
    process.tune_garbage_collection()
    ready = server.ready_line
    sys.stdout.write(f"{json.dumps({'message': ready}) if settings.activity_log else ready}\n")
    sys.stdout.flush()
    process.notify("READY=1")
    while not (stopped.is_set() or server.crashed.is_set()):
        await process.wait_any(stopped, server.crashed, hangup)
        if hangup.is_set():
            hangup.clear()
            await process.run_until(_reload(server, read), stopped, server.crashed)
    process.notify("STOPPING=1")
    await server.stop()
    if server.crashed.is_set():
        raise CrashError("stopped by an internal error; see the log")


async def _reload(server: Server, read: Callable[[], Settings]) -> None:
    """Load files again, and change the log level to that of the settings as they are now."""
    try:
        level = (await process.run_in_thread(read)).log_level
    except SettingsError as error:
        log.record(ReloadFailed([str(line) for line in error.args]))
        return
    if await server.reload() and log.set_level(level):
        log.record(Reloaded(f"log level {level}"))


def limit_attempts(settings: Settings, open_files: int, emit: Emit = log.record) -> Settings:
    """Return settings whose attempts leave open files for callers; report a lower maximum."""
    slots = max(1, open_files - max(RESERVED_FILES, open_files // 4))
    if slots >= settings.max_in_flight:
        return settings
    emit(
        Notice(
            f"--max-in-flight is {slots} instead of {settings.max_in_flight}: the system allows "
            f"{open_files} open files; raise that with ulimit -n"
        )
    )
    return dataclasses.replace(settings, max_in_flight=slots)
