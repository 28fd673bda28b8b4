"""The targets of a test: a sender that asks rules instead of the network."""

import asyncio
import collections
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from drayman.core.clock import Clock
from drayman.core.delivery import (
    RECORDED_BODY_SIZE,
    Failure,
    NoResponse,
    Request,
    Response,
)
from drayman.dispatch.sender import Sender
from drayman.testing import apps, values
from drayman.testing.delivery_log import DeliveryLog
from drayman.testing.handlers import Handlers
from drayman.testing.values import Answer, Delivery, Handler, NoReply, Reply, to_datetime

_PREFIXES = ("x-cloudtasks-", "x-appengine-")


class _Once(NamedTuple):
    """A rule for as many requests as it has answers."""

    url: re.Pattern[str]
    answers: "collections.deque[Answer | Handler]"

    def take(self) -> "Answer | Handler | None":
        return self.answers.popleft() if self.answers else None


class _Always(NamedTuple):
    """A rule for any number of requests."""

    url: re.Pattern[str]
    answer: "Answer | Handler"

    def take(self) -> "Answer | Handler | None":
        return self.answer


class Targets:
    """All targets; implements ``dispatch.sender.Sender``.

    The rule that was added last has precedence. A request that no rule is for gets status 200.

    Attributes:
        deliveries: The requests so far.
        waiting: The number of requests that will get no response, by the id of their queue.
        http: Sends the requests that no rule is for; None for status 200.
    """

    def __init__(
        self, clock: Clock, handlers: Handlers, log: DeliveryLog, changed: Callable[[], object]
    ) -> None:
        """Start without rules; ``changed`` is called when ``waiting`` has grown."""
        self.deliveries = log
        self.waiting: collections.Counter[str] = collections.Counter()
        self.http: Sender | None = None
        self._clock = clock
        self._handlers = handlers
        self._changed = changed
        self._rules: list[_Once | _Always] = []

    def clear(self) -> None:
        """Drop all rules and deliveries."""
        self._rules = []
        self.deliveries.clear()

    def respond(self, url: str, answer: "Answer | Handler | Sequence[Answer | Handler]") -> None:
        """Add a rule: one answer for all requests, or a sequence with one for each."""
        pattern = compile_pattern(url)
        if isinstance(answer, Sequence):
            self._rules.append(_Once(pattern, collections.deque(answer)))
        else:
            self._rules.append(_Always(pattern, answer))

    def deliver_to(self, app: Any, url: str) -> None:
        """Add a rule: an ASGI or WSGI application for all requests."""
        if apps.is_asgi(app):
            self.respond(url, lambda delivery: apps.call_asgi(app, delivery))
        else:
            self.respond(url, lambda delivery: apps.call_wsgi(app, delivery))

    async def send(self, request: Request) -> Response | NoResponse:
        """Record a request; return what its rule gives."""
        delivery = _delivery(request, self._clock)
        self.deliveries.append(delivery)
        try:
            return await self._answer(request, delivery)
        except asyncio.CancelledError as error:
            if _is_cancelled():
                delivery.error = NoReply.TIMEOUT
                raise
            return _failed(delivery, error)  # the handler was cancelled, not the attempt
        except Exception as error:  # noqa: BLE001 - a server of the application would respond so
            return _failed(delivery, error)

    async def close(self) -> None:
        """Close the connections to targets without a rule."""
        if self.http is not None:
            await self.http.close()

    async def _answer(self, request: Request, delivery: Delivery) -> Response | NoResponse:
        answer = self._take(delivery.url)
        if answer is None and self.http is not None:
            return await _send(self.http, request, delivery)
        result = await self._call(answer, delivery) if callable(answer) else answer
        values.check_result(result)
        if isinstance(result, NoReply):
            delivery.error = result
            return await self._no_response(delivery.queue, result)
        reply = result if isinstance(result, Reply) else Reply(200 if result is None else result)
        delivery.status = reply.status
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return Response(reply.status, headers, reply.body[:RECORDED_BODY_SIZE])

    def _take(self, url: str) -> "Answer | Handler | None":
        for rule in reversed(self._rules):
            if rule.url.fullmatch(url) and (answer := rule.take()) is not None:
                return answer
        return None

    async def _call(self, handler: Handler, delivery: Delivery) -> Answer | None:
        result = await self._handlers.call(lambda: handler(delivery))
        return await self._handlers.run(result) if inspect.isawaitable(result) else result

    async def _no_response(self, queue: str, reason: NoReply) -> NoResponse:
        if reason is NoReply.CONNECTION_ERROR:
            return NoResponse(Failure.CONNECTION, reason.value)
        self.waiting[queue] += 1
        self._changed()
        try:
            await asyncio.Event().wait()
        finally:
            self.waiting[queue] -= 1
        raise AssertionError("unreachable")


def _is_cancelled() -> bool:
    """Return whether somebody has cancelled the running task."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _failed(delivery: Delivery, error: BaseException) -> Response:
    delivery.error, delivery.status = error, 500
    return Response(500)


async def _send(sender: Sender, request: Request, delivery: Delivery) -> Response | NoResponse:
    """Send a request; record the status or the failure."""
    response = await sender.send(request)
    if isinstance(response, Response):
        delivery.status = response.status
    else:
        delivery.error = OSError(response.reason)
    return response


def compile_pattern(url: str) -> re.Pattern[str]:
    """Return the regular expression of a URL in which ``*`` stands for any text."""
    return re.compile(".*".join(map(re.escape, url.split("*"))), re.DOTALL)


def _delivery(request: Request, clock: Clock) -> Delivery:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Delivery(
        task=_describing(headers, "taskname"),
        queue=_describing(headers, "queuename"),
        url=request.url,
        method=request.method,
        headers=dict(request.headers),
        body=request.body,
        time=to_datetime(clock.now()),
        retry_count=int(_describing(headers, "taskretrycount") or 0),
    )


def _describing(headers: Mapping[str, str], name: str) -> str:
    """Return the value of a header that describes the task."""
    return next((headers[prefix + name] for prefix in _PREFIXES if prefix + name in headers), "")
