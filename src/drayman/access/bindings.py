"""Bindings: which members have which roles on a resource, and on all that lies in it.

The resources, from the outside in: the server (named ""), a project, a location, a queue. A service
account is a resource as well: ``projects/-/serviceAccounts/EMAIL``.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from drayman.access import roles

SERVER = ""
"""The resource that all others lie in."""
Grants = Mapping[str, frozenset[str]]
"""The permissions that members have on a resource, by member."""

_ID = r"[^/\s]+"
_RESOURCE = re.compile(
    rf"projects/{_ID}(?:/locations/{_ID}(?:/queues/{_ID})?)?|projects/-/serviceAccounts/{_ID}"
)
_QUEUE_SEGMENTS = 6
_ACCOUNT_PROJECT = re.compile(
    r"[^@]+@([^@.]+)\.iam\.gserviceaccount\.com|([^@]+)@appspot\.gserviceaccount\.com"
)


class Binding(NamedTuple):
    """A role that members have on a resource."""

    role: str
    members: frozenset[str]
    resource: str = SERVER


class Bindings:
    """The bindings of the configuration."""

    def __init__(self, bindings: Iterable[Binding]) -> None:
        by_resource: dict[str, list[Binding]] = {}
        for binding in bindings:
            by_resource.setdefault(binding.resource, []).append(binding)
        self._grants = {
            resource: grants((each.role, each.members) for each in several)
            for resource, several in by_resource.items()
        }

    def hold(self, members: frozenset[str], permission: str, resources: Iterable[str]) -> bool:
        """Return whether one of the members has a permission on one of the resources."""
        return bool(self._grants) and any(
            holds(self._grants[resource], members, permission)
            for resource in resources
            if resource in self._grants
        )

    def permissions(self, members: frozenset[str], resource: str) -> frozenset[str]:
        """Return the permissions that the members have on one resource itself."""
        return held(self._grants.get(resource, {}), members)


def check_resource(name: str) -> str:
    """Return ``name`` if bindings of the configuration may name it; ValueError."""
    if not _RESOURCE.fullmatch(name):
        raise ValueError(
            f'"{name}" is not a resource; allowed: projects/P, projects/P/locations/L, '
            "projects/P/locations/L/queues/Q and projects/-/serviceAccounts/EMAIL"
        )
    return name


def grants(bindings: Iterable[tuple[str, Iterable[str]]]) -> Grants:
    """Return the permissions of bindings, each a role and its members."""
    by_member: dict[str, frozenset[str]] = {}
    for role, members in bindings:
        for member in members:
            by_member[member] = by_member.get(member, frozenset()) | roles.permissions([role])
    return by_member


def holds(granted: Grants, members: frozenset[str], permission: str) -> bool:
    """Return whether one of the members has a permission."""
    return any(permission in granted[member] for member in members if member in granted)


def held(granted: Grants, members: frozenset[str]) -> frozenset[str]:
    """Return the permissions that one of the members has."""
    return frozenset().union(*(granted[member] for member in members if member in granted))


def enclosing(name: str) -> Iterator[str]:
    """Yield the names of the resources that one lies in, and its own, up to a queue."""
    segments = name.split("/", _QUEUE_SEGMENTS)[:_QUEUE_SEGMENTS]
    yield from itertools.islice(itertools.accumulate(segments, "{}/{}".format), 1, None, 2)


def queue_of(name: str) -> str | None:
    """Return the name of the queue that a resource lies in, None if it lies in none."""
    segments = name.split("/", _QUEUE_SEGMENTS)
    if len(segments) < _QUEUE_SEGMENTS or segments[4] != "queues":
        return None
    return "/".join(segments[:_QUEUE_SEGMENTS])


def account_resources(email: str, project: str) -> list[str]:
    """Return the resources on which a permission for a service account can be had.

    A project is one of them only if the account is named after it: otherwise whoever owns one
    project could act as the accounts of all.
    """
    account = f"projects/-/serviceAccounts/{email}"
    match = _ACCOUNT_PROJECT.fullmatch(email)
    own = f"projects/{match[1] or match[2]}" if match else None
    return [account, project] if own == project else [account]
