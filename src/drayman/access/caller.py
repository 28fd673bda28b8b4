"""The caller of a call, and whose call is in progress."""

import contextvars
import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call.

    Attributes:
        members: The members that the caller is, as bindings name them.
        permissions: The permissions that the caller has on the whole server.
    """

    members: frozenset[str]
    permissions: frozenset[str]


CALLER: contextvars.ContextVar[Caller] = contextvars.ContextVar("caller")
"""The caller of the call in progress: each call runs in an asyncio task, with a context of its own.
It has no value without authentication."""
