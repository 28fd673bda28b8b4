"""Access policies, through Google's own client."""

import pytest
from google.iam.v1 import policy_pb2

ROLE = "roles/cloudtasks.enqueuer"


def policy(*members, **fields):
    binding = policy_pb2.Binding(role=ROLE, members=members)
    return policy_pb2.Policy(bindings=[binding], **fields)


def set_policy(client, queue, new_policy):
    return client.set_iam_policy(request={"resource": queue, "policy": new_policy})


def test_a_queue_has_an_empty_policy_until_one_is_set(client, queue):
    empty = client.get_iam_policy(request={"resource": queue})
    assert not empty.bindings
    assert empty.etag == b"\x00\x20\x01"  # as JSON: "ACAB"
    stored = set_policy(client, queue, policy("user:a@b"))
    assert stored.bindings == policy("user:a@b").bindings
    assert stored.etag != empty.etag
    assert client.get_iam_policy(resource=queue) == stored


def test_a_policy_that_changed_meanwhile_is_not_overwritten(client, queue, refused):
    read = client.get_iam_policy(resource=queue)
    set_policy(client, queue, policy("user:a@b", etag=read.etag))
    message = (
        "There were concurrent policy changes. Please retry the whole read-modify-write with "
        "exponential backoff."
    )
    refused("ABORTED", message, set_policy, client, queue, policy("user:c@d", etag=read.etag))
    again = client.get_iam_policy(resource=queue)
    assert set_policy(client, queue, policy("user:c@d", etag=again.etag)).bindings[0].members == [
        "user:c@d"
    ]
    assert set_policy(client, queue, policy("allUsers")).bindings[0].members == ["allUsers"]


def test_permissions_are_granted_while_nothing_is_enforced(client, queue, refused):
    permissions = ["cloudtasks.tasks.create", "cloudtasks.queues.get"]
    granted = client.test_iam_permissions(resource=queue, permissions=permissions)
    assert list(granted.permissions) == permissions
    missing = client.test_iam_permissions(resource=f"{queue}2", permissions=permissions)
    assert list(missing.permissions) == []
    for wrong in ("storage.objects.get", "cloudtasks.*", ""):
        refused(
            "INVALID_ARGUMENT",
            f"Permission {wrong} is not valid.",
            client.test_iam_permissions,
            resource=queue,
            permissions=[wrong],
        )


@pytest.mark.parametrize(
    "wrong",
    [
        policy("nobody"),
        policy("user:"),
        policy_pb2.Policy(bindings=[policy_pb2.Binding(members=["user:a@b"])]),
        policy("user:a@b", version=2),
        policy_pb2.Policy(
            audit_configs=[{"service": "s", "audit_log_configs": [{"log_type": 9}]}],
        ),
        policy_pb2.Policy(
            version=1,
            bindings=[{"role": ROLE, "members": ["user:a"], "condition": {"expression": "true"}}],
        ),
    ],
)
def test_an_invalid_policy_is_refused(client, queue, wrong, refused):
    refused("INVALID_ARGUMENT", None, set_policy, client, queue, wrong)


def test_a_policy_is_bounded(client, queue, refused):
    set_policy(client, queue, policy(*(f"user:{number:05}@example.com" for number in range(2_500))))
    many = policy(*(f"user:{number:05}@example.com" for number in range(3_500)))
    refused("INVALID_ARGUMENT", "policy must be at most 64 KB.", set_policy, client, queue, many)


def test_conditions_are_returned_for_version_3_only(client, queue):
    condition = {"expression": "true", "title": "t"}
    conditional = policy_pb2.Policy(
        version=3,
        bindings=[
            {"role": ROLE, "members": ["user:a@b"], "condition": condition},
            {"role": ROLE, "members": ["user:c@d"]},
        ],
    )
    stored = set_policy(client, queue, conditional)
    for version in (0, 1):
        options = {"requested_policy_version": version}
        shown = client.get_iam_policy(request={"resource": queue, "options": options})
        assert (shown.version, shown.etag) == (1, stored.etag)
        assert shown.bindings[0].role.startswith(f"{ROLE}_withcond_")
        assert not any(each.HasField("condition") for each in shown.bindings)
        assert shown.bindings[1] == conditional.bindings[1]
    options = {"requested_policy_version": 3}
    assert client.get_iam_policy(request={"resource": queue, "options": options}) == stored


def test_a_policy_of_a_missing_queue_is_not_found(client, location, refused):
    name = f"{location}/queues/none"
    refused("NOT_FOUND", None, client.get_iam_policy, resource=name)
    refused("NOT_FOUND", None, set_policy, client, name, policy("user:a@b"))


def test_a_mask_limits_what_is_replaced(client, queue, refused):
    set_policy(client, queue, policy("user:a@b", version=1))
    request = {
        "resource": queue,
        "policy": policy("user:c@d", version=3),
        "update_mask": {"paths": ["version"]},
    }
    stored = client.set_iam_policy(request=request)
    assert (stored.version, stored.bindings[0].members) == (3, ["user:a@b"])
    request["update_mask"] = {"paths": ["nothing"]}
    message = "Invalid mask: nothing"
    refused("INVALID_ARGUMENT", message, client.set_iam_policy, request=request)
