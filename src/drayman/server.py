"""A server: the store, the doors and the dispatcher, put together."""

import asyncio
import contextlib
import dataclasses
import fcntl
import gc
import os
import platform
import resource
import signal
import socket
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn

from drayman import activity, observe
from drayman import config as configuration
from drayman.api.context import Context
from drayman.api.encryption import Encryption
from drayman.api.grpc import GrpcServer, PortError, why
from drayman.api.http import HttpApp
from drayman.config import Config
from drayman.core import events, names
from drayman.core.clock import Clock, SystemClock
from drayman.core.errors import ServiceError
from drayman.core.events import Crashed, Emit
from drayman.core.queue import Queue
from drayman.dispatch.dispatcher import Dispatcher
from drayman.dispatch.janitor import Janitor
from drayman.dispatch.sender import AiohttpSender, Sender
from drayman.dispatch.tokens import CachedTokens, Make, Signer
from drayman.lines import Lines
from drayman.store.contract import Store, StoreError
from drayman.store.sqlite.store import SqliteStore
from drayman.wire import tokens
from drayman.wire.vault import Vault

SWITCH_INTERVAL = 0.0005
"""Seconds the event loop may keep the interpreter from the store's thread: a tenth of Python's
default, which makes a commit beside a busy loop several times faster (see docs)."""

CALLS_GRACE = 5.0
"""Seconds that calls in progress may go on when the server stops."""

FILES = 65_536
"""How many open files to ask the system for: each attempt and each caller needs one."""
RESERVE = 64
"""At least so many open files, and a quarter of all, are kept from attempts: for callers."""

STDOUT, STDERR = 1, 2
"""The descriptors of standard output and standard error."""


COLLECTION = (1_000, 10, 10_000)
"""How rarely to look for garbage in cycles, as ``gc.set_threshold`` has it: nearly all memory is
freed without, and a full look stops everything for as long as the heap is large."""


class StartError(Exception):
    """A server that cannot start; the message is for the person who starts it."""


class Server:
    """A Drayman server in the running event loop."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock | None = None,
        sender: Sender | None = None,
        emit: Emit = observe.log,
    ) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._sender = sender
        self._emit = emit
        self._closers = contextlib.AsyncExitStack()
        self.host = config.host
        self.port = 0
        self.http_port = 0
        self.store: Store
        self.crashed = asyncio.Event()
        """Set when a part that must run as long as the server does has ended by a fault."""

    @property
    def ready_line(self) -> str:
        """The line that says where the server is."""
        host = self._shown_host
        return (
            f"drayman ready grpc={host}:{self.port} http=http://{host}:{self.http_port} "
            f"store={self.store.url}"
        )

    @property
    def _shown_host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    async def start(self) -> None:
        """Start, and return when calls can be taken. StartError."""
        try:
            await self._start()
        except (StoreError, PortError, ServiceError) as error:
            await self._closers.aclose()
            raise StartError(str(error)) from None
        except BaseException:
            await self._closers.aclose()
            raise

    async def stop(self) -> None:
        """Take no new calls, let attempts in flight end within the grace, then close."""
        await self._closers.aclose()

    async def _start(self) -> None:
        config, clock, limits = self._config, self._clock, self._config.limits
        declared = self._declared_queues()
        log = activity.Log(Lines(STDOUT)) if config.activity_log else None
        if log is not None:
            self._closers.push_async_callback(log.close)
            self._emit = events.to_all(self._emit, activity.subscriber(log.write))
        path = ":memory:" if config.store == "memory" else config.store.partition(":")[2]
        safe = config.durability == "safe"
        self.store = await SqliteStore.open(path, limits, clock.now(), safe=safe)
        self._closers.push_async_callback(self.store.close)
        for name, change in declared:
            # Whoever starts the server wants this queue, even if a call has deleted it since.
            await self.store.update_queue(name, change, clock.now(), ignore_tombstone=True)
        sock = _listen(config.host, config.http_port)
        self.http_port = sock.getsockname()[1]
        issuer = config.issuer or f"http://{self._shown_host}:{self.http_port}"
        keys = configuration.load_keys(config.key_file) if config.key_file else {}
        self._vault = Vault(keys)
        encryption = Encryption(self.store, clock, self._vault)
        store = activity.logged(self.store, self._vault, log.write) if log else self.store
        context = Context(store, clock, limits, encryption, issuer)
        app = HttpApp(context)
        await self._start_http(app, sock)
        grpc = GrpcServer(context, config.host, config.port)
        self.port = grpc.port
        dispatcher = await self._start_dispatch(self._token_maker(issuer))
        await grpc.start()
        app.ready = True

        async def stop_work() -> None:
            app.ready = False
            await asyncio.gather(grpc.stop(CALLS_GRACE), dispatcher.stop(config.grace))

        self._closers.push_async_callback(stop_work)

    def _declared_queues(self) -> list[tuple[str, Callable[[Queue | None], Queue]]]:
        """Return the queues that the settings ask for, and what is to become of each."""
        path = self._config.queue_file
        in_file = configuration.load_queues(path, self._config.limits) if path else []
        declared = [
            *((queue.name, _settings_of(queue)) for queue in in_file),
            *((name, _existing_or(Queue(name))) for name in self._config.queue),
        ]
        for name, _ in declared:
            names.check_location(name, self._config.limits.locations)
        return declared

    async def _start_http(self, app: HttpApp, sock: socket.socket) -> None:
        server = _Uvicorn(app)
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        serving.add_done_callback(self._watch)
        serving.add_done_callback(lambda _: server.up.set())

        async def close() -> None:
            server.should_exit = True
            await asyncio.gather(serving, return_exceptions=True)

        self._closers.push_async_callback(close)
        await server.up.wait()
        if serving.done():
            raise StoreError(f"the HTTP server cannot start: {serving.exception()}")

    def _token_maker(self, issuer: str) -> Make:
        source, path = self._config.google_credentials, self._config.signing_key
        if source:
            from drayman.dispatch import google  # noqa: PLC0415 - few need it, all would wait

            try:
                impersonator = google.Impersonator(google.load(source))
            except (ValueError, OSError) as error:
                raise StoreError(
                    f"--google-credentials: {source} cannot be used: {error}"
                ) from None
            self._closers.callback(impersonator.close)
            return impersonator.make
        given = None
        if path:
            try:
                given = tokens.load(Path(path).read_bytes(), self._clock.now())
            except (ValueError, OSError) as error:
                raise StoreError(f"--signing-key: {path} cannot be used: {error}") from None
        return Signer(self.store, self._clock, issuer, given).make

    async def _start_dispatch(self, make: Make) -> Dispatcher:
        sender = self._sender or AiohttpSender(self._clock)
        self._closers.push_async_callback(sender.close)
        dispatcher = Dispatcher(
            self.store,
            self._clock,
            sender,
            CachedTokens(make, self._clock),
            server=f"{platform.node()}-{os.getpid()}-{uuid.uuid4().hex[:8]}",
            slots=self._config.max_in_flight,
            limits=self._config.limits,
            app_engine=dict(self._config.app_engine_target),
            vault=self._vault,
            emit=self._emit,
        )
        janitor = Janitor(self.store, self._clock, self._emit)
        running = [asyncio.create_task(dispatcher.run()), asyncio.create_task(janitor.run())]
        for part in running:
            part.add_done_callback(self._watch)

        async def close() -> None:
            janitor.stop()
            await asyncio.gather(*running, return_exceptions=True)

        self._closers.push_async_callback(close)
        return dispatcher

    def _watch(self, part: asyncio.Task[None]) -> None:
        error = None if part.cancelled() else part.exception()
        if error is not None:
            self._emit(Crashed(error))
            self.crashed.set()


class CrashError(Exception):
    """A server that has ended by a fault of its own; its log says which."""


async def serve(config: Config) -> None:
    """Run a server until SIGTERM or SIGINT; a second signal ends it at once.

    StartError when it cannot start, CrashError when a part of it failed: a supervisor may start
    it again, and nothing acknowledged is lost.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    lines = Lines(STDERR)
    observe.log_to(lines, config.log_level)
    try:
        await _serve(config)
    finally:
        await lines.close()


async def _serve(config: Config) -> None:
    files = _raise_file_limit()
    widen_file_table(files)
    config = _within_files(config, files)
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop() -> None:
        stopped.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    server = Server(config)
    await server.start()
    if config.durability == "relaxed":
        sys.stderr.write("durability is relaxed: a power cut may lose tasks that were promised\n")
    gc.collect()
    gc.freeze()  # what is there now stays, and need not be looked through again
    gc.set_threshold(*COLLECTION)
    sys.stdout.write(f"{server.ready_line}\n")
    sys.stdout.flush()
    ends = [asyncio.create_task(event.wait()) for event in (stopped, server.crashed)]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for end in ends:
        end.cancel()
    await server.stop()
    if server.crashed.is_set():
        raise CrashError("stopped by a fault of its own; the log above says which")


class _Uvicorn(uvicorn.Server):
    """A server that leaves signals alone and says when it is up."""

    def __init__(self, app: Any) -> None:
        super().__init__(
            uvicorn.Config(
                app, lifespan="off", log_config=None, access_log=False, http="httptools",
                ws="none", timeout_graceful_shutdown=int(CALLS_GRACE), server_header=False,
            )
        )  # fmt: skip
        self.up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.create_server(address, family=family, backlog=2048)
        # Inherited by every connection; asyncio sees to it by itself only for sockets of its own.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise PortError(f"cannot listen on {host}:{port} (--http-port): {why(error)}") from None
    return sock


def _settings_of(queue: Queue) -> Callable[[Queue | None], Queue]:
    """Return a change that gives a queue the settings of another and leaves its state alone."""

    def change(existing: Queue | None) -> Queue:
        if existing is None:
            return queue
        return Queue(
            queue.name, existing.state, queue.rate_limits, queue.retry_config,
            existing.purge_time, queue.settings,
        )  # fmt: skip

    return change


def _existing_or(queue: Queue) -> Callable[[Queue | None], Queue]:
    return lambda existing: existing or queue


def _raise_file_limit() -> int:
    """Allow as many open files as the system permits, and return how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return FILES if files == resource.RLIM_INFINITY else files


def widen_file_table(files: int) -> None:
    """Have the system make room for so many open files now.

    Linux doubles a process's table of files when it is full, and where the process has threads,
    it stops whoever opens a file, here the event loop, for 5 to 20 ms meanwhile.
    """
    null = os.open(os.devnull, os.O_RDONLY)
    with contextlib.suppress(OSError):
        os.close(fcntl.fcntl(null, fcntl.F_DUPFD, min(files, FILES) - 1))
    os.close(null)


def _within_files(config: Config, files: int) -> Config:
    """Return settings whose attempts leave open files for callers; say so if they are fewer."""
    slots = max(1, files - max(RESERVE, files // 4))
    if slots >= config.max_in_flight:
        return config
    sys.stderr.write(
        f"--max-in-flight is {slots} instead of {config.max_in_flight}: the system allows {files} "
        "open files; raise that with ulimit -n\n"
    )
    return dataclasses.replace(config, max_in_flight=slots)
