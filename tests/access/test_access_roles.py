"""Roles, members and bindings."""

import pytest

from drayman.access import bindings, members, roles
from drayman.access.bindings import Binding, Bindings

QUEUE = "projects/p/locations/l/queues/q"

# Copied from the page "Cloud Tasks roles and permissions", cloudtasks.* alone.
PUBLISHED = {
    "roles/cloudtasks.admin": """cmekConfig.get cmekConfig.update locations.get locations.list
        queues.create queues.delete queues.get queues.getIamPolicy queues.list queues.pause
        queues.purge queues.resume queues.setIamPolicy queues.update tasks.create tasks.delete
        tasks.fullView tasks.get tasks.list tasks.run""",
    "roles/cloudtasks.editor": """cmekConfig.get locations.get locations.list queues.create
        queues.delete queues.get queues.list queues.pause queues.purge queues.resume queues.update
        tasks.create tasks.delete tasks.fullView tasks.get tasks.list tasks.run""",
    "roles/cloudtasks.viewer": """cmekConfig.get locations.get locations.list queues.get
        queues.list tasks.fullView tasks.get tasks.list""",
    "roles/cloudtasks.enqueuer": "tasks.create tasks.fullView",
    "roles/cloudtasks.queueAdmin": """locations.get locations.list queues.create queues.delete
        queues.get queues.getIamPolicy queues.list queues.pause queues.purge queues.resume
        queues.setIamPolicy queues.update""",
    "roles/cloudtasks.taskDeleter": "tasks.delete",
    "roles/cloudtasks.taskRunner": "tasks.fullView tasks.run",
}
BASIC = {"owner": "admin", "editor": "editor", "viewer": "viewer"}


def of_cloud_tasks(role):
    """Return the permissions of a role that the page has: those of operations are on no page."""
    return {
        each
        for each in roles.ROLES[role]
        if each.startswith("cloudtasks.") and not each.startswith("cloudtasks.operations.")
    }


@pytest.mark.parametrize("role", PUBLISHED)
def test_the_roles_of_cloud_tasks_have_the_published_permissions(role):
    assert of_cloud_tasks(role) == {f"cloudtasks.{each}" for each in PUBLISHED[role].split()}


@pytest.mark.parametrize(("basic", "predefined"), BASIC.items())
def test_the_basic_roles_have_those_of_the_predefined_ones(basic, predefined):
    role = f"roles/cloudtasks.{predefined}"
    assert of_cloud_tasks(f"roles/{basic}") == of_cloud_tasks(role)


def test_roles_of_cloud_tasks_grant_nothing_else():
    for role in PUBLISHED:
        assert all(each.startswith("cloudtasks.") for each in roles.ROLES[role])


def test_an_unknown_role_grants_nothing():
    assert roles.permissions(["roles/storage.admin", "projects/p/roles/mine"]) == set()


@pytest.mark.parametrize(
    "member",
    [
        "user:ann@example.com", "serviceAccount:web@example.com", "domain:example.com", "allUsers",
        "allAuthenticatedUsers", "principal://issuer.example/path/subject/system:sa:ns:name",
    ],
)  # fmt: skip
def test_members_that_are_supported(member):
    assert members.check(member) == member


@pytest.mark.parametrize(
    "member",
    ["", "ann@example.com", "user:", "user:ann", "group:team@example.com", "deleted:user:a@b?uid=1",
     "domain:a@b", "principalSet://x/y", "allusers", "user:a@b c"],
)  # fmt: skip
def test_members_that_would_never_match_are_refused(member):
    with pytest.raises(ValueError, match="is not a member; allowed: user:EMAIL"):
        members.check(member)


def test_a_domain_has_its_users_and_no_service_accounts_of_google():
    assert members.of_email("ann@example.com") == {"user:ann@example.com", "domain:example.com"}
    account = "web@p.iam.gserviceaccount.com"
    assert members.of_email(account) == {f"serviceAccount:{account}"}


def test_a_resource_lies_in_its_project_location_and_queue():
    assert list(bindings.enclosing(f"{QUEUE}/tasks/1/extra")) == [
        "projects/p", "projects/p/locations/l", QUEUE,
    ]  # fmt: skip
    assert list(bindings.enclosing("projects/p/locations/l/cmekConfig")) == [
        "projects/p", "projects/p/locations/l",
    ]  # fmt: skip
    assert list(bindings.enclosing("projects/p")) == ["projects/p"]


@pytest.mark.parametrize(
    ("name", "queue"),
    [
        (QUEUE, QUEUE),
        (f"{QUEUE}/tasks/t", QUEUE),
        ("projects/p/locations/l/queues", None),
        ("projects/p/locations/l/operations/o", None),
        ("projects/p", None),
    ],
)
def test_the_queue_of_a_resource(name, queue):
    assert bindings.queue_of(name) == queue


def test_a_binding_holds_on_its_resource_and_below_for_its_members_alone():
    ann, bob = frozenset({"user:ann"}), frozenset({"user:bob"})
    held = Bindings([Binding("roles/cloudtasks.taskRunner", ann, "projects/p/locations/l")])
    run = "cloudtasks.tasks.run"
    assert held.hold(ann, run, bindings.enclosing(QUEUE))
    assert not held.hold(bob, run, bindings.enclosing(QUEUE))
    assert not held.hold(ann, "cloudtasks.tasks.create", bindings.enclosing(QUEUE))
    assert not held.hold(ann, run, bindings.enclosing("projects/p"))
    assert not held.hold(ann, run, bindings.enclosing("projects/p/locations/l2/queues/q"))


@pytest.mark.parametrize(
    ("email", "resources"),
    [
        ("web@p.iam.gserviceaccount.com", {"projects/p"}),
        ("p@appspot.gserviceaccount.com", {"projects/p"}),
        ("web@other.iam.gserviceaccount.com", set()),
        ("web@example.com", set()),
    ],
)
def test_a_project_is_a_place_for_its_own_service_accounts_alone(email, resources):
    own = f"projects/-/serviceAccounts/{email}"
    assert set(bindings.account_resources(email, "projects/p")) == resources | {own}
