"""The caller of a call."""

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
