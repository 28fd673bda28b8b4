"""The dispatcher: claim, build the request, send, decide, settle.

``step`` claims due tasks, starts their attempts and returns when to claim again; ``run`` repeats
it. Memory holds only the attempts in flight, never waiting tasks. The number of attempts and the
bytes of their requests are bounded.
"""

import asyncio
import collections
import contextlib
import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

from drayman.core import delivery, errors, history, lifecycle, retry_hint
from drayman.core.clock import HOUR, SECOND, Clock, Micros
from drayman.core.delivery import Failure, NoResponse, Request, Response, Target
from drayman.core.events import (
    AttemptBegan,
    AttemptCrashed,
    AttemptEnded,
    Emit,
    RateChanged,
    Stopping,
    StoreFailed,
)
from drayman.core.lifecycle import AttemptResult, Claim, SettleResult
from drayman.core.limits import Limits
from drayman.core.queue import RetryConfig
from drayman.dispatch.sender import Sender
from drayman.encryption.cipher import TaskCipher
from drayman.signing.bearer import BearerTokenError, BearerTokens
from drayman.store.contract import Store
from drayman.wire import deliveries
from drayman.wire.deliveries import Delivery

POLL_INTERVAL: Micros = 5 * SECOND
"""The longest time between two claims, and so the longest delay if a hint is lost."""
RETRY_INTERVAL: Micros = 1 * SECOND
"""The pause before a failed call of the store is repeated."""
MAX_CLAIMS = 200
"""The most attempts claimed by one step."""
MAX_BYTES = 128 << 20
"""No attempt is claimed while the requests in flight hold more bytes than this."""
MAX_REPORTED_QUEUES = 10_000
"""The most queues whose last reported rate factor is remembered; the oldest are dropped first."""
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
        self._cipher = cipher or TaskCipher({})
        self._wake = asyncio.Event()
        self._step_lock = asyncio.Lock()
        self._stopping = False
        self._attempts: set[asyncio.Task[None]] = set()
        self._in_flight_by_queue: collections.Counter[str] = collections.Counter()
        self._bytes = 0
        self._reported: dict[str, float] = {}
        store.on_change(self._wake.set)

    @property
    def in_flight(self) -> int:
        """The number of attempts in flight on this server."""
        return len(self._attempts)

    @property
    def reported_queues(self) -> int:
        """The number of queues whose last reported rate factor is remembered."""
        return len(self._reported)

    async def run(self) -> None:
        """Dispatch until ``stop`` is called."""
        while not self._stopping:
            self._wake.clear()
            due = await self.step()
            latest = self._clock.now() + POLL_INTERVAL
            await self._clock.wait(self._wake, latest if due is None else min(due, latest))

    async def step(self) -> Micros | None:
        """Start due attempts; return when to claim again, None for not before a hint."""
        async with self._step_lock:
            return await self._step()

    async def _step(self) -> Micros | None:
        free = self._slots - len(self._attempts)
        if self._stopping or free <= 0 or self._bytes > MAX_BYTES:
            return None
        now = self._clock.now()
        try:
            claimed = await self._store.claim_due(
                self._server, min(free, MAX_CLAIMS), dict(self._in_flight_by_queue), free, now
            )
        except Exception as error:  # noqa: BLE001 - the next step tries again
            self._emit(StoreFailed("claim_due", errors.describe(error)))
            return now + RETRY_INTERVAL
        for claim in claimed.claims:
            self._start(claim)
        self._report(claimed.rate_factors)
        return claimed.next_due

    async def drain(self) -> None:
        """Wait until no attempt is in flight."""
        while self._attempts:
            await asyncio.wait(self._attempts)

    async def stop(self, grace: Micros) -> None:
        """Start no more attempts, wait up to ``grace`` for those in flight, release the others."""
        self._stopping = True
        self._wake.set()
        async with self._step_lock:  # a running step must not add claims after the release
            pass
        self._emit(Stopping(len(self._attempts)))
        with contextlib.suppress(TimeoutError):
            async with self._clock.timeout(self._clock.now() + grace):
                await self.drain()
        await self.cancel()
        try:
            await self._store.release(self._server, self._clock.now())
        except Exception as error:  # noqa: BLE001 - the next start of a server releases them
            self._emit(StoreFailed("release", errors.describe(error)))

    async def cancel(self) -> None:
        """Cancel all attempts in flight; they get no result."""
        for attempt in self._attempts:
            attempt.cancel()
        await asyncio.gather(*self._attempts, return_exceptions=True)

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

    def _start(self, claim: Claim) -> None:
        queue, size = claim.queue.name, len(claim.task.request)
        self._in_flight_by_queue[queue] += 1
        self._bytes += size

        def ended(attempt: asyncio.Task[None]) -> None:
            self._attempts.discard(attempt)
            self._bytes -= size
            self._in_flight_by_queue[queue] -= 1
            if not self._in_flight_by_queue[queue]:
                del self._in_flight_by_queue[queue]
            self._wake.set()

        attempt = asyncio.get_running_loop().create_task(self._attempt(claim))
        self._attempts.add(attempt)
        attempt.add_done_callback(ended)

    async def _attempt(self, claim: Claim) -> None:
        began = self._clock.now()
        try:  # whatever fails here, the claim must be settled
            plan, result = await self._run_attempt(claim)
        except Exception as error:  # noqa: BLE001
            self._emit(AttemptCrashed(claim, error))
            failure = NoResponse(Failure.CONNECTION, "internal error of the server; see its log")
            plan = _Plan(claim, deliveries.placeholder(claim.queue), sampled=False)
            result = self._decide(plan, _Exchange("", failure))
        settled = await self._settle(result)
        duration, kind = result.end_time - began, plan.delivery.target.kind
        self._emit(AttemptEnded(result, settled, duration, kind, plan.max_attempts))

    async def _run_attempt(self, claim: Claim) -> tuple[_Plan, AttemptResult]:
        """Make an attempt; return its plan and its result."""
        try:
            parsed = deliveries.open_(claim.queue, self._cipher.open_task(claim.task))
            plan = _Plan(claim, parsed, history.is_sampled(claim.number, parsed.sampling_ratio))
            exchange = await self._deliver(plan)
        except errors.FailedPrecondition as error:  # the encryption key is missing
            placeholder = deliveries.placeholder(claim.queue, MISSING_KEY_RETRIES)
            failure = NoResponse(Failure.PRECONDITION, error.message)
            plan, exchange = _Plan(claim, placeholder, sampled=False), _Exchange("", failure)
        return plan, self._decide(plan, exchange)

    def _decide(self, plan: _Plan, exchange: _Exchange) -> AttemptResult:
        now, response = self._clock.now(), exchange.response
        body = response.body if isinstance(response, Response) else b""
        result = lifecycle.decide(
            plan.claim,
            delivery.outcome(plan.delivery.target.kind, response),
            plan.delivery.retry_config,
            retention=self._limits.retention.task_retention,
            now=now,
            hint=retry_hint.parse(response, now),
        )
        return dataclasses.replace(
            result,
            target=exchange.target,
            response_body=body.decode("utf-8", "replace"),
            sampled=plan.sampled,
        )

    async def _deliver(self, plan: _Plan) -> _Exchange:
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
        response: Response | NoResponse
        try:
            async with self._clock.timeout(self._clock.now() + target.deadline):
                response = await self._send(request, target)
        except TimeoutError:
            seconds = target.deadline / SECOND
            response = NoResponse(
                Failure.DEADLINE, f"no answer within the deadline of {seconds:g} s"
            )
        return _Exchange(address, response)

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
                return NoResponse(Failure.CONNECTION, str(error))
            request = delivery.with_bearer_token(request, bearer)
        return await self._sender.send(request)

    async def _settle(self, result: AttemptResult) -> SettleResult:
        """Settle a result; retry until the store accepts it. The slot stays taken meanwhile."""
        while True:
            try:
                (settled,) = await self._store.settle([result], self._clock.now())
            except Exception as error:  # noqa: BLE001 - a claim must be settled
                self._emit(StoreFailed("settle", errors.describe(error)))
                await self._clock.wait(asyncio.Event(), self._clock.now() + RETRY_INTERVAL)
            else:
                return settled or SettleResult.GONE
