"""The calls of access policies. They are kept, not yet enforced: there is no authentication."""

import hashlib
from typing import Any

from google.iam.v1 import iam_policy_pb2, policy_pb2

from drayman.api.context import Context
from drayman.core import errors, limits, names
from drayman.wire import masks

_PERMISSION = "cloudtasks."
_NEVER_SET = b"\x00\x20\x01"
"""The etag of a policy that was never set: "ACAB" in JSON, on every Google service."""
_CONDITIONS = 3
"""The version of policies that can have conditions."""
_VERSIONS = frozenset({0, 1, _CONDITIONS})


async def get_iam_policy(context: Context, request: Any) -> Any:
    """GetIamPolicy: an empty policy where none was set."""
    name = names.queue("resource", request.resource)
    if request.options.requested_policy_version not in _VERSIONS:
        raise errors.invalid_field("options.requestedPolicyVersion", "must be 0, 1 or 3.")
    policy = _show(await context.store.get_policy(name))
    if request.options.requested_policy_version != _CONDITIONS:
        _hide_conditions(policy)
    return policy


async def set_iam_policy(context: Context, request: Any) -> Any:
    """SetIamPolicy: replaces the policy that carries the same etag; any, without one.

    An update_mask replaces what it names alone.
    """
    name = names.queue("resource", request.resource)
    wanted = policy_pb2.Policy()
    wanted.CopyFrom(request.policy)
    etag, paths = wanted.etag, list(request.update_mask.paths)
    masks.apply(paths, wanted, policy_pb2.Policy())  # refuses paths that lead nowhere
    _check(wanted)

    def change(existing: bytes) -> bytes:
        if etag and etag != _etag(existing):
            raise errors.Aborted(
                "There were concurrent policy changes. Please retry the whole "
                "read-modify-write with exponential backoff."
            )
        policy = policy_pb2.Policy.FromString(existing) if paths else wanted
        masks.apply(paths, wanted, policy)
        policy.ClearField("etag")
        text = bytes(policy.SerializeToString(deterministic=True))
        if len(text) > limits.POLICY_SIZE:
            raise errors.invalid_field(
                "policy", f"must be at most {limits.POLICY_SIZE // 1024} KB."
            )
        return text

    return _show(await context.store.update_policy(name, change))


async def test_iam_permissions(context: Context, request: Any) -> Any:
    """TestIamPermissions: all of them, as nothing is enforced; none on a queue that is missing."""
    name = names.queue("resource", request.resource)
    for permission in request.permissions:
        if not permission.startswith(_PERMISSION) or "*" in permission:
            raise errors.field_error("permissions", f"Permission {permission[:100]} is not valid.")
    response = iam_policy_pb2.TestIamPermissionsResponse()
    try:
        await context.store.get_policy(name)
    except errors.NotFound:
        return response
    response.permissions.extend(dict.fromkeys(request.permissions))
    return response


def _check(policy: Any) -> None:
    if policy.version not in _VERSIONS:
        raise errors.invalid_field("policy.version", "must be 0, 1 or 3.")
    for index, binding in enumerate(policy.bindings):
        if not binding.role:
            raise errors.invalid_field(f"policy.bindings[{index}].role", "is required.")
        if binding.HasField("condition") and policy.version != _CONDITIONS:
            raise errors.field_error(
                "policy.version", "A policy with conditions must have version 3."
            )
        for member in binding.members:
            kind, _, value = member.partition(":")
            if member not in _EVERYONE and not (kind and value):
                raise errors.invalid_field(
                    f"policy.bindings[{index}].members",
                    f'has the invalid member "{member[:100]}".',
                )

    for index, config in enumerate(policy.audit_configs):
        for each in config.audit_log_configs:
            if each.log_type not in _LOG_TYPES:
                raise errors.invalid_field(
                    f"policy.auditConfigs[{index}].auditLogConfigs.logType",
                    f"has the unknown value {each.log_type}.",
                )


_LOG_TYPES = frozenset(policy_pb2.AuditLogConfig.LogType.values())
_EVERYONE = frozenset({"allUsers", "allAuthenticatedUsers"})


def _hide_conditions(policy: Any) -> None:
    """Show a policy to a caller who knows no conditions, as IAM does: under names of no role."""
    for binding in policy.bindings:
        if binding.HasField("condition"):
            text = binding.condition.SerializeToString(deterministic=True)
            binding.role += f"_withcond_{hashlib.sha256(text).hexdigest()[:20]}"
            binding.ClearField("condition")
            policy.version = 1


def _show(stored: bytes) -> Any:
    policy = policy_pb2.Policy.FromString(stored)
    policy.etag = _etag(stored)
    return policy


def _etag(stored: bytes) -> bytes:
    if not stored:
        return _NEVER_SET
    return hashlib.sha256(stored).digest()[:8]
