"""Makes a call with the timeout and retry of its RPC, and logs it."""

import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
from google.api_core import exceptions

from drayman.tasks_v2 import rpcs
from drayman.tasks_v2.services.cloud_tasks import request_log
from drayman.tasks_v2.services.cloud_tasks.requests import DEFAULT, Metadata, is_default
from drayman.tasks_v2.services.cloud_tasks.transports import call_errors

_CLIENT_HEADER = "x-goog-api-client"


@functools.cache
def default_retry() -> Any:
    """Return the retry of RPCs that are retried by default."""
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
    """A stub with the timeout and retry of its RPC, and the exceptions of ``google.api_core``."""

    def __init__(
        self,
        stub: Callable[..., Awaitable[Any]],
        rpc: rpcs.Rpc,
        headers: Sequence[tuple[str, str]],
        server: str = "",
        *,
        logged: bool = True,
    ) -> None:
        self._stub = stub
        self._rpc = rpc
        self._headers = tuple(headers)
        self._server = server
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
            request: The request message.
            retry: A retry of ``google.api_core``, or None. By default that of the RPC.
            timeout: Seconds, a timeout of ``google.api_core``, or None. By default that of the RPC.
            metadata: Headers to send.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: The call failed. Its text ends with the
                server, if that failed, or the name that was not found.
            google.api_core.exceptions.RetryError: The retries were exhausted.
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
        headers = self._merge_headers(metadata)
        if timeout is None:
            return await call(request, metadata=headers)
        return await call(request, metadata=headers, timeout=timeout)

    async def _once(self, request: Any, metadata: Metadata, timeout: float | None = None) -> Any:
        logged = self._logged and request_log.is_enabled()
        if logged:
            request_log.emit_request(self._rpc, request, metadata)
        try:
            response = await self._stub(request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            api_error = exceptions.from_grpc_error(error)
            raise self._add_context(api_error, request, timeout) from error
        except exceptions.GoogleAPICallError as error:
            raise self._add_context(error, request, timeout) from error.__cause__
        if logged:
            request_log.emit_response(self._rpc, response)
        return response

    def _add_context(
        self, error: exceptions.GoogleAPICallError, request: Any, timeout: float | None
    ) -> exceptions.GoogleAPICallError:
        return call_errors.add_context(error, self._rpc, request, self._server, timeout)

    def _merge_headers(self, metadata: Metadata) -> Metadata:
        """Return the transport's headers and the caller's, with one ``x-goog-api-client``."""
        if not any(key == _CLIENT_HEADER for key, _ in metadata):
            return (*self._headers, *metadata)
        values = [str(value) for key, value in (*self._headers, *metadata) if key == _CLIENT_HEADER]
        tokens = dict.fromkeys(" ".join(values).split())
        return (
            (_CLIENT_HEADER, " ".join(tokens)),
            *(header for header in metadata if header[0] != _CLIENT_HEADER),
        )
