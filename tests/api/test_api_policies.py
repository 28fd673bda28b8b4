"""Access policies, through Google's own client (recorded: IAM of queues)."""

import pytest
import requests
from google.iam.v1 import policy_pb2

from error_details import details_of

ROLE = "roles/cloudtasks.enqueuer"
MISSING = (
    "Queue does not exist. If you just created the queue, wait at least a minute for the queue to "
    "initialize."
)
CHANGED = (
    "There were concurrent policy changes. Please retry the whole read-modify-write with "
    "exponential backoff. The request's ETag "
)


def policy(*members, **fields):
    binding = policy_pb2.Binding(role=ROLE, members=members)
    return policy_pb2.Policy(bindings=[binding], **fields)


def set_policy(client, queue, new_policy):
    return client.set_iam_policy(request={"resource": queue, "policy": new_policy})


def test_a_queue_has_an_empty_policy_until_one_is_set(client, queue):
    empty = client.get_iam_policy(request={"resource": queue})
    assert empty == policy_pb2.Policy(etag=b"\x00\x20\x01")  # as JSON: "ACAB"
    stored = set_policy(client, queue, policy("user:a@b"))
    assert stored == policy("user:a@b", version=1, etag=stored.etag)
    assert client.get_iam_policy(resource=queue) == stored


def test_a_policy_that_was_never_set_is_an_etag_alone_over_rest(server, queue):
    response = requests.post(f"{server.url}/v2/{queue}:getIamPolicy", b"", timeout=20)
    assert response.text == '{\n  "etag": "ACAB"\n}\n'


def test_each_change_has_an_etag_of_its_own_even_without_a_difference(client, queue):
    policies = [client.get_iam_policy(resource=queue)]
    policies.extend(set_policy(client, queue, policy("user:a@b")) for _ in range(3))
    policies.append(set_policy(client, queue, policy("allUsers")))
    policies.append(set_policy(client, queue, policy("user:a@b")))
    assert len({each.etag for each in policies}) == len(policies)


def test_without_a_policy_the_bindings_are_removed(client, queue):
    set_policy(client, queue, policy("user:a@b"))
    emptied = client.set_iam_policy(request={"resource": queue})
    assert emptied == policy_pb2.Policy(version=1, etag=emptied.etag)
    assert client.get_iam_policy(resource=queue) == emptied


def test_a_policy_that_changed_meanwhile_is_not_overwritten(client, queue, refused):
    read = client.get_iam_policy(resource=queue)
    set_policy(client, queue, policy("user:a@b", etag=read.etag))
    new = policy("user:c@d", etag=read.etag)
    error = refused("ABORTED", None, set_policy, client, queue, new)
    assert error.message.partition(CHANGED)[2].startswith(
        r"'\000 \001' did not match the current policy's ETag '"
    )
    assert details_of(error) == []
    again = client.get_iam_policy(resource=queue)
    assert set_policy(client, queue, policy("user:c@d", etag=again.etag)).bindings[0].members == [
        "user:c@d"
    ]
    assert set_policy(client, queue, policy("allUsers")).bindings[0].members == ["allUsers"]


def test_an_etag_is_quoted_as_a_string_of_c(client, queue, refused):
    new = policy("user:a@b", etag=b"a~\x7f\xff\n\r\t\"'\\")
    error = refused("ABORTED", None, set_policy, client, queue, new)
    assert CHANGED + r"""'a~\177\377\n\r\t\"\'\\' did not match""" in error.message


def member_error(member):
    return (
        f"The member {member} is of an unknown type. Please set a valid type prefix for the member."
    )


ROLE_ERROR = (
    'The role name must be in the form "roles/{role}", '
    '"organizations/{organization_id}/roles/{role}", or "projects/{project_id}/roles/{role}".'
)
CONDITION = {"expression": "true", "title": "t"}


def version_error(version):
    return (
        f"Specified policy version ({version}) is not supported. For more information, please "
        "refer to https://cloud.google.com/iam/help/allow-policies/versions."
    )


def bound(**binding):
    return policy_pb2.Policy(bindings=[{"role": ROLE, "members": ["user:a@b"]} | binding])


INVALID = [
    (bound(role="viewer"), ROLE_ERROR),
    (bound(role=""), ROLE_ERROR),
    (bound(role="roles/"), ROLE_ERROR),
    (bound(role="folders/f/roles/r"), ROLE_ERROR),
    (policy("nobody"), member_error("nobody")),
    (policy("user:a@b", "robot:x@example.com"), member_error("robot:x@example.com")),
    (policy("user:"), member_error("user:")),
    (policy("User:a@b"), member_error("User:a@b")),
    (policy(""), member_error("")),
    (policy_pb2.Policy(
        version=3, bindings=[{"role": ROLE, "members": ["user:a"], "condition": CONDITION}]),
     "Can't set conditional policy on this resource"),
    (bound(condition=CONDITION), "Can't set conditional policy on this resource"),
    (policy("user:a@b", version=4), version_error(4)),
    (policy("user:a@b", version=2), version_error(2)),
    (policy("user:a@b", version=-1), version_error(-1)),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "message"), INVALID)
def test_an_invalid_policy_is_refused(client, queue, refused, wrong, message):
    error = refused("INVALID_ARGUMENT", message, set_policy, client, queue, wrong)
    assert details_of(error) == []


def test_an_unknown_log_type_is_refused(clients, queue, refused):
    wrong = policy_pb2.Policy(
        audit_configs=[{"service": "s", "audit_log_configs": [{"log_type": 9}]}]
    )
    message = "policy.auditConfigs[0].auditLogConfigs.logType has the unknown value 9."
    refused("INVALID_ARGUMENT", message, set_policy, clients["grpc"], queue, wrong)


@pytest.mark.parametrize(
    "role", ["roles/viewer", "organizations/1/roles/custom", "projects/p/roles/custom"]
)
@pytest.mark.parametrize(
    "member",
    [
        "allUsers", "allAuthenticatedUsers", "user:a@b", "serviceAccount:a@b", "group:a@b",
        "domain:example.com", "deleted:user:a@b?uid=1", "projectOwner:p",
        "principal://iam.googleapis.com/projects/1/x", "principalSet://iam.googleapis.com/x",
    ],
)  # fmt: skip
def test_roles_and_members_of_iam_are_accepted(clients, queue, role, member):
    new = bound(role=role, members=[member])
    assert set_policy(clients["grpc"], queue, new).bindings == new.bindings


def test_a_policy_is_bounded(client, queue, refused):
    set_policy(client, queue, policy(*(f"user:{number:05}@example.com" for number in range(2_500))))
    many = policy(*(f"user:{number:05}@example.com" for number in range(3_500)))
    refused("INVALID_ARGUMENT", "policy must be at most 64 KB.", set_policy, client, queue, many)


def test_any_known_version_can_be_requested(client, queue, refused):
    stored = set_policy(client, queue, policy("user:a@b", version=3))
    assert stored.version == 1
    for version in (0, 1, 3):
        options = {"requested_policy_version": version}
        assert client.get_iam_policy(request={"resource": queue, "options": options}) == stored
    request = {"resource": queue, "options": {"requested_policy_version": 2}}
    refused("INVALID_ARGUMENT", version_error(2), client.get_iam_policy, request=request)


def test_a_mask_limits_what_is_replaced(client, queue, refused):
    audit = [{"service": "cloudtasks.googleapis.com"}]
    set_policy(client, queue, policy("user:a@b"))
    request = {
        "resource": queue,
        "policy": policy("user:c@d", audit_configs=audit),
        "update_mask": {"paths": ["audit_configs"]},
    }
    stored = client.set_iam_policy(request=request)
    assert stored.audit_configs[0].service == audit[0]["service"]
    assert stored.bindings[0].members == ["user:a@b"]
    request["update_mask"] = {"paths": ["nothing"]}
    refused("INVALID_ARGUMENT", "Invalid mask: nothing", client.set_iam_policy, request=request)


def test_a_policy_of_a_missing_queue_is_not_found(client, location, refused):
    """Also where the request is wrong (recorded for TestIamPermissions)."""
    name = f"{location}/queues/none"
    refused("NOT_FOUND", MISSING, client.get_iam_policy, resource=name)
    refused("NOT_FOUND", MISSING, set_policy, client, name, policy("user:a@b"))
    refused("NOT_FOUND", MISSING, set_policy, client, name, policy("nobody"))
    refused("NOT_FOUND", MISSING, client.test_iam_permissions, resource=name, permissions=[])


def permissions(*names):
    return [f"cloudtasks.{name}" for name in names]


def test_permissions_are_granted_sorted_while_nothing_is_enforced(client, queue):
    asked = permissions("tasks.run", "queues.get", "tasks.run", "queues.setIamPolicy")
    granted = client.test_iam_permissions(resource=queue, permissions=asked)
    assert list(granted.permissions) == permissions(
        "queues.get", "queues.setIamPolicy", "tasks.run", "tasks.run"
    )


INVALID_PERMISSIONS = [
    ([], "At least one permission must be specified."),
    *(
        ([wrong], f"The permission {wrong} is invalid.")
        for wrong in ("foo", "cloudtasks.queues.", "cloudtasks.*", "", "a.b", "cloudtasks.a.b",
                      "queues.get", "storage.objects.*")
    ),
    *(
        ([wrong], f"Permission {wrong} is not valid for this resource.")
        for wrong in ("storage.objects.get", "cloudtasks.queues.create", "cloudtasks.queues.list")
    ),
    (["cloudtasks.queues.get", "storage.objects.get", "foo"],
     "Permission storage.objects.get is not valid for this resource."),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "message"), INVALID_PERMISSIONS)
def test_the_first_permission_that_is_none_on_queues_is_named(
    client, queue, refused, asked, message
):
    error = refused(
        "INVALID_ARGUMENT", message, client.test_iam_permissions, resource=queue, permissions=asked
    )
    assert details_of(error) == []
