"""The permissions that calls need, on the resource that their routing field names.

The published text of each call, and of ``Task.View``, names them; that the real service checks them
between the project and the ids of a resource name is recorded.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from drayman.access import roles
from drayman.access.caller import Caller
from drayman.access.control import AccessControl
from drayman.core import errors
from drayman.tasks_v2 import rpcs, types

CREATE_TASK = "cloudtasks.tasks.create"
_PROJECTS = "projects/"
_ID, _NO_ID = len(_PROJECTS), ("", "/")
_FULL = int(types.Task.View.FULL)
_TARGET_PATHS = frozenset({"http_target", "httpTarget", "*"})
_CONDITIONAL = "Can't set conditional policy on this resource"


class Need(NamedTuple):
    """What a call needs.

    Attributes:
        permission: The permission on its resource; None if every known caller may make it.
        shows_all: Whether a request is for tasks with their bodies and headers.
        accounts: The service accounts whose tokens a request has tasks sent with.
    """

    permission: str | None
    shows_all: Callable[[Any], bool] | None = None
    accounts: Callable[[Any], Iterable[str]] | None = None


def are_held(caller: Caller | None, rpc: rpcs.Rpc, request: Any) -> bool:
    """Return whether a caller may make a call because of roles on the whole server.

    It is a shortcut, for any resource: where it is false, ``authorize`` decides.
    """
    if caller is None:
        return False
    held, (permission, shows_all, accounts) = caller.permissions, NEEDS[rpc.name]
    return (
        permission in held
        and (shows_all is None or roles.FULL_VIEW in held or not shows_all(request))
        and (accounts is None or roles.ACT_AS in held or not accounts(request))
        and rpc.name != "SetIamPolicy"
    )


async def authorize(
    access: AccessControl, caller: Caller | None, rpc: rpcs.Rpc, name: str, request: Any
) -> None:
    """Check that a caller may make a call on the resource ``name``, as it was sent.

    PermissionDenied; InvalidArgument for an empty name, or a policy with conditions.
    """
    check_project(rpc, name)
    assert caller is not None  # noqa: S101 - whoever is not known does not come this far
    permission, shows_all, accounts = NEEDS[rpc.name]
    if permission is not None:
        await access.authorize(caller, permission, name)
    if shows_all is not None and shows_all(request):
        await access.authorize(caller, roles.FULL_VIEW, name)
    if accounts is not None:
        for email in accounts(request):
            access.authorize_account(caller, email, name)
    if rpc.name == "SetIamPolicy" and any(map(_is_conditional, request.policy.bindings)):
        raise errors.InvalidArgument(_CONDITIONAL)


async def require(
    access: AccessControl | None, caller: Caller | None, permission: str, name: str
) -> None:
    """Check that a caller has a permission, for a call outside the table. PermissionDenied."""
    if access is not None:
        assert caller is not None  # noqa: S101 - whoever is not known does not come this far
        await access.authorize(caller, permission, name)


async def select(access: AccessControl, caller: Caller | None, name: str, response: Any) -> None:
    """Leave in the response of TestIamPermissions what a caller may do on a queue."""
    assert caller is not None  # noqa: S101 - whoever is not known does not come this far
    held = [each for each in response.permissions if await access.has(caller, each, name)]
    response.permissions[:] = held


def check_project(rpc: rpcs.Rpc, name: str) -> None:
    """Check that a resource lies in a project. InvalidArgument if empty; PermissionDenied."""
    if not name:
        raise errors.empty_resource(f"{rpc.service}.{rpc.name}")
    if not _is_in_project(name):
        raise errors.no_project(name)


def _is_in_project(name: str) -> bool:
    return name.startswith(_PROJECTS) and name[_ID : _ID + 1] not in _NO_ID


def _is_full(request: Any) -> bool:
    return bool(request.response_view == _FULL)


def _is_any_full(request: Any) -> bool:
    return any(map(_is_full, request.requests))


def _of_task(request: Any) -> Iterable[str]:
    target = request.task.http_request  # without a token if there is no HTTP request
    kind = target.WhichOneof("authorization_header")
    return (getattr(target, kind).service_account_email,) if kind else ()


def _of_tasks(request: Any) -> Iterable[str]:
    return {email for item in request.requests for email in _of_task(item)}


def _of_queue(request: Any) -> Iterable[str]:
    return _of_target(request.queue.http_target)


def _of_update(request: Any) -> Iterable[str]:
    paths = request.update_mask.paths
    if paths and all(path.partition(".")[0] not in _TARGET_PATHS for path in paths):
        return ()
    return _of_queue(request)


def _of_target(target: Any) -> Iterable[str]:
    kind = target.WhichOneof("authorization_header")
    return (getattr(target, kind).service_account_email,) if kind else ()


def _is_conditional(binding: Any) -> bool:
    return bool(binding.HasField("condition"))


NEEDS: dict[str, Need] = {
    "ListQueues": Need("cloudtasks.queues.list"),
    "GetQueue": Need("cloudtasks.queues.get"),
    "CreateQueue": Need("cloudtasks.queues.create", accounts=_of_queue),
    "UpdateQueue": Need("cloudtasks.queues.update", accounts=_of_update),
    "DeleteQueue": Need("cloudtasks.queues.delete"),
    "PurgeQueue": Need("cloudtasks.queues.purge"),
    "PauseQueue": Need("cloudtasks.queues.pause"),
    "ResumeQueue": Need("cloudtasks.queues.resume"),
    "GetIamPolicy": Need("cloudtasks.queues.getIamPolicy"),
    "SetIamPolicy": Need("cloudtasks.queues.setIamPolicy"),
    "TestIamPermissions": Need(None),
    "ListTasks": Need("cloudtasks.tasks.list", _is_full),
    "GetTask": Need("cloudtasks.tasks.get", _is_full),
    "CreateTask": Need(CREATE_TASK, _is_full, _of_task),
    "BatchCreateTasks": Need(CREATE_TASK, _is_any_full, _of_tasks),
    "DeleteTask": Need("cloudtasks.tasks.delete"),
    "BatchDeleteTasks": Need("cloudtasks.tasks.delete"),
    "RunTask": Need("cloudtasks.tasks.run", _is_full),
    "UpdateCmekConfig": Need("cloudtasks.cmekConfig.update"),
    "GetCmekConfig": Need("cloudtasks.cmekConfig.get"),
    "GetOperation": Need("cloudtasks.operations.get"),
    "ListOperations": Need("cloudtasks.operations.list"),
    "WaitOperation": Need("cloudtasks.operations.get"),
    "CancelOperation": Need("cloudtasks.operations.cancel"),
    "DeleteOperation": Need("cloudtasks.operations.delete"),
    "GetLocation": Need("cloudtasks.locations.get"),
    "ListLocations": Need("cloudtasks.locations.list"),
}
"""What each call needs."""
