"""The roles of IAM and their permissions (the page "Cloud Tasks roles and permissions").

The permissions of operations are in no published role; here they go with those of tasks. The roles
and permissions that begin with ``drayman.`` are for what the real service does not have.
"""

from collections.abc import Iterable

ACT_AS = "iam.serviceAccounts.actAs"
"""The permission to have tasks sent with tokens of a service account."""
FULL_VIEW = "cloudtasks.tasks.fullView"
"""The permission to see tasks with their bodies and headers."""

_LOCATIONS = frozenset({"cloudtasks.locations.get", "cloudtasks.locations.list"})
_QUEUE_VIEW = frozenset({"cloudtasks.queues.get", "cloudtasks.queues.list"})
_QUEUE_EDIT = _QUEUE_VIEW | {
    "cloudtasks.queues.create", "cloudtasks.queues.delete", "cloudtasks.queues.pause",
    "cloudtasks.queues.purge", "cloudtasks.queues.resume", "cloudtasks.queues.update",
}  # fmt: skip
_QUEUE_POLICIES = frozenset({"cloudtasks.queues.getIamPolicy", "cloudtasks.queues.setIamPolicy"})
_TASK_VIEW = frozenset({"cloudtasks.tasks.get", "cloudtasks.tasks.list", FULL_VIEW})
_TASK_EDIT = _TASK_VIEW | {
    "cloudtasks.tasks.create", "cloudtasks.tasks.delete", "cloudtasks.tasks.run"
}  # fmt: skip
_OPERATION_VIEW = frozenset({"cloudtasks.operations.get", "cloudtasks.operations.list"})
_OPERATION_EDIT = _OPERATION_VIEW | {
    "cloudtasks.operations.cancel", "cloudtasks.operations.delete"
}  # fmt: skip
_VIEWER = _LOCATIONS | _QUEUE_VIEW | _TASK_VIEW | _OPERATION_VIEW | {"cloudtasks.cmekConfig.get"}
_EDITOR = _VIEWER | _QUEUE_EDIT | _TASK_EDIT | _OPERATION_EDIT
_ADMIN = _EDITOR | _QUEUE_POLICIES | {"cloudtasks.cmekConfig.update"}

_DRAYMAN_VIEWER = frozenset(
    {
        "drayman.attempts.list",
        "drayman.deadLetters.get",
        "drayman.deadLetters.list",
        "drayman.metrics.get",
        "drayman.queues.getStats",
    }
)
_DRAYMAN_ADMIN = _DRAYMAN_VIEWER | {"drayman.deadLetters.delete", "drayman.deadLetters.replay"}

ROLES: dict[str, frozenset[str]] = {
    "roles/owner": _ADMIN | _DRAYMAN_ADMIN | {ACT_AS},
    "roles/editor": _EDITOR | _DRAYMAN_ADMIN | {ACT_AS},
    "roles/viewer": _VIEWER | _DRAYMAN_VIEWER,
    "roles/cloudtasks.admin": _ADMIN,
    "roles/cloudtasks.editor": _EDITOR,
    "roles/cloudtasks.viewer": _VIEWER,
    "roles/cloudtasks.enqueuer": frozenset({"cloudtasks.tasks.create", FULL_VIEW}),
    "roles/cloudtasks.queueAdmin": _LOCATIONS | _QUEUE_EDIT | _QUEUE_POLICIES,
    "roles/cloudtasks.taskDeleter": frozenset({"cloudtasks.tasks.delete"}),
    "roles/cloudtasks.taskRunner": frozenset({"cloudtasks.tasks.run", FULL_VIEW}),
    "roles/iam.serviceAccountUser": frozenset({ACT_AS}),
    "roles/drayman.admin": _DRAYMAN_ADMIN,
    "roles/drayman.viewer": _DRAYMAN_VIEWER,
}
"""The permissions of each role."""


def check(role: str) -> str:
    """Return ``role`` if it is one of the roles; ValueError."""
    if role not in ROLES:
        raise ValueError(f'"{role}" is not a role; allowed: {", ".join(ROLES)}')
    return role


def permissions(roles: Iterable[str]) -> frozenset[str]:
    """Return the permissions of several roles; an unknown role has none."""
    return frozenset().union(*(ROLES.get(role, frozenset()) for role in roles))
