"""The role of a server: which part of the work on its store it does.

    role        takes calls    makes attempts    deletes what has expired    is a member
    ---------   -----------    --------------    ------------------------    -----------
    all         yes            yes               yes                         yes
    api         yes            no                no                          yes
    dispatch    no             yes               yes                         yes
    inspection  yes            no                no                          no

Servers with different roles share a store on PostgreSQL. A member has a heartbeat, notifies the
others of due tasks, returns the claims of members that are not alive to their queues, and drains
the outbox: the first by name of the members drains, so every member must be able to.
"""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class Role:
    """A role.

    Attributes:
        name: Its name.
        label: How health checks and the ready line show it; empty for the ordinary role.
        serves: Whether it takes calls of the API.
        dispatches: Whether it makes attempts.
        sweeps: Whether it deletes what has expired, and gives free space back to the disk.
        joins: Whether it is a member of the servers that share the store.
    """

    name: str
    label: Mapping[str, str]
    serves: bool = True
    dispatches: bool = True
    sweeps: bool = True
    joins: bool = True

    @property
    def suffix(self) -> str:
        """The label as the end of a line of text."""
        return "".join(f" {key}={value}" for key, value in self.label.items())


ALL = Role("all", {})
API = Role("api", {"role": "api"}, dispatches=False, sweeps=False)
DISPATCH = Role("dispatch", {"role": "dispatch"}, serves=False)
INSPECTION = Role(
    "inspection", {"dispatch": "off"}, dispatches=False, sweeps=False, joins=False
)  # fmt: skip
"""The role of ``--no-dispatch``: nothing happens in the store but what callers ask for."""
BY_NAME: Mapping[str, Role] = {role.name: role for role in (ALL, API, DISPATCH)}
"""The roles of ``--role``."""
