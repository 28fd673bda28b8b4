"""The policies of queues, as they are enforced: read from the store, cached for a second.

A binding with a condition grants nothing, because conditions are not evaluated.
"""

from google.iam.v1 import policy_pb2

from drayman.access import bindings
from drayman.access.bindings import Grants
from drayman.core import errors
from drayman.core.clock import SECOND, Clock, Micros
from drayman.store.contract import Queues

MAX_AGE: Micros = SECOND
"""How old a policy may be: as long as a change takes to have effect."""
MAX_POLICIES = 10_000
"""The most policies in the cache; the one read first is dropped first."""
_NONE: Grants = {}


class QueuePolicies:
    """What the policies of queues grant."""

    def __init__(self, store: Queues, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._cache: dict[str, tuple[Micros, Grants]] = {}

    async def hold(self, members: frozenset[str], permission: str, queue: str) -> bool:
        """Return whether the policy of a queue gives a permission to one of the members."""
        now = self._clock.now()
        since, granted = self._cache.get(queue, (-MAX_AGE, _NONE))
        if not since <= now < since + MAX_AGE:  # the clock may be set back
            granted = await self._load(queue)
            self._save(queue, now, granted)
        return bindings.holds(granted, members, permission)

    async def _load(self, queue: str) -> Grants:
        try:
            policy = (await self._store.get_queue(queue)).policy
        except errors.NotFound:
            return _NONE
        return parse(policy)

    def _save(self, queue: str, now: Micros, granted: Grants) -> None:
        self._cache.pop(queue, None)
        self._cache[queue] = now, granted
        if len(self._cache) > MAX_POLICIES:
            del self._cache[next(iter(self._cache))]


def parse(policy: bytes) -> Grants:
    """Return the permissions that a stored policy grants, by member."""
    return bindings.grants(
        (binding.role, binding.members)
        for binding in policy_pb2.Policy.FromString(policy).bindings
        if not binding.HasField("condition")
    )
