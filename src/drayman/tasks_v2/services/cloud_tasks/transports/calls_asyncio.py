"""One call with what its row promises: timeout, retry, headers, exceptions, log."""

import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
from google.api_core import exceptions

from drayman.tasks_v2 import rpcs
from drayman.tasks_v2.services.cloud_tasks import request_log
from drayman.tasks_v2.services.cloud_tasks.requests import DEFAULT, Metadata, is_default

_AGENT = "x-goog-api-client"


@functools.cache
def default_retry() -> Any:
    """How calls are repeated whose row says so."""
    from google.api_core.retry_async import AsyncRetry

    return AsyncRetry(
        predicate=lambda error: isinstance(
            error, exceptions.DeadlineExceeded | exceptions.ServiceUnavailable
        ),
        initial=0.1,
        maximum=10.0,
        multiplier=1.3,
        timeout=20.0,
    )


class AsyncCall:
    """A stub with the defaults of its row."""

    def __init__(
        self,
        stub: Callable[..., Awaitable[Any]],
        rpc: rpcs.Rpc,
        headers: Sequence[tuple[str, str]],
        *,
        logged: bool = True,
    ) -> None:
        self._stub = stub
        self._rpc = rpc
        self._headers = tuple(headers)
        self._logged = logged

    async def __call__(
        self,
        request: Any,
        *,
        retry: Any = DEFAULT,
        timeout: Any = DEFAULT,
        metadata: Metadata = (),
    ) -> Any:
        """Make the call.

        Args:
            request: The message.
            retry: A ``google.api_core`` retry, None for none, or the row's by default.
            timeout: Seconds, a ``google.api_core`` timeout, None for none, or the row's.
            metadata: Headers of this call.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: The call failed.
            google.api_core.exceptions.RetryError: It went on failing until the retry's end.
        """
        if is_default(retry):
            retry = default_retry() if self._rpc.retried else None
        if is_default(timeout):
            timeout = self._rpc.timeout
        call: Any = self._once
        if retry is not None:
            call = retry(call)
        if callable(timeout):
            call, timeout = timeout(call), None
        sent = self._with_agent(metadata)
        if timeout is None:
            return await call(request, metadata=sent)
        return await call(request, metadata=sent, timeout=timeout)

    async def _once(self, request: Any, metadata: Metadata, timeout: float | None = None) -> Any:
        logged = self._logged and request_log.wanted()
        if logged:
            request_log.sending(self._rpc, request, metadata)
        try:
            response = await self._stub(request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            raise exceptions.from_grpc_error(error) from error
        if logged:
            request_log.received(self._rpc, response)
        return response

    def _with_agent(self, metadata: Metadata) -> Metadata:
        """The headers of every call, joined by the caller's; both may name an agent."""
        if not any(key == _AGENT for key, _ in metadata):
            return (*self._headers, *metadata)
        agents = [str(value) for key, value in (*self._headers, *metadata) if key == _AGENT]
        tokens = dict.fromkeys(" ".join(agents).split())
        return ((_AGENT, " ".join(tokens)), *(pair for pair in metadata if pair[0] != _AGENT))
