"""The policies of queues, as they are enforced: read from the store, at most a second old.

A binding with a condition grants nothing, because conditions are not evaluated.
"""

import functools

from google.iam.v1 import policy_pb2

from drayman.access import bindings
from drayman.access.bindings import Grants
from drayman.access.recent import Recent
from drayman.core import errors
from drayman.core.clock import SECOND, Clock, Micros
from drayman.store.contract import Queues

MAX_AGE: Micros = SECOND
"""How old a policy may be: as long as a change takes to have effect."""
MAX_POLICIES = 10_000
"""The most policies in the cache; the one that came first is dropped first."""


class QueuePolicies:
    """What the policies of queues grant."""

    def __init__(self, store: Queues, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._cache: dict[str, Recent[Grants]] = {}

    async def hold(self, members: frozenset[str], permission: str, queue: str) -> bool:
        """Return whether the policy of a queue gives a permission to one of the members.

        The policy of a queue that does not exist gives none.
        """
        recent = self._cache.get(queue) or self._insert(queue)
        return bindings.holds(await recent.get(), members, permission)

    def _insert(self, queue: str) -> Recent[Grants]:
        if len(self._cache) >= MAX_POLICIES:
            del self._cache[next(iter(self._cache))]
        self._cache[queue] = Recent(functools.partial(self._load, queue), self._clock, MAX_AGE)
        return self._cache[queue]

    async def _load(self, queue: str) -> Grants:
        try:
            policy = (await self._store.get_queue(queue)).policy
        except errors.NotFound:
            return {}
        return parse(policy)


def parse(policy: bytes) -> Grants:
    """Return the permissions that a stored policy grants, by member."""
    return bindings.grants(
        (binding.role, binding.members)
        for binding in policy_pb2.Policy.FromString(policy).bindings
        if not binding.HasField("condition")
    )
