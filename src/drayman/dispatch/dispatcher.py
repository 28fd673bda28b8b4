"""The dispatcher: claim, build the request, send, decide, settle.

``step`` claims due tasks, starts their attempts and returns when to claim again; ``run`` repeats
it. While it runs, a change that makes tasks due takes a claim along in its own transaction: a task
that is due when it is created is claimed in the transaction that creates it, and the end of an
attempt makes room for the next one in the transaction that settles it.

Memory holds only the attempts in flight, never waiting tasks. The number of attempts and the bytes
of their requests are bounded.
"""

import asyncio
import collections
import contextlib
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import NamedTuple

from drayman.core import delivery, errors, history, lifecycle, pause, retry_hint
from drayman.core.clock import HOUR, MINUTE, SECOND, Clock, Micros
from drayman.core.deadlines import DeadlineTimer
from drayman.core.delivery import Failure, NoResponse, Request, Response, Target
from drayman.core.events import (
    AttemptBegan,
    AttemptCrashed,
    DispatchPaused,
    Emit,
    QueueDamaged,
    RateChanged,
    Stopping,
    StoreFailed,
)
from drayman.core.lifecycle import AttemptResult, Claim
from drayman.core.limits import Limits
from drayman.core.pause import Pause
from drayman.core.queue import RetryConfig
from drayman.core.tracing import Tracing
from drayman.dispatch import redirects
from drayman.dispatch.http import failures
from drayman.dispatch.sender import Sender
from drayman.dispatch.settler import RETRY_INTERVAL, Ended, Settler
from drayman.encryption.cipher import TaskCipher
from drayman.signing.bearer import BearerTokenError, BearerTokens
from drayman.store.contract import Claims, QueueDamagedError, Store
from drayman.wire import deliveries
from drayman.wire.deliveries import Delivery

POLL_INTERVAL: Micros = 5 * SECOND
"""The longest time between two claims, and so the longest delay if a hint is lost."""
LATE_COMMIT: Micros = 15 * SECOND
"""How long after a failed claim its transaction may still be committed. A network may deliver the
commit late; PostgreSQL ends a transaction that waits for it after five seconds."""
MAX_CLAIMS = 200
"""The most attempts claimed by one step."""
MAX_BYTES = 128 << 20
"""No attempt is claimed while the requests in flight hold more bytes than this."""
MAX_REPORTED_QUEUES = 10_000
"""The most queues whose last reported rate factor is remembered; the oldest are dropped first."""
NOTICE_INTERVAL: Micros = 1 * MINUTE
"""The shortest time between two events for a lack of resources."""
MISSING_KEY_RETRIES = RetryConfig(max_attempts=-1, min_backoff=30 * SECOND, max_backoff=HOUR)
"""The retry policy of a task whose encryption key is missing, so that a start of the server without
its key file does not use up the attempts."""


class _Plan(NamedTuple):
    """An attempt to make, with its parsed delivery."""

    claim: Claim
    delivery: Delivery
    sampled: bool

    @property
    def max_attempts(self) -> int:
        return self.delivery.retry_config.max_attempts


class _Exchange(NamedTuple):
    """The target of a request, for the record, and the response."""

    target: str
    response: Response | NoResponse


class _Attempt:
    """An attempt from its claim until its result is settled.

    Attributes:
        claim: Its claim.
        task: Makes it; None before it starts.
        deadline: When it has taken too long; None while it does not wait for its target.
        expired: Whether that moment has come.
    """

    __slots__ = ("claim", "deadline", "expired", "task")

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.task: asyncio.Task[None] | None = None
        self.deadline: Micros | None = None
        self.expired = False

    @property
    def size(self) -> int:
        """The bytes of its task's request."""
        return len(self.claim.task.request)

    def cancel(self) -> None:
        """Cancel it, if it is not over."""
        if self.task is not None:
            self.task.cancel()


class Dispatcher:
    """Makes the attempts of one server."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        sender: Sender,
        bearer_tokens: BearerTokens,
        *,
        server: str,
        slots: int,
        limits: Limits,
        app_engine: Mapping[str, str],
        emit: Emit,
        cipher: TaskCipher | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._sender = sender
        self._bearer_tokens = bearer_tokens
        self._server = server
        self._slots = slots
        self._limits = limits
        self._app_engine = app_engine
        self._emit = emit
        self._tracing = tracing
        self._cipher = cipher or TaskCipher({})
        self._wake = asyncio.Event()
        self._step_lock = asyncio.Lock()
        self._running = False
        self._stopping = False
        self._next_claim: Micros = 0
        self._early_claim: Awaitable[Claims] | None = None
        self._retry_at: Micros = 0
        self._unknown_until: Micros = 0
        self._short = False
        self._attempts: dict[int, _Attempt] = {}
        self._deadlines = DeadlineTimer(clock, self._expire)
        self._settler = Settler(store, clock, emit, self._end)
        self.ended = asyncio.Event()
        """Set when an attempt has ended and its slot is free; those who wait clear it before."""
        self._in_flight_by_queue: collections.Counter[str] = collections.Counter()
        self._bytes = 0
        self._reported: dict[str, float] = {}
        self._pause = Pause()
        self._next_notice: Micros = 0
        self._damaged: Mapping[str, Micros] = {}
        store.on_change(self._on_change)

    @property
    def in_flight(self) -> int:
        """The number of attempts in flight on this server."""
        return len(self._attempts)

    @property
    def in_flight_by_queue(self) -> Mapping[str, int]:
        """The number of attempts in flight on this server, by queue name, without zeros."""
        return self._in_flight_by_queue

    @property
    def next_deadline(self) -> Micros | None:
        """The earliest deadline of the attempts that wait for their targets, None without any."""
        deadlines = [attempt.deadline for attempt in self._attempts.values()]
        return min((each for each in deadlines if each is not None), default=None)

    @property
    def reported_queues(self) -> int:
        """The number of queues whose last reported rate factor is remembered."""
        return len(self._reported)

    async def run(self) -> None:
        """Dispatch until ``stop`` is called."""
        self._running = True
        while not self._stopping:
            self._wake.clear()
            now = self._clock.now()
            if self._early_claim is None and now < self._next_claim:
                await self._clock.wait(self._wake, self._next_claim)
                continue
            self._next_claim = now + POLL_INTERVAL
            due = await self.step()
            if due is not None:
                self._next_claim = min(self._next_claim, due)

    async def step(self, limit: int | None = None) -> Micros | None:
        """Start due attempts, at most ``limit``; ``MAX_CLAIMS`` by default.

        Returns when to claim again, None for not before a hint.
        """
        async with self._step_lock:
            return await self._step(limit)

    async def _step(self, limit: int | None) -> Micros | None:
        if self._unknown:
            try:
                await self._release_unknown()
            except Exception as error:  # noqa: BLE001 - the next step tries again
                return self._retry_later("release_unknown", error)
        claim, self._early_claim = self._early_claim or self._begin_claim(limit), None
        if claim is None:
            return self._pause.until if self._clock.now() < self._pause.until else None
        try:
            claimed = await claim
        except QueueDamagedError:
            return self._clock.now()  # the next claim skips the queue and reports it
        except Exception as error:  # noqa: BLE001 - the next step tries again
            self._unknown_until = self._clock.now() + LATE_COMMIT
            return self._retry_later("claim_due", error)
        self._short = claimed.short
        for each in claimed.claims:
            self._start(each)
        self._report(claimed.rate_factors)
        self._report_damaged(claimed.damaged)
        return claimed.next_due

    @property
    def _unknown(self) -> bool:
        """Whether there may be claims of this server that it does not know of."""
        return self._unknown_until > 0

    async def _release_unknown(self) -> None:
        """Release the claims that were committed although they failed.

        No other claim of this server is in progress meanwhile.
        """
        now = self._clock.now()
        await self._store.release_unknown(self._server, frozenset(self._attempts), now)
        if now >= self._unknown_until:
            self._unknown_until = 0

    def _retry_later(self, verb: str, error: Exception) -> Micros:
        """Emit StoreFailed; return when to call the store again, which no hint brings forward."""
        self._emit(StoreFailed(verb, errors.describe(error)))
        self._retry_at = self._clock.now() + RETRY_INTERVAL
        return self._retry_at

    def _begin_claim(self, limit: int | None = None) -> Awaitable[Claims] | None:
        """Claim up to ``limit`` attempts that this server has room for; None if that is none."""
        if self._clock.now() < self._pause.until:
            return None
        free = self._slots - len(self._attempts)
        if self._stopping or free <= 0 or self._bytes > MAX_BYTES:
            self._short = True
            return None
        held = dict(self._in_flight_by_queue)
        limit, now = min(free, limit or MAX_CLAIMS), self._clock.now()
        return self._store.claim_due(self._server, limit, held, free, now)

    def _on_change(self, due: Micros) -> None:
        """Claim in the transaction of the change that makes tasks due, or claim later."""
        claiming = self._early_claim is not None or self._step_lock.locked()
        idle = not claiming and not self._unknown
        if self._running and idle and due <= self._clock.now():
            self._early_claim = self._begin_claim()
        self._claim_at(due)

    def _claim_at(self, time: Micros) -> None:
        """Claim at a time at the latest."""
        time = max(time, self._retry_at)
        if time < self._next_claim or self._early_claim is not None:
            self._next_claim = min(self._next_claim, time)
            self._wake.set()

    async def drain(self) -> None:
        """Wait until no attempt is in flight."""
        while self._attempts:
            self.ended.clear()
            await self.ended.wait()

    async def stop(self, grace: Micros) -> int:
        """Start no more attempts, wait up to ``grace`` for those in flight, release the others.

        Returns how many were released.
        """
        self._stopping = True
        self._wake.set()
        async with self._step_lock:  # a running step must not add claims after the release
            if self._early_claim is not None:
                await asyncio.gather(self._early_claim, return_exceptions=True)
        self._emit(Stopping(len(self._attempts)))
        with contextlib.suppress(TimeoutError):
            async with self._clock.timeout(self._clock.now() + grace):
                await self.drain()
        await self.cancel()
        self._deadlines.cancel()
        try:
            return await self._store.release(self._server, self._clock.now())
        except Exception as error:  # noqa: BLE001 - the next start of a server releases them
            self._emit(StoreFailed("release", errors.describe(error)))
            return 0

    @contextlib.asynccontextmanager
    async def suspended(self) -> AsyncIterator[None]:
        """Cancel all attempts in flight, and start none within the context."""
        async with self._step_lock:
            early, self._early_claim = self._early_claim, None
            if early is not None:
                await asyncio.gather(early, return_exceptions=True)
            await self.cancel()
            yield
        self._claim_at(0)

    async def cancel(self) -> None:
        """Cancel all attempts in flight; they get no result."""
        attempts = list(self._attempts.values())
        for attempt in attempts:
            attempt.cancel()
        tasks = [attempt.task for attempt in attempts if attempt.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._settler.cancel()
        for number in list(self._attempts):
            self._end(number)

    def _report(self, rate_factors: Mapping[str, float]) -> None:
        """Emit RateChanged for queues whose rate has halved since the last report, or is full."""
        for queue, factor in rate_factors.items():
            last = self._reported.get(queue, 1.0)
            if factor <= last / 2 or (factor >= 1.0 > last):
                self._reported.pop(queue, None)
                self._reported[queue] = factor
                self._emit(RateChanged(queue, factor))
            if factor >= 1.0:
                self._reported.pop(queue, None)
        while (
            len(self._reported) > MAX_REPORTED_QUEUES
        ):  # a deleted queue never gets back to its full rate
            del self._reported[next(iter(self._reported))]

    def _report_damaged(self, damaged: Mapping[str, Micros]) -> None:
        """Emit QueueDamaged for each queue that was found damaged since the last report."""
        for queue, retry_time in damaged.items() - self._damaged.items():
            self._emit(QueueDamaged(queue, retry_time))
        self._damaged = damaged

    def _start(self, claim: Claim) -> None:
        attempt = self._attempts[claim.number] = _Attempt(claim)
        self._in_flight_by_queue[claim.queue.name] += 1
        self._bytes += attempt.size
        attempt.task = asyncio.get_running_loop().create_task(self._make(attempt))

    def _end(self, number: int) -> None:
        """Free the slot of an attempt whose result is settled."""
        attempt = self._attempts.pop(number)
        attempt.task = None
        queue = attempt.claim.queue.name
        self._bytes -= attempt.size
        self._in_flight_by_queue[queue] -= 1
        if not self._in_flight_by_queue[queue]:
            del self._in_flight_by_queue[queue]
        self.ended.set()
        if self._short:
            self._claim_at(0)

    async def _make(self, attempt: _Attempt) -> None:
        began, claim = self._clock.now(), attempt.claim
        try:  # whatever fails here, the claim must be settled or released
            ended = await self._run_attempt(attempt)
        except MemoryError as error:
            ended = failures.out_of_resources(error)
        except Exception as error:  # noqa: BLE001
            ended = self._crash(claim, error)
        if isinstance(ended, NoResponse):
            await self._release(claim, ended)
            self._end(claim.number)
            return
        plan, result = ended
        if self._pause.length:
            self._pause = pause.after_progress(self._pause)
        duration, kind = result.end_time - began, plan.delivery.target.kind
        self._settler.add(Ended(result, duration, kind, plan.max_attempts))

    def _crash(self, claim: Claim, error: Exception) -> tuple[_Plan, AttemptResult]:
        """Return the result of an attempt that failed by a fault of this server."""
        self._emit(AttemptCrashed(claim, error))
        failure = NoResponse(Failure.INTERNAL, "internal error of the server; see its log")
        plan = _Plan(claim, deliveries.placeholder(claim.queue), sampled=False)
        return plan, self._decide(plan, _Exchange("", failure))

    async def _run_attempt(self, attempt: _Attempt) -> tuple[_Plan, AttemptResult] | NoResponse:
        """Make an attempt; return its plan and its result, or the lack of resources for it."""
        claim = attempt.claim
        try:
            parsed = deliveries.open_(claim.queue, self._cipher.open_task(claim.task))
            plan = _Plan(claim, parsed, history.is_sampled(claim.number, parsed.sampling_ratio))
            exchange = await self._deliver(attempt, plan)
        except errors.FailedPrecondition as error:  # the encryption key is missing
            placeholder = deliveries.placeholder(claim.queue, MISSING_KEY_RETRIES)
            failure = NoResponse(Failure.PRECONDITION, error.message)
            plan, exchange = _Plan(claim, placeholder, sampled=False), _Exchange("", failure)
        response = exchange.response
        if isinstance(response, NoResponse) and response.failure is Failure.RESOURCES:
            return response
        return plan, self._decide(plan, exchange)

    def _decide(self, plan: _Plan, exchange: _Exchange) -> AttemptResult:
        now, response = self._clock.now(), exchange.response
        body = response.body if isinstance(response, Response) else b""
        return lifecycle.decide(
            plan.claim,
            delivery.outcome(plan.delivery.target.kind, response),
            plan.delivery.retry_config,
            retention=self._limits.retention.task_retention,
            now=now,
            hint=retry_hint.parse(response, now),
            target=exchange.target,
            response_body=body.decode("utf-8", "replace"),
            sampled=plan.sampled,
        )

    async def _deliver(self, attempt: _Attempt, plan: _Plan) -> _Exchange:
        target = plan.delivery.target
        request = delivery.request(
            target,
            plan.claim.task,
            self._app_engine,
            http_tokens=self._limits.task.allow_http_tokens,
        )
        if isinstance(request, NoResponse):
            address = self._address(target.method, target.url)
            self._emit_began(plan, address)
            return _Exchange(address, request)
        address = self._address(request.method, request.url)
        self._emit_began(plan, address)
        send = self._send_in_time if self._tracing is None else self._send_traced
        return _Exchange(address, await send(attempt, request, target))

    async def _send_traced(
        self, attempt: _Attempt, request: Request, target: Target
    ) -> Response | NoResponse:
        """Send a request within a span, whose trace context it carries."""
        assert self._tracing is not None  # noqa: S101 - the caller has checked it
        address = self._address(request.method, request.url)
        with self._tracing.attempt(attempt.claim, request, address) as span:
            result = await self._send_in_time(attempt, span.request, target)
            span.record(result)
            return result

    async def _send_in_time(
        self, attempt: _Attempt, request: Request, target: Target
    ) -> Response | NoResponse:
        """Send a request; a failure when there is no response by the deadline."""
        attempt.deadline = self._clock.now() + target.deadline
        self._deadlines.include(attempt.deadline)
        try:
            return await self._send(request, target)
        except asyncio.CancelledError:
            if not attempt.expired or (attempt.task is not None and attempt.task.uncancel()):
                raise
            seconds = target.deadline / SECOND
            return NoResponse(Failure.DEADLINE, f"no answer within the deadline of {seconds:g} s")
        finally:
            attempt.deadline = None

    def _expire(self, now: Micros) -> Micros | None:
        """Cancel attempts whose deadline has come; return the next deadline."""
        following: Micros | None = None
        for attempt in self._attempts.values():
            if attempt.deadline is None or attempt.expired:
                continue
            if attempt.deadline <= now:
                attempt.expired = True
                attempt.cancel()
            else:
                following = min(attempt.deadline, following or attempt.deadline)
        return following

    def _address(self, method: str, url: str) -> str:
        return delivery.address(method, url, mask_query=self._limits.mask_queries)

    def _emit_began(self, plan: _Plan, address: str) -> None:
        if plan.sampled:
            kind = plan.delivery.target.kind
            now = self._clock.now()
            self._emit(AttemptBegan(plan.claim, now, address, kind, plan.max_attempts))

    async def _send(self, request: Request, target: Target) -> Response | NoResponse:
        if target.token is not None:
            try:
                bearer = await self._bearer_tokens.get(target.token, request.url)
            except BearerTokenError as error:
                return NoResponse(Failure.PRECONDITION, str(error))
            request = delivery.with_bearer_token(request, bearer)
        response = await self._sender.send(request)
        if not redirects.is_redirect(response) or not delivery.follows_redirects(target.kind):
            return response
        return await redirects.follow_all(self._sender, request, response)

    async def _release(self, claim: Claim, lack: NoResponse) -> None:
        """Return a claim whose attempt lacked resources, and start none for a while."""
        now = self._clock.now()
        self._pause = pause.after_lack(self._pause, now)
        if now >= self._next_notice:
            self._next_notice = now + NOTICE_INTERVAL
            self._emit(DispatchPaused(lack.reason))
        while True:
            try:
                await self._store.release_unsent([claim.number], self._clock.now())
            except Exception as error:  # noqa: BLE001 - the claim must be released
                self._emit(StoreFailed("release_unsent", errors.describe(error)))
                await self._clock.wait(asyncio.Event(), self._clock.now() + RETRY_INTERVAL)
            else:
                return
