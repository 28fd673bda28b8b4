"""Calls of the API in the name of the caller of a request, with JSON values.

They are the coroutines behind gRPC and REST, with the same checks of permissions, and the same
events. A refused call raises its ServiceError.
"""

import functools
from collections.abc import Mapping
from typing import Any

from drayman.access.caller import Caller
from drayman.access.control import Fields
from drayman.api import admin, permissions
from drayman.api import calls as api_calls
from drayman.api.admin import AdminCall
from drayman.api.admin_messages import AdminRequest
from drayman.api.context import Context
from drayman.core import names
from drayman.tasks_v2 import rpcs
from drayman.wire import json_writer, protojson

_ADMIN_CALLS = {call.name: call for call in admin.CALLS}
_EXPANSION = 2
"""How much larger a response is as JSON than as protobuf."""


class Calls:
    """The calls of a caller.

    Args:
        context: What every call needs.
        fields: The header fields that authenticate the caller.
    """

    def __init__(self, context: Context, fields: Fields) -> None:
        self._context = context
        self._fields = fields
        self._caller: Caller | None = None
        self._is_known = False

    async def caller(self) -> Caller | None:
        """Return the caller, None if callers are not authenticated. Unauthenticated."""
        if not self._is_known:
            self._caller = await self._guard("SignIn", _same)
            self._is_known = True
        return self._caller

    async def call(self, name: str, /, **request: Any) -> Any:
        """Return the response of a call of the Cloud Tasks API to a request."""
        return await self._guard(name, self._call, rpcs.BY_NAME[name], request)

    async def call_admin(
        self,
        name: str,
        queue: str = "",
        task_id: str = "",
        query: Mapping[str, str] | None = None,
        content: Any = None,
    ) -> Any:
        """Return the response of a call of the admin API."""
        now = self._context.clock.now()
        request = AdminRequest(queue, task_id, query or {}, content, now)
        return await self._guard(name, self._admin, _ADMIN_CALLS[name], request)

    async def may(self, permission: str, resource: str) -> bool:
        """Return whether the caller has a permission on a resource."""
        access, caller = self._context.access, await self.caller()
        if access is None or caller is None:
            return True
        return await access.has(caller, permission, resource)

    async def _guard(self, name: str, handler: Any, *args: Any) -> Any:
        return await api_calls.guard(self._context, name, self._fields, handler, *args)

    async def _call(self, caller: Caller | None, rpc: rpcs.Rpc, request: Any) -> Any:
        message = api_calls.message_class(rpc.request)()
        protojson.parse(request, message)
        async with api_calls.admit_response(self._context, rpc, _EXPANSION):
            response = await api_calls.handle(caller, self._context, rpc, message)
            return json_writer.render(response)

    async def _admin(self, caller: Caller | None, call: AdminCall, request: AdminRequest) -> Any:
        if request.queue:
            names.queue(request.queue)
        await permissions.require(self._context.access, caller, call.permission, request.resource)
        return await call.handler(self._context, request)


async def _same(caller: Caller | None) -> Caller | None:
    return caller


@functools.cache
def permission_of(name: str) -> str:
    """Return the permission that a call needs."""
    if name in _ADMIN_CALLS:
        return _ADMIN_CALLS[name].permission
    permission = permissions.NEEDS[name].permission
    assert permission is not None  # noqa: S101 - so it is for the calls of pages
    return permission
