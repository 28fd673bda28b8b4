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
from collections.abc import Iterator
from typing import Any

import uvicorn

from drayman import files
from drayman.api.context import Context
from drayman.api.grpc import GrpcServer, PortError, why
from drayman.api.http import HttpApp
from drayman.api.http_protocol import HttpProtocol
from drayman.core import events, names
from drayman.core.clock import Clock, SystemClock
from drayman.core.errors import ServiceError
from drayman.core.events import Crashed, Emit
from drayman.core.queue import Queue
from drayman.dispatch.dispatcher import Dispatcher
from drayman.dispatch.janitor import Janitor
from drayman.dispatch.sender import HttpSender, Sender
from drayman.encryption.cipher import TaskCipher
from drayman.encryption.locations import LocationKeys
from drayman.encryption.tasks import TaskEncryption
from drayman.files import DeclaredQueue
from drayman.observe import log
from drayman.observe.activity_log import ActivityLog
from drayman.observe.writer import NonBlockingWriter
from drayman.settings import Settings
from drayman.signing.bearer import CachedBearerTokens, TokenSource
from drayman.signing.keyring import KeyRing
from drayman.signing.signer import TokenSigner
from drayman.store.contract import Store, StoreError
from drayman.store.sqlite import database

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
        settings: Settings,
        *,
        clock: Clock | None = None,
        sender: Sender | None = None,
        emit: Emit = log.record,
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._sender = sender
        self._emit = emit
        self._closers = contextlib.AsyncExitStack()
        self.host = settings.host
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
        settings, clock, limits = self._settings, self._clock, self._settings.limits
        declared = declared_queues(settings)
        for each in declared:
            names.check_location(each.queue.name, limits.locations)
        kms_keys = files.load_keys(settings.key_file) if settings.key_file else {}
        safe = settings.durability == "safe"
        path = store_path(settings)
        self.store = await database.open_store(path, limits, clock.now(), safe=safe)
        self._closers.push_async_callback(self.store.close)
        for each in declared:
            await self._declare(each)
        sock = listen(settings.host, settings.http_port, "--http-port")
        self.http_port = sock.getsockname()[1]
        issuer = settings.issuer or f"http://{self._shown_host}:{self.http_port}"
        self._cipher = TaskCipher(kms_keys)
        encryption = TaskEncryption(self._cipher, LocationKeys(self.store, clock, self._cipher))
        if settings.activity_log:
            self._start_activity_log()
        context = Context(self.store, clock, limits, encryption, self._emit, issuer)
        app = HttpApp(context)
        await self._start_http(app, sock)
        grpc = GrpcServer(context, settings.host, settings.port)
        self.port = grpc.port
        dispatcher = await self._start_dispatch(self._token_source(issuer))
        await grpc.start()
        app.ready = True

        async def stop_work() -> None:
            app.ready = False
            await asyncio.gather(grpc.stop(CALLS_GRACE), dispatcher.stop(settings.grace))

        self._closers.push_async_callback(stop_work)

    def _start_activity_log(self) -> None:
        writer = NonBlockingWriter(STDOUT)
        self._closers.push_async_callback(writer.close)
        activity_log = ActivityLog(self.store.get_queue, self._cipher, writer.write)
        self._closers.push_async_callback(activity_log.close)
        self._emit = events.fan_out(self._emit, activity_log.record)

    async def _declare(self, declared: DeclaredQueue) -> None:
        # Whoever starts the server wants this queue, even if a call has deleted it since.
        name, now = declared.queue.name, self._clock.now()
        await self.store.update_queue(name, declared.merge, now, ignore_tombstone=True)

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

    def _token_source(self, issuer: str) -> TokenSource:
        source, path = self._settings.google_credentials, self._settings.signing_key
        if source:
            from drayman.signing import google  # noqa: PLC0415 - few need it, all would wait

            impersonator = google.Impersonator(files.load_google_credentials(source))
            self._closers.callback(impersonator.close)
            return impersonator
        key = files.load_signing_key(path, self._clock.now()) if path else None
        return TokenSigner(KeyRing(self.store, self._clock, key), self._clock, issuer)

    async def _start_dispatch(self, source: TokenSource) -> Dispatcher:
        sender = self._sender or HttpSender(self._clock)
        self._closers.push_async_callback(sender.close)
        dispatcher = Dispatcher(
            self.store,
            self._clock,
            sender,
            CachedBearerTokens(source, self._clock),
            server=f"{platform.node()}-{os.getpid()}-{uuid.uuid4().hex[:8]}",
            slots=self._settings.max_in_flight,
            limits=self._settings.limits,
            app_engine=dict(self._settings.app_engine_targets),
            cipher=self._cipher,
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


async def serve(settings: Settings) -> None:
    """Run a server until SIGTERM or SIGINT; a second signal ends it at once.

    StartError when it cannot start, CrashError when a part of it failed: a supervisor may start
    it again, and nothing acknowledged is lost.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    writer = NonBlockingWriter(STDERR)
    log.configure(writer.write, settings.log_level)
    try:
        await _serve(settings)
    finally:
        await writer.close()


async def _serve(settings: Settings) -> None:
    open_files = _raise_file_limit()
    widen_file_table(open_files)
    settings = _within_files(settings, open_files)
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop() -> None:
        stopped.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    server = Server(settings)
    await server.start()
    if settings.durability == "relaxed":
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
                app, lifespan="off", log_config=None, access_log=False, http=HttpProtocol,
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


def store_path(settings: Settings) -> str:
    """Return the file of the store, or what SQLite calls none."""
    return database.MEMORY if settings.store == "memory" else settings.store.partition(":")[2]


def listen(host: str, port: int, option: str) -> socket.socket:
    """Return a socket that listens on an address; PortError names the option of the port."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.create_server(address, family=family, backlog=2048)
        # Inherited by every connection; asyncio sees to it by itself only for sockets of its own.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise PortError(f"cannot listen on {host}:{port} ({option}): {why(error)}") from None
    return sock


def declared_queues(settings: Settings) -> list[DeclaredQueue]:
    """Return the queues that the settings declare; SettingsError."""
    path = settings.queue_file
    in_file = files.load_queues(path, settings.limits.queue) if path else []
    named = [DeclaredQueue(Queue(name), only_create=True) for name in settings.queues]
    return in_file + named


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


def _within_files(settings: Settings, open_files: int) -> Settings:
    """Return settings whose attempts leave open files for callers; say so if they are fewer."""
    slots = max(1, open_files - max(RESERVE, open_files // 4))
    if slots >= settings.max_in_flight:
        return settings
    sys.stderr.write(
        f"--max-in-flight is {slots} instead of {settings.max_in_flight}: the system allows "
        f"{open_files} open files; raise that with ulimit -n\n"
    )
    return dataclasses.replace(settings, max_in_flight=slots)
