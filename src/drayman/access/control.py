"""Access control of a call: who the caller is, and whether the caller has a permission."""

import dataclasses
from collections.abc import Mapping

from drayman.access import bindings, members, refusals, roles
from drayman.access.api_keys import ApiKeys
from drayman.access.bindings import Bindings
from drayman.access.caller import Caller
from drayman.access.keys import ApiKey
from drayman.access.policies import QueuePolicies
from drayman.access.tokens import TokenVerifier
from drayman.core import errors

AUTHORIZATION = b"authorization"
API_KEY = b"x-goog-api-key"

Fields = Mapping[bytes, bytes]
"""The header fields of a request by their names, in lower case."""


class Callers:
    """Makes callers of members, with what the bindings grant them on the whole server."""

    def __init__(self, configured: Bindings) -> None:
        self._bindings = configured

    def of_members(self, named: frozenset[str]) -> Caller:
        """Return the caller that the members of a token stand for."""
        every = named | members.EVERYONE
        return Caller(every, self._bindings.permissions(every, bindings.SERVER))

    def of_key(self, key: ApiKey) -> Caller:
        """Return the caller that an API key stands for."""
        caller = self.of_members(frozenset({key.member}))
        held = caller.permissions | roles.permissions(key.roles)
        return dataclasses.replace(caller, permissions=held)


class AccessControl:
    """Authenticates callers and authorizes their calls.

    Args:
        configured: The bindings of the configuration.
        policies: The policies of queues.
        api_keys: Finds the callers of API keys; None if they are not accepted.
        tokens: Finds the callers of bearer tokens; None if they are not accepted.
    """

    def __init__(
        self,
        configured: Bindings,
        policies: QueuePolicies,
        api_keys: ApiKeys | None,
        tokens: TokenVerifier | None,
    ) -> None:
        self._bindings = configured
        self._policies = policies
        self._api_keys = api_keys
        self._tokens = tokens

    def recall(self, fields: Fields) -> Caller | None:
        """Return the caller of a call whose API key has been found just now, without waiting."""
        if self._api_keys is None or AUTHORIZATION in fields:
            return None
        return self._api_keys.recall(fields.get(API_KEY, b""))

    async def authenticate(self, method: str, fields: Fields) -> Caller:
        """Return the caller of a call (by its full name).

        A bearer token takes precedence over an API key. Unauthenticated; InvalidArgument for a
        wrong API key; Unavailable if keys cannot be read.
        """
        authorization, key = fields.get(AUTHORIZATION), fields.get(API_KEY)
        if authorization and self._tokens is not None:
            return await self._tokens.verify(authorization, method)
        if key and self._api_keys is not None:
            return await self._api_keys.find(key)
        if authorization:
            raise refusals.token_unsupported(method)
        if key:
            raise refusals.api_keys_unsupported(method)
        raise refusals.credentials_missing(method)

    async def authorize(self, caller: Caller, permission: str, resource: str) -> None:
        """Check that a caller has a permission on a resource, by its name. PermissionDenied."""
        if not await self.has(caller, permission, resource):
            raise errors.no_permission(permission, resource)

    def authorize_account(self, caller: Caller, email: str, resource: str) -> None:
        """Check that a caller may act as a service account, in a queue. PermissionDenied."""
        project = next(bindings.enclosing(resource), "")
        on = bindings.account_resources(email, project)
        if roles.ACT_AS not in caller.permissions and not self._bindings.hold(
            caller.members, roles.ACT_AS, on
        ):
            raise errors.no_permission(roles.ACT_AS, email)

    async def has(self, caller: Caller, permission: str, resource: str) -> bool:
        """Return whether a caller has a permission on a resource."""
        if permission in caller.permissions:
            return True
        if self._bindings.hold(caller.members, permission, bindings.enclosing(resource)):
            return True
        queue = bindings.queue_of(resource)
        if queue is None:
            return False
        return await self._policies.hold(caller.members, permission, queue)

    def replace(
        self,
        configured: Bindings,
        policies: QueuePolicies,
        api_keys: ApiKeys | None,
        tokens: TokenVerifier | None,
    ) -> None:
        """Decide by another configuration from now on; the keys of issuers that stay are kept."""
        if self._tokens is not None and tokens is not None:
            tokens.take_keys(self._tokens)
        self._bindings, self._policies = configured, policies
        self._api_keys, self._tokens = api_keys, tokens
        self.start()

    def start(self) -> None:
        """Begin to fetch the keys of all issuers."""
        if self._tokens is not None:
            self._tokens.refresh()

    def close(self) -> None:
        """Stop fetching keys."""
        if self._tokens is not None:
            self._tokens.close()
