"""The dispatcher: wait, claim, build the request, send, judge, settle.

``step`` is one look at the store: it claims what is due, starts the attempts and returns when
to look again. ``run`` repeats it. Nothing about a waiting task is kept here, only the attempts
in flight; their number and their bytes are bounded.
"""

import asyncio
import collections
import contextlib
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
from drayman.core.lifecycle import AttemptResult, Claim, SettleResult, Verdict
from drayman.core.limits import Limits
from drayman.core.queue import RetryConfig
from drayman.dispatch.sender import Sender
from drayman.dispatch.tokens import TokenError, Tokens
from drayman.store.contract import Store
from drayman.wire import deliveries
from drayman.wire.deliveries import Delivery
from drayman.wire.vault import Vault

POLL: Micros = 5 * SECOND
"""The longest time between two looks: what a lost hint costs at most."""
PAUSE: Micros = 1 * SECOND
"""How long to wait before a store that failed is asked again."""
BATCH = 200
"""The most attempts of one claim."""
BYTES = 128 << 20
"""No more is claimed while the requests in flight hold more than this."""

LEVELS = 10_000
"""Of so many queues it is remembered what was last told of their rates."""


class _Made(NamedTuple):
    """What came of a request, and where it went."""

    address: str
    result: Response | NoResponse


UNTIL_THE_KEY_IS_BACK = RetryConfig(max_attempts=-1, min_backoff=30 * SECOND, max_backoff=HOUR)
"""The policy of a task whose encryption key this server does not have: a start without the key
file must not be the end of it."""


class Dispatcher:
    """The attempts of one server."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        sender: Sender,
        tokens: Tokens,
        *,
        server: str,
        slots: int,
        limits: Limits,
        app_engine: Mapping[str, str],
        emit: Emit,
        vault: Vault | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._sender = sender
        self._tokens = tokens
        self._server = server
        self._slots = slots
        self._limits = limits
        self._app_engine = app_engine
        self._emit = emit
        self._vault = vault or Vault({})
        self._wake = asyncio.Event()
        self._stepping = asyncio.Lock()
        self._stopping = False
        self._attempts: set[asyncio.Task[None]] = set()
        self._held: collections.Counter[str] = collections.Counter()
        self._bytes = 0
        self._levels: dict[str, float] = {}
        store.on_change(self._wake.set)

    async def run(self) -> None:
        """Dispatch until ``stop`` is called."""
        while not self._stopping:
            self._wake.clear()
            due = await self.step()
            latest = self._clock.now() + POLL
            await self._clock.wait(self._wake, latest if due is None else min(due, latest))

    async def step(self) -> Micros | None:
        """Start what is due; return when to look again, None for not before a change."""
        async with self._stepping:
            return await self._step()

    async def _step(self) -> Micros | None:
        free = self._slots - len(self._attempts)
        if self._stopping or free <= 0 or self._bytes > BYTES:
            return None
        now = self._clock.now()
        try:
            found = await self._store.claim_due(
                self._server, min(free, BATCH), dict(self._held), free, now
            )
        except Exception as error:  # noqa: BLE001 - dispatch goes on, whatever happens
            self._emit(StoreFailed("claim_due", errors.describe(error)))
            return now + PAUSE
        for claim in found.claims:
            self._start(claim)
        self._report(found.levels)
        return found.next_due

    async def drain(self) -> None:
        """Return when no attempt is in flight."""
        while self._attempts:
            await asyncio.wait(self._attempts)

    async def stop(self, grace: Micros) -> None:
        """Start nothing new, let what is in flight end, return the rest to its queues."""
        self._stopping = True
        self._wake.set()
        async with self._stepping:  # a claim on its way arrives before anything is returned
            pass
        self._emit(Stopping(len(self._attempts)))
        with contextlib.suppress(TimeoutError):
            async with self._clock.timeout(self._clock.now() + grace):
                await self.drain()
        for attempt in self._attempts:
            attempt.cancel()
        await asyncio.gather(*self._attempts, return_exceptions=True)
        try:
            await self._store.release(self._server, self._clock.now())
        except Exception as error:  # noqa: BLE001 - the next start does it
            self._emit(StoreFailed("release", errors.describe(error)))

    def _report(self, levels: Mapping[str, float]) -> None:
        """Tell of queues whose rate was cut by half since last told, or is whole again.

        Of a queue that is deleted nothing is heard again; what was told of it longest ago goes
        when there is much.
        """
        for queue, level in levels.items():
            last = self._levels.get(queue, 1.0)
            if level <= last / 2 or (level >= 1.0 > last):
                self._levels.pop(queue, None)
                self._levels[queue] = level
                self._emit(RateChanged(queue, level))
            if level >= 1.0:
                self._levels.pop(queue, None)
        while len(self._levels) > LEVELS:
            del self._levels[next(iter(self._levels))]

    def _start(self, claim: Claim) -> None:
        queue, size = claim.queue.name, len(claim.task.request)
        self._held[queue] += 1
        self._bytes += size

        def ended(attempt: asyncio.Task[None]) -> None:
            self._attempts.discard(attempt)
            self._bytes -= size
            self._held[queue] -= 1
            if not self._held[queue]:
                del self._held[queue]
            self._wake.set()

        attempt = asyncio.get_running_loop().create_task(self._attempt(claim))
        self._attempts.add(attempt)
        attempt.add_done_callback(ended)

    async def _attempt(self, claim: Claim) -> None:
        began = self._clock.now()
        # A claim must be settled, whatever happens: so all that may fail is in here.
        try:
            opened, settlement = await self._end(claim)
        except Exception as error:  # noqa: BLE001
            self._emit(AttemptCrashed(claim, error))
            failure = NoResponse(Failure.CONNECTION, "internal error of the server; see its log")
            opened = deliveries.unopened(claim.queue)
            settlement = self._judge(claim, opened, _Made("", failure))
        fate = await self._settle(settlement)
        self._emit(
            AttemptEnded(
                claim,
                settlement,
                fate,
                settlement.response_time - began,
                opened.target.kind,
                opened.retry_config.max_attempts,
                history.is_sampled(claim.number, opened.sampling_ratio),
            )
        )

    async def _end(self, claim: Claim) -> tuple[Delivery, AttemptResult]:
        """Make an attempt; return what it was, as far as that is known, and how it ended."""
        try:
            opened = deliveries.open_(claim.queue, self._vault.opened(claim.task))
            made = await self._deliver(claim, opened)
        except errors.FailedPrecondition as error:  # its key is gone
            silence = NoResponse(Failure.PRECONDITION, error.message)
            opened = deliveries.unopened(claim.queue, UNTIL_THE_KEY_IS_BACK)
            made = _Made("", silence)
        return opened, self._judge(claim, opened, made)

    def _judge(self, claim: Claim, opened: Delivery, made: "_Made") -> AttemptResult:
        now, result = self._clock.now(), made.result
        settlement = lifecycle.decide(
            claim,
            delivery.judge(opened.target.kind, result),
            opened.retry_config,
            retention=self._limits.retention,
            now=now,
            said=retry_hint.parse(result, now),
        )
        failed = settlement.verdict is Verdict.FAILED
        if failed or history.is_sampled(claim.number, opened.sampling_ratio):
            answer = result.body if isinstance(result, Response) else b""
            text = answer.decode("utf-8", "replace")
            return lifecycle.with_record(settlement, claim, made.address, text)
        return settlement

    async def _deliver(self, claim: Claim, opened: Delivery) -> "_Made":
        target = opened.target
        request = delivery.request(
            target, claim.task, self._app_engine, http_tokens=self._limits.http_tokens
        )
        if isinstance(request, NoResponse):
            address = delivery.address(target)
            self._tell_began(claim, opened, address)
            return _Made(address, request)
        address = f"{request.method} {request.url}"
        self._tell_began(claim, opened, address)
        result: Response | NoResponse
        try:
            async with self._clock.timeout(self._clock.now() + target.deadline):
                result = await self._send(request, target)
        except TimeoutError:
            seconds = target.deadline / SECOND
            result = NoResponse(Failure.DEADLINE, f"no answer within the deadline of {seconds:g} s")
        return _Made(address, result)

    def _tell_began(self, claim: Claim, opened: Delivery, address: str) -> None:
        if history.is_sampled(claim.number, opened.sampling_ratio):
            kind, most = opened.target.kind, opened.retry_config.max_attempts
            self._emit(AttemptBegan(claim, self._clock.now(), address, kind, most))

    async def _send(self, request: Request, target: Target) -> Response | NoResponse:
        if target.token is not None:
            try:
                bearer = await self._tokens.bearer(target.token, request.url)
            except TokenError as error:
                return NoResponse(Failure.CONNECTION, str(error))
            request = delivery.authorized(request, bearer)
        return await self._sender.send(request)

    async def _settle(self, settlement: AttemptResult) -> SettleResult:
        """Have an outcome noted, however long the store needs; its slot stays taken so long."""
        while True:
            try:
                (fate,) = await self._store.settle([settlement], self._clock.now())
            except Exception as error:  # noqa: BLE001 - a claim must be settled
                self._emit(StoreFailed("settle", errors.describe(error)))
                await self._clock.wait(asyncio.Event(), self._clock.now() + PAUSE)
            else:
                return fate or SettleResult.GONE
