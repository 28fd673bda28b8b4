"""The calls of access policies, which are enforced while callers are authenticated."""

import dataclasses
from typing import Any

from google.iam.v1 import iam_policy_pb2, policy_pb2

from drayman.api import queue_updates, queues
from drayman.api.context import Context
from drayman.core import errors
from drayman.core.events import QueueAction
from drayman.core.queue import Queue
from drayman.wire import masks, policies


async def get_iam_policy(context: Context, request: Any) -> Any:
    """GetIamPolicy: an empty policy where none was set."""
    queue = await context.store.get_queue(request.resource)
    policies.check_version(request.options.requested_policy_version)
    return policies.render(queue.policy)


async def set_iam_policy(context: Context, request: Any) -> Any:
    """SetIamPolicy: replaces the policy if its etag is that of the request, or if there is none.

    With an update_mask only the fields that it names are replaced.
    """
    paths = list(request.update_mask.paths)

    def set_policy(existing: Queue | None) -> Queue:
        if existing is None:
            raise errors.queue_missing()
        masks.check(paths, policy_pb2.Policy.DESCRIPTOR)
        policies.check(request.policy)
        policy = _merge(existing.policy, request.policy, paths)
        return dataclasses.replace(existing, policy=policies.replace(existing.policy, policy))

    queue = await queue_updates.update(context, request.resource, set_policy)
    queues.emit(context, request.resource, QueueAction.POLICY_CHANGED)
    return policies.render(queue.policy)


def _merge(stored: bytes, policy: Any, paths: list[str]) -> Any:
    if not paths:
        return policy
    merged = policies.render(stored)
    masks.apply(paths, policy, merged)
    merged.etag = policy.etag
    return merged


async def test_iam_permissions(context: Context, request: Any) -> Any:
    """TestIamPermissions: sorted, as Google's response is.

    Returns all permissions; with authentication ``calls.handle`` leaves those of the caller.
    """
    await context.store.get_queue(request.resource)
    policies.check_permissions(request.permissions)
    return iam_policy_pb2.TestIamPermissionsResponse(permissions=sorted(request.permissions))
