"""The calls of access policies, which are enforced while callers are authenticated."""

import dataclasses
import hashlib
from typing import Any

from google.iam.v1 import iam_policy_pb2, policy_pb2

from drayman.api import queue_updates
from drayman.api.context import Context
from drayman.core import errors, limits, names
from drayman.core.queue import Queue
from drayman.wire import masks

_PERMISSION = "cloudtasks."
_NEVER_SET = b"\x00\x20\x01"
"""The etag of a policy that was never set; in JSON "ACAB", as on every Google service."""
_CONDITIONS = 3
"""The first version of policies with conditions."""
_VERSIONS = frozenset({0, 1, _CONDITIONS})


async def get_iam_policy(context: Context, request: Any) -> Any:
    """GetIamPolicy: an empty policy where none was set."""
    name = names.queue("resource", request.resource)
    if request.options.requested_policy_version not in _VERSIONS:
        raise errors.invalid_field("options.requestedPolicyVersion", "must be 0, 1 or 3.")
    policy = _render((await context.store.get_queue(name)).policy)
    if request.options.requested_policy_version != _CONDITIONS:
        _hide_conditions(policy)
    return policy


async def set_iam_policy(context: Context, request: Any) -> Any:
    """SetIamPolicy: replaces the policy if its etag is that of the request, or if there is none.

    With an update_mask only the fields that it names are replaced.
    """
    name = names.queue("resource", request.resource)
    new_policy = policy_pb2.Policy()
    new_policy.CopyFrom(request.policy)
    etag, paths = new_policy.etag, list(request.update_mask.paths)
    masks.apply(paths, new_policy, policy_pb2.Policy())  # refuses paths of fields that do not exist
    _validate(new_policy)

    def set_policy(existing: Queue | None) -> Queue:
        if existing is None:
            raise errors.queue_missing()
        if etag and etag != _etag(existing.policy):
            raise errors.Aborted(
                "There were concurrent policy changes. Please retry the whole "
                "read-modify-write with exponential backoff."
            )
        policy = policy_pb2.Policy.FromString(existing.policy) if paths else new_policy
        masks.apply(paths, new_policy, policy)
        policy.ClearField("etag")
        text = bytes(policy.SerializeToString(deterministic=True))
        if len(text) > limits.POLICY_SIZE:
            raise errors.invalid_field(
                "policy", f"must be at most {limits.POLICY_SIZE // 1024} KB."
            )
        return dataclasses.replace(existing, policy=text)

    return _render((await queue_updates.update(context, name, set_policy)).policy)


async def test_iam_permissions(context: Context, request: Any) -> Any:
    """TestIamPermissions: all of them, as without authentication; ``calls`` selects the caller's.

    None for a queue that is missing.
    """
    name = names.queue("resource", request.resource)
    for permission in request.permissions:
        if not permission.startswith(_PERMISSION) or "*" in permission:
            raise errors.field_error("permissions", f"Permission {permission[:100]} is not valid.")
    response = iam_policy_pb2.TestIamPermissionsResponse()
    try:
        await context.store.get_queue(name)
    except errors.NotFound:
        return response
    response.permissions.extend(dict.fromkeys(request.permissions))
    return response


def _validate(policy: Any) -> None:
    if policy.version not in _VERSIONS:
        raise errors.invalid_field("policy.version", "must be 0, 1 or 3.")
    for index, binding in enumerate(policy.bindings):
        _validate_binding(policy, f"policy.bindings[{index}]", binding)
    for index, audit_config in enumerate(policy.audit_configs):
        for log_config in audit_config.audit_log_configs:
            if log_config.log_type not in _LOG_TYPES:
                raise errors.invalid_field(
                    f"policy.auditConfigs[{index}].auditLogConfigs.logType",
                    f"has the unknown value {log_config.log_type}.",
                )


def _validate_binding(policy: Any, field: str, binding: Any) -> None:
    if not binding.role:
        raise errors.invalid_field(f"{field}.role", "is required.")
    if binding.HasField("condition") and policy.version != _CONDITIONS:
        raise errors.field_error("policy.version", "A policy with conditions must have version 3.")
    for member in binding.members:
        if not _is_member(member):
            raise errors.invalid_field(
                f"{field}.members", f'has the invalid member "{member[:100]}".'
            )


def _is_member(member: str) -> bool:
    kind, _, value = member.partition(":")
    return member in _EVERYONE or bool(kind and value)


_LOG_TYPES = frozenset(policy_pb2.AuditLogConfig.LogType.values())
_EVERYONE = frozenset({"allUsers", "allAuthenticatedUsers"})


def _hide_conditions(policy: Any) -> None:
    """Replace conditions by a suffix of the role, as IAM does for callers without version 3."""
    for binding in policy.bindings:
        if binding.HasField("condition"):
            text = binding.condition.SerializeToString(deterministic=True)
            binding.role += f"_withcond_{hashlib.sha256(text).hexdigest()[:20]}"
            binding.ClearField("condition")
            policy.version = 1


def _render(stored: bytes) -> Any:
    policy = policy_pb2.Policy.FromString(stored)
    policy.etag = _etag(stored)
    return policy


def _etag(stored: bytes) -> bytes:
    if not stored:
        return _NEVER_SET
    return hashlib.sha256(stored).digest()[:8]
