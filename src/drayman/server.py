"""A server: the store, the gRPC and HTTP servers and the dispatcher, put together."""

import asyncio
import contextlib
import dataclasses
import os
import platform
import socket
import ssl
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import drayman
from drayman import access_setup, contents, files, outbound, part_settings, process
from drayman.access.control import AccessControl
from drayman.access_setup import AccessSetup
from drayman.api import admin, calls
from drayman.api.context import Context
from drayman.api.http import Extension, HttpApp
from drayman.api.metrics import Metrics
from drayman.console.app import Console
from drayman.contents import Contents, Problems
from drayman.core import events, role
from drayman.core.clock import Clock, Micros, SystemClock
from drayman.core.errors import ServiceError
from drayman.core.events import (
    Crashed,
    Emit,
    Reloaded,
    ReloadFailed,
    Started,
    Stopped,
)
from drayman.core.role import Role
from drayman.core.tracing import Tracing
from drayman.dispatch.dispatcher import Dispatcher
from drayman.dispatch.janitor import Janitor
from drayman.dispatch.outbox import OutboxDrain
from drayman.dispatch.periodic import Periodic
from drayman.dispatch.sender import HttpSender, Sender
from drayman.dispatch.store_monitor import StoreMonitor
from drayman.dispatch.vacuum import Vacuum
from drayman.edge import tls
from drayman.edge.budget import Capacity
from drayman.edge.grpc_server import GrpcServer
from drayman.edge.http_server import HttpServer
from drayman.edge.listening import PortError, close, listen
from drayman.edge.tls import TlsListener
from drayman.encryption import locations
from drayman.encryption.cipher import TaskCipher
from drayman.encryption.locations import LocationKeys
from drayman.encryption.tasks import TaskEncryption
from drayman.files import DeclaredQueue
from drayman.observe import log
from drayman.observe.activity_log import ActivityLog
from drayman.observe.meters import Meters
from drayman.observe.metrics import ServerState
from drayman.observe.queue_counts import QueueCountReader
from drayman.observe.rates import QueueRates
from drayman.observe.writer import NonBlockingWriter
from drayman.settings import Settings, SettingsError
from drayman.signing.bearer import CachedBearerTokens, TokenSource
from drayman.signing.keyring import KeyRing
from drayman.signing.signer import TokenSigner
from drayman.store import opening
from drayman.store.contract import Store, StoreError
from drayman.store.sqlite import files as store_files

CALLS_GRACE = 5.0
"""Seconds for calls in progress to end when the server stops."""

_INSPECTING = (
    "--no-dispatch: nothing is delivered, and nothing that has expired is deleted; claims of other "
    "servers stay as they are"
)

_STDOUT = 1


class StartError(Exception):
    """A server cannot start; the message is for the person who starts it."""


class Server:
    """A Drayman server in the running event loop.

    Args:
        settings: Its settings.
        clock: The time of queues and tasks; the system's clock by default.
        edge_clock: The time of connections; ``clock`` by default.
        sender: Sends the requests of attempts; over HTTP by default.
        dispatches: Whether it makes attempts by itself; otherwise whoever started it calls
            ``dispatcher.step``.
        emit: Takes events.
        tracing: Makes spans; by default as the settings say.
        extensions: Returns what is served over HTTP/1.1 besides the API.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        edge_clock: Clock | None = None,
        sender: Sender | None = None,
        dispatches: bool = True,
        emit: Emit = log.record,
        tracing: Tracing | None = None,
        extensions: Callable[[Context], Sequence[Extension]] = lambda _context: (),
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._edge_clock = edge_clock or self._clock
        self._sender = sender
        self._tracing = tracing
        self._dispatches = dispatches
        self._rates = QueueRates()
        self._extensions = extensions
        self._meters = Meters(
            [*calls.HANDLERS, "BufferTask", *(call.name for call in admin.CALLS)], self._rates
        )
        self._emit = events.fan_out(self._meters.record, emit)
        self._closers = contextlib.AsyncExitStack()
        self._started_at: Micros | None = None
        self._returned = 0
        self._name = f"{platform.node()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.host = settings.host
        self.port = 0
        self.http_port = 0
        self.store: Store
        self.role: Role
        self.context: Context
        self.dispatcher: Dispatcher
        self._bearer_tokens: CachedBearerTokens
        self._capacity: Capacity
        self._http: HttpServer
        self._grpc: GrpcServer
        self._tls_listeners: list[TlsListener] = []
        self._access: AccessControl | None = None
        self._key_ring: KeyRing | None = None
        self.crashed = asyncio.Event()
        """Set when a part of the server has ended by a fault."""

    @property
    def ready_line(self) -> str:
        """The line with the addresses of the server and its store."""
        host = self._url_host
        return (
            f"drayman ready grpc={host}:{self.port} http={self._scheme}://{host}:{self.http_port} "
            f"store={self.store.url}{self.role.suffix}"
        )

    @property
    def warning(self) -> str:
        """What the operator should know after the start, "" for nothing."""
        lines = [self._outbound.warning, _INSPECTING if self.role is role.INSPECTION else ""]
        return "\n".join(filter(None, lines))

    @property
    def _url_host(self) -> str:
        """The host in the form of a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def _scheme(self) -> str:
        """The scheme of the server's own URLs."""
        return "https" if self._settings.tls_cert else "http"

    async def start(self) -> None:
        """Start; return when calls are accepted.

        SettingsError has a line for all that is wrong with the settings and the files they name;
        StartError says what else is in the way.
        """
        try:
            await self._start()
            self._started_at = self._clock.now()
            self._emit(self._started())
        except (StoreError, PortError, ServiceError) as error:
            await self._closers.aclose()
            raise StartError(str(error)) from None
        except BaseException:
            await self._closers.aclose()
            raise

    def _started(self) -> Started:
        host = self._url_host
        return Started(
            drayman.__version__,
            f"{host}:{self.port}",
            f"{self._scheme}://{host}:{self.http_port}",
            self.store.url,
            self.store.format,
            self.store.recovered,
            self._settings.auth,
            self.role.name,
        )

    async def reload(self) -> bool:
        """Load the files of the settings again; connections, calls and attempts go on.

        Unless all files can be used, nothing changes, and an event has the reasons. Returns whether
        all were loaded.
        """
        try:
            loaded, contexts = await process.run_in_thread(self._load)
            await self._check_kms_keys(loaded)
            await self._declare(loaded.queues)
        except (SettingsError, StoreError, ServiceError) as error:
            self._emit(ReloadFailed([str(line) for line in error.args]))
            return False
        for listener, context in zip(self._tls_listeners, contexts, strict=True):
            listener.context = context
        await self._use(loaded)
        self._emit(Reloaded(", ".join(contents.describe(self._settings, loaded))))
        return True

    def _load(self) -> tuple[Contents, list[ssl.SSLContext]]:
        """Return what is in the files now, SettingsError; this may block."""
        problems = Problems()
        with problems.collect():
            loaded = contents.load(self._settings, self._clock.now())
        with problems.collect():
            contexts = [listener.load() for listener in self._tls_listeners]
        problems.raise_if_any()
        return loaded, contexts

    async def _use(self, loaded: Contents) -> None:
        """Use what was loaded from files from now on."""
        self._cipher.use(loaded.kms_keys)
        if self._key_ring is not None and loaded.signing_key is not None:
            await self._key_ring.use(loaded.signing_key)
        if self._access is not None:
            self._access_setup.change(self._access, loaded.access)

    async def reset(self) -> None:
        """Delete all queues, tasks and history, for tests; connections and signing keys stay.

        Attempts in flight are cancelled. The declared queues are created again.
        """
        queues = await process.run_in_thread(lambda: contents.declared_queues(self._settings))
        async with self.dispatcher.suspended():
            await self.store.reset()
            self._bearer_tokens.clear()
            await self._declare(queues)

    async def stop(self) -> None:
        """Accept no new calls, wait for attempts in flight within the grace, then close."""
        await self._closers.aclose()
        if self._started_at is not None:
            self._emit(Stopped(self._clock.now() - self._started_at, self._returned))
            self._started_at = None

    async def _start(self) -> None:
        settings, clock = self._settings, self._clock
        self._capacity = capacity = Capacity(emit=self._emit)
        problems, google = Problems(), settings.google_credentials
        self._apply_settings(problems)
        with problems.collect():
            loaded = contents.load(settings, clock.now())
        with problems.collect():
            credentials = files.load_google_credentials(google) if google else None
        with problems.collect():
            grpc_tls = self._tls_listener(tls.GRPC_AND_HTTP, capacity)
            http_tls = self._tls_listener(tls.HTTP, capacity)
        problems.raise_if_any()
        if self._tracing is not None:
            self._closers.push_async_callback(asyncio.to_thread, self._tracing.close)
        # Before the store, which would leave a new file behind if a port is taken.
        sockets, http_sockets = self._listen()
        await self._open_store()
        await self._check_kms_keys(loaded)
        await self._declare(loaded.queues)
        issuer = self._issuer
        self._cipher = TaskCipher(loaded.kms_keys)
        encryption = TaskEncryption(self._cipher, LocationKeys(self.store, clock, self._cipher))
        if settings.activity_log:
            self._start_activity_log()
        self._access_setup = AccessSetup(settings, self.store, clock, issuer, self._emit)
        access = self._access = self._access_setup.build(loaded.access)
        if access is not None:
            access.start()
            self._closers.callback(access.close)
        self.context = context = Context(
            store=self.store,
            clock=clock,
            limits=settings.limits,
            encryption=encryption,
            emit=self._emit,
            issuer=issuer,
            access=access,
            rates=self._rates.of,
            call_succeeded=self._meters.call_succeeded,
            role=self.role,
            tracing=self._tracing,
        )
        extensions = [
            *self._metrics(context),
            *self._console(context),
            *self._extensions(context),
        ]
        app = HttpApp(context, part_settings.browser_policy(settings), extensions)
        self._http = http = HttpServer(
            app,
            [] if http_tls else http_sockets,
            self._edge_clock,
            capacity,
            CALLS_GRACE,
            grpc=f"{self._url_host}:{self.port}",
        )
        self._closers.push_async_callback(http.stop)
        await http.start()
        if http_tls:
            http_tls.start(http_sockets, http.first_protocol)
            self._closers.callback(http_tls.close)
        self._grpc = grpc = GrpcServer(
            context, sockets, capacity, clock=self._edge_clock, http1=http.protocol, tls=grpc_tls
        )
        self._bearer_tokens = CachedBearerTokens(self._token_source(loaded, credentials), clock)
        self.dispatcher = await self._start_dispatch(encryption)
        await grpc.start()
        app.ready = True

        async def stop_work() -> None:
            app.ready = False
            _, self._returned = await asyncio.gather(
                grpc.stop(CALLS_GRACE), self.dispatcher.stop(settings.grace)
            )

        self._closers.push_async_callback(stop_work)

    def _apply_settings(self, problems: Problems) -> None:
        """Check what the settings say together, and load what they name beside the contents."""
        settings = self._settings
        for check in (access_setup.check_exposure, access_setup.check_test_endpoints):
            with problems.collect():
                check(settings)
        with problems.collect():
            self.role = part_settings.server_role(settings)
        with problems.collect():
            self._outbound = outbound.load(settings)
        with problems.collect():
            if settings.tracing and self._tracing is None:
                self._tracing = part_settings.load_tracing()()

    def _metrics(self, context: Context) -> list[Extension]:
        """Return what answers requests for the metrics, unless they are off."""
        who = self._settings.metrics
        if who == "off":
            return []
        from drayman.observe import exposition  # noqa: PLC0415 - its library is not always needed

        counts = QueueCountReader(self.store, self._clock, self._rates)
        render = exposition.Exposition(self._meters, counts, self._state).render
        return [Metrics(context, render, protected=who == "protected")]

    def _state(self) -> ServerState:
        """Return what the parts of the server say about themselves, for metrics."""
        capacity, grpc, http = self._capacity, self._grpc.connections, self._http.connections
        path = opening.path(self._settings.store)
        return ServerState(
            build={
                "version": drayman.__version__,
                "store": self.store.url.partition(":")[0],
                "role": self.role.name,
            },
            connections={
                "grpc": grpc,
                "http1": http,
                "pending": max(0, capacity.connection_limit.open - grpc - http),
            },
            connections_refused=capacity.connection_limit.refused,
            held=capacity.budget.used,
            held_limit=capacity.budget.size,
            attempts=self.dispatcher.in_flight,
            slots=self._settings.max_in_flight,
            log_size=0 if path is None else store_files.size_of_log(path),
            load=self.store.load,
            groups=self.store.group_meters,
        )

    def _console(self, context: Context) -> list[Extension]:
        """Return the pages for browsers, unless the console is off."""
        mode = self._settings.console
        if mode == "off":
            return []
        is_tls, history = self._settings.tls_cert is not None, self._rates.history
        return [Console(context, is_full=mode == "full", history=history, is_tls=is_tls)]

    def _listen(self) -> tuple[list[socket.socket], list[socket.socket]]:
        """Return the sockets of the port, and those of HTTP alone if there are any. PortError."""
        settings = self._settings
        sockets = listen(settings.host, settings.port, "--port")
        self.port = self.http_port = sockets[0].getsockname()[1]
        self._closers.callback(close, sockets)
        if settings.http_port is None:
            return sockets, []
        http_sockets = listen(settings.host, settings.http_port, "--http-port")
        self.http_port = http_sockets[0].getsockname()[1]
        self._closers.callback(close, http_sockets)
        return sockets, http_sockets

    def _tls_listener(self, alpn: Sequence[str], capacity: Capacity) -> TlsListener | None:
        """Return what accepts the connections of a port, None without TLS. TlsError."""
        paths = part_settings.tls_files(self._settings)
        if paths is None:
            return None
        listener = TlsListener(paths, alpn, self._edge_clock, capacity.connection_limit, self._emit)
        self._tls_listeners.append(listener)
        return listener

    async def _open_store(self) -> None:
        settings, limits = self._settings, self._settings.limits
        self.store = await opening.open_store(
            settings.store,
            limits,
            self._clock,
            server=self._name if self.role.joins else None,
            safe=settings.durability == "safe",
        )
        self._closers.push_async_callback(self.store.close)
        path = opening.path(settings.store)
        paths = [] if path is None else store_files.paths(path)
        for exposed in files.exposed(settings, paths):
            self._emit(exposed)

    async def _check_kms_keys(self, loaded: Contents) -> None:
        """Check that the keys of all encrypted locations are there. SettingsError.

        Attempts of tasks without their key would fail, one after the other. A server for inspection
        makes none, and shows such tasks without what is encrypted.
        """
        if self.role is not role.INSPECTION:
            in_use = await locations.load_all(self.store, self._clock.now())
            if problems := contents.missing_keys(in_use, loaded.kms_keys):
                raise SettingsError(*problems)

    async def _declare(self, queues: list[DeclaredQueue]) -> None:
        """Create or update the declared queues."""
        for declared in queues:
            name, now = declared.queue.name, self._clock.now()
            # A declared queue exists afterwards even if a call has deleted it before.
            await self.store.update_queue(name, declared.merge, now, ignore_tombstone=True)

    def _start_activity_log(self) -> None:
        writer = NonBlockingWriter(_STDOUT)
        self._closers.push_async_callback(writer.close)
        activity_log = ActivityLog(
            self.store.get_queue,
            self._cipher,
            writer.write,
            mask_queries=self._settings.mask_queries,
        )
        self._closers.push_async_callback(activity_log.close)
        self._emit = events.fan_out(self._emit, activity_log.record)

    @property
    def _issuer(self) -> str:
        """The issuer of this server's tokens."""
        own = f"{self._scheme}://{self._url_host}:{self.http_port}"
        return self._settings.issuer or own

    def _token_source(self, loaded: Contents, google_credentials: Any) -> TokenSource:
        if google_credentials is not None:
            from drayman.signing import google  # noqa: PLC0415 - slow to import, few need it

            impersonator = google.Impersonator(google_credentials)
            self._closers.callback(impersonator.close)
            return impersonator
        self._key_ring = KeyRing(self.store, self._clock, loaded.signing_key)
        return TokenSigner(self._key_ring, self._clock, self._issuer)

    async def _start_dispatch(self, encryption: TaskEncryption) -> Dispatcher:
        sender = self._sender or self.open_sender()
        self._closers.push_async_callback(sender.close)
        dispatcher = Dispatcher(
            self.store,
            self._clock,
            sender,
            self._bearer_tokens,
            server=self._name,
            slots=self._settings.max_in_flight,
            limits=self._settings.limits,
            app_engine=dict(self._settings.app_engine_targets),
            cipher=self._cipher,
            emit=self._emit,
            tracing=self._tracing,
        )
        kinds = (StoreMonitor, Janitor, Vacuum) if self.role.sweeps else (StoreMonitor,)
        periodic: list[Periodic] = [kind(self.store, self._clock, self._emit) for kind in kinds]
        if self.role.joins and (outbox := self.store.outbox):
            limits = self._settings.limits
            periodic.append(OutboxDrain(outbox, self._clock, encryption, limits, self._emit))
        dispatches = self._dispatches and self.role.dispatches
        parts: list[Dispatcher | Periodic] = [*([dispatcher] if dispatches else []), *periodic]
        running = [asyncio.create_task(part.run()) for part in parts]
        for part in running:
            part.add_done_callback(self._watch)

        async def close() -> None:
            for part in periodic:
                part.stop()
            await asyncio.gather(*running, return_exceptions=True)

        self._closers.push_async_callback(close)
        return dispatcher

    def open_sender(self) -> HttpSender:
        """Return what sends requests over HTTP; the caller closes it."""
        policy, tls, proxies = self._outbound
        policy = dataclasses.replace(policy, own_ports=frozenset({self.port, self.http_port}))
        return HttpSender(self._edge_clock, tls=tls, proxies=proxies, policy=policy)

    def _watch(self, part: asyncio.Task[None]) -> None:
        """Emit an event if a part has ended by a fault."""
        error = None if part.cancelled() else part.exception()
        if error is not None:
            self._emit(Crashed(error))
            self.crashed.set()
