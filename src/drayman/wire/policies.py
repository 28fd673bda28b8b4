"""IAM policies of queues, and the permissions on queues, with their rules (recorded).

A policy is never enforced; it is refused where the real service refuses it.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from google.iam.v1 import policy_pb2

from drayman.core import errors, limits

NEVER_SET = b"\x00\x20\x01"
"""The etag of a policy that was never set; in JSON "ACAB", as on every Google service."""
VERSION = 1
"""The version of every policy that was set: only version 3 could have conditions."""
_VERSIONS = frozenset({0, 1, 3})

_ROLE = re.compile(r"((organizations|projects)/[^/]+/)?roles/[^/]+")
_EVERYONE = frozenset({"allUsers", "allAuthenticatedUsers"})
_TYPES = frozenset({
    "user", "serviceAccount", "group", "domain", "principal", "principalSet", "deleted",
    "projectOwner", "projectEditor", "projectViewer",
})  # fmt: skip
"""The types of members, which stand before a colon (IAM, principal identifiers)."""
_LOG_TYPES = frozenset(policy_pb2.AuditLogConfig.LogType.values())

_PERMISSION = re.compile(r"[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*){2}")
_ON_QUEUES = frozenset({
    "queues.delete", "queues.get", "queues.getIamPolicy", "queues.pause", "queues.purge",
    "queues.resume", "queues.setIamPolicy", "queues.update", "tasks.create", "tasks.delete",
    "tasks.fullView", "tasks.get", "tasks.list", "tasks.run",
})  # fmt: skip
"""The permissions on a queue, without the name of the service (IAM, permissions reference)."""
_ON_LOCATIONS = frozenset({
    "cmekConfig.get", "cmekConfig.update", "locations.get", "locations.list", "operations.get",
    "queues.create", "queues.list",
})  # fmt: skip
"""The other permissions of the service."""


def check_version(version: int) -> None:
    """Check the version of a policy."""
    if version not in _VERSIONS:
        raise errors.InvalidArgument(
            f"Specified policy version ({version}) is not supported. For more information, please "
            "refer to https://cloud.google.com/iam/help/allow-policies/versions."
        )


def check(policy: Any) -> None:
    """Check a policy; the first part that breaks its rule raises InvalidArgument."""
    check_version(policy.version)
    for binding in policy.bindings:
        _check_binding(binding)
    for index, audit_config in enumerate(policy.audit_configs):  # ours
        for log_config in audit_config.audit_log_configs:
            if log_config.log_type not in _LOG_TYPES:
                raise errors.invalid_field(
                    f"policy.auditConfigs[{index}].auditLogConfigs.logType",
                    f"has the unknown value {log_config.log_type}.",
                )


def _check_binding(binding: Any) -> None:
    if not _ROLE.fullmatch(binding.role):
        raise errors.InvalidArgument(
            'The role name must be in the form "roles/{role}", "organizations/{organization_id}/'
            'roles/{role}", or "projects/{project_id}/roles/{role}".'
        )
    for member in binding.members:
        if not _is_member(member):
            raise errors.InvalidArgument(
                f"The member {member[:200]} is of an unknown type. "
                "Please set a valid type prefix for the member."
            )
    if binding.HasField("condition"):
        raise errors.InvalidArgument("Can't set conditional policy on this resource")


def _is_member(member: str) -> bool:
    kind, _, value = member.partition(":")
    return member in _EVERYONE or (kind in _TYPES and bool(value))


def check_permissions(permissions: Sequence[str]) -> None:
    """Check the permissions that TestIamPermissions asks for; the first wrong one is named."""
    if not permissions:
        raise errors.InvalidArgument("At least one permission must be specified.")
    for permission in permissions:
        _check_permission(permission)


def _check_permission(permission: str) -> None:
    service, _, name = permission.partition(".")
    if service != "cloudtasks":  # any permission of the right form may be one of another service
        exists = _PERMISSION.fullmatch(permission) is not None
    elif name in _ON_QUEUES:
        return
    else:
        exists = name in _ON_LOCATIONS
    if exists:
        raise errors.InvalidArgument(
            f"Permission {permission[:200]} is not valid for this resource."
        )
    raise errors.InvalidArgument(f"The permission {permission[:200]} is invalid.")


def render(stored: bytes) -> Any:
    """Return the message of a stored policy; empty bytes are one that was never set."""
    return policy_pb2.Policy.FromString(stored) if stored else policy_pb2.Policy(etag=NEVER_SET)


def replace(stored: bytes, policy: Any) -> bytes:
    """Return a checked policy as it is stored in place of another, with a new etag.

    Raises:
        Aborted: The policy has an etag, which is not that of the stored policy.
        InvalidArgument: The policy is too large.
    """
    current = render(stored).etag
    if policy.etag and policy.etag != current:
        raise errors.Aborted(
            "There were concurrent policy changes. Please retry the whole read-modify-write with "
            f"exponential backoff. The request's ETag '{_escape(policy.etag[:100])}' did not match "
            f"the current policy's ETag '{_escape(current)}'."
        )
    new = policy_pb2.Policy()
    new.CopyFrom(policy)
    new.version = VERSION
    content = new.SerializeToString(deterministic=True)
    # An etag is never that of the policy before, even if the two are equal.
    new.etag = hashlib.sha256(stored + content).digest()[:8]
    text = bytes(new.SerializeToString(deterministic=True))
    if len(text) > limits.POLICY_SIZE:
        raise errors.invalid_field("policy", f"must be at most {limits.POLICY_SIZE // 1024} KB.")
    return text


_ESCAPES = {
    each: f"\\{letter}"
    for each, letter in zip(b"\n\r\t\"'\\", ("n", "r", "t", '"', "'", "\\"), strict=True)
}
_PRINTABLE = range(0x20, 0x7F)


def _escape(value: bytes) -> str:
    """Return bytes as a string of C, unprintable ones as octal numbers."""
    return "".join(
        _ESCAPES.get(each) or (chr(each) if each in _PRINTABLE else f"\\{each:03o}")
        for each in value
    )
