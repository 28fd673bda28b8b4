"""``drayman queues`` (gcloud 528: ``gcloud tasks queues``)."""

import json

import pytest
import yaml
from command_line import LOCATION, PARENT

from drayman import cli
from drayman.commands import queue_options

HEAD = "QUEUE_NAME  STATE   MAX_NUM_OF_TASKS  MAX_RATE (/sec)  MAX_ATTEMPTS"


def described(drayman, queue):
    return json.loads(drayman("queues", "describe", queue, "--format", "json").out)


def test_a_queue_is_created_with_the_settings_of_its_options(drayman, queue_id):
    run = drayman(
        "queues", "create", queue_id, "--max-attempts=5", "--min-backoff=1s", "--max-backoff=2m",
        "--max-retry-duration=1h", "--max-doublings=3", "--max-dispatches-per-second=2.5",
        "--max-concurrent-dispatches=7", "--log-sampling-ratio=0.5",
        "--routing-override=service:a,version:b",
        "--http-uri-override=scheme:https,host:x.example,port:81,path:/p,query:a=b,mode:IF_NOT_EXISTS",
        "--http-method-override=put", "--http-header-override=X-A: b,c",
        "--http-oidc-service-account-email-override=a@x.example",
        "--http-oidc-token-audience-override=https://x.example",
    )  # fmt: skip
    assert (run.status, run.out, run.err) == (0, "", f"Created queue [{LOCATION}/{queue_id}].\n")
    created = described(drayman, queue_id)
    assert created == {
        "name": f"{PARENT}/queues/{queue_id}",
        "state": "RUNNING",
        "rateLimits": {
            "maxDispatchesPerSecond": 2.5, "maxBurstSize": 10, "maxConcurrentDispatches": 7,
        },
        "retryConfig": {
            "maxAttempts": 5, "maxRetryDuration": "3600s", "minBackoff": "1s", "maxBackoff": "120s",
            "maxDoublings": 3,
        },
        "stackdriverLoggingConfig": {"samplingRatio": 0.5},
        "appEngineRoutingOverride": created["appEngineRoutingOverride"],
        "httpTarget": {
            "uriOverride": {
                "scheme": "HTTPS", "host": "x.example", "port": "81",
                "pathOverride": {"path": "/p"}, "queryOverride": {"queryParams": "a=b"},
                "uriOverrideEnforceMode": "IF_NOT_EXISTS",
            },
            "httpMethod": "PUT",
            "headerOverrides": [{"header": {"key": "X-A", "value": "b,c"}}],
            "oidcToken": {"serviceAccountEmail": "a@x.example", "audience": "https://x.example"},
        },
    }  # fmt: skip
    assert created["appEngineRoutingOverride"].items() >= {"service": "a", "version": "b"}.items()


def test_an_oauth_token_is_an_option_too(drayman, queue_id):
    drayman(
        "queues", "create", queue_id, "--http-oauth-service-account-email-override=a@x.example",
        "--http-oauth-token-scope-override=scope",
    )  # fmt: skip
    token = {"serviceAccountEmail": "a@x.example", "scope": "scope"}
    assert described(drayman, queue_id)["httpTarget"] == {"oauthToken": token}


def test_json_is_that_of_the_rest_api(drayman, server, queue):
    _, over_rest = server.request("GET", f"/v2/{PARENT}/queues/{queue}")
    assert described(drayman, queue) == over_rest


def test_a_queue_is_shown_as_yaml_by_default(drayman, queue):
    assert yaml.safe_load(drayman("queues", "describe", queue).out) == described(drayman, queue)


def test_queues_are_listed_as_a_table(drayman, queue):
    head, *rows = drayman("queues", "list", "--filter", f"name: {queue}").lines
    assert head.startswith(HEAD)
    assert [row.split()[:5] for row in rows] == [[queue, "PAUSED", "1000", "500.0", "100"]]


@pytest.mark.parametrize("limit", [1, 2])
def test_a_list_ends_at_its_limit(drayman, queue, limit):
    for index in range(3):
        drayman("queues", "create", f"{queue}-{index}")
    run = drayman(
        "queues", "list", "--limit", limit, "--page-size", 1, "--filter", f"name: {queue}-",
        "--format", "value(name.basename(), rateLimits.maxBurstSize, absent)",
    )  # fmt: skip
    assert run.lines == [f"{queue}-{index}\t100\t" for index in range(limit)]


def test_queues_of_a_location_without_any_are_an_empty_list(drayman):
    table = drayman("queues", "list", "--location", "nowhere")
    assert (table.status, table.out, table.err) == (0, "", "Listed 0 items.\n")
    assert drayman("queues", "list", "--location", "nowhere", "--format", "json").out == "[]\n"


def test_a_list_is_valid_json_and_yaml(drayman, queue):
    arguments = ("queues", "list", "--filter", f"name: {queue}", "--format")
    assert json.loads(drayman(*arguments, "json").out) == [described(drayman, queue)]
    assert [*yaml.safe_load_all(drayman(*arguments, "yaml").out)] == [described(drayman, queue)]


def test_an_update_changes_what_is_given_and_clears_what_is_cleared(drayman, queue):
    drayman("queues", "update", queue, "--max-attempts=7", "--min-backoff=9s")
    before = described(drayman, queue)
    run = drayman(
        "queues", "update", queue, "--clear-min-backoff", "--max-attempts=unlimited",
        "--format", "value(name)",
    )  # fmt: skip
    assert (run.status, run.out) == (0, f"{PARENT}/queues/{queue}\n")
    assert run.err == f"Updated queue [{LOCATION}/{queue}].\n"
    retries = before["retryConfig"] | {"maxAttempts": -1, "minBackoff": "0.100s"}
    assert described(drayman, queue) == before | {"retryConfig": retries}
    table = drayman("queues", "list", "--filter", f"name: {queue}").lines
    assert table[1].split()[4] == "unlimited"


def test_each_setting_of_a_queue_can_be_cleared():
    update = cli.command().commands["queues"].commands["update"]
    flags = {flag for param in update.params for flag in param.opts}
    for setting in queue_options.SETTINGS:
        assert {setting.flag, setting.flag.replace("--", "--clear-", 1)} <= flags


def test_an_update_needs_a_field(drayman, queue):
    run = drayman("queues", "update", queue)
    assert run.status == 2
    assert "Must specify at least one field to update." in run.err


def test_a_setting_is_not_changed_and_cleared_at_once(drayman, queue):
    run = drayman("queues", "update", queue, "--max-attempts=1", "--clear-max-attempts")
    assert run.status == 2
    assert "give --max-attempts or --clear-max-attempts, not both" in run.err


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("--max-attempts=0", "must be a whole number from 1, or unlimited"),
        ("--min-backoff=soon", "must be a duration such as 500ms, 30s, 5m, 24h or 3d"),
        (
            "--routing-override=zone:a",
            "must be KEY:VALUE,… with keys of service, version, instance",
        ),
        ("--http-uri-override=host", "must be KEY:VALUE,… with keys of scheme, host, port"),
        ("--http-header-override=X", 'must be "NAME: VALUE"'),
        ("--format=xml", "must be json, yaml, table or value(FIELD, …)"),
        ("--http-uri-override=host:x.example,mode:NEVER", "NEVER"),
    ],
)
def test_a_wrong_value_is_an_error_of_usage_that_names_the_option(
    drayman, queue_id, option, problem
):
    run = drayman("queues", "create", queue_id, option)
    assert run.status == 2
    assert problem in run.err


def test_a_queue_is_paused_and_resumed(drayman, queue):
    assert described(drayman, queue)["state"] == "PAUSED"
    assert drayman("queues", "resume", queue).err == f"Resumed queue [{LOCATION}/{queue}].\n"
    assert described(drayman, queue)["state"] == "RUNNING"
    assert drayman("queues", "pause", queue).err == f"Paused queue [{LOCATION}/{queue}].\n"


@pytest.mark.parametrize("prefix", ["", "https://cloudtasks.googleapis.com/v2/"])
def test_a_queue_may_be_given_by_its_full_name(drayman, queue, prefix, monkeypatch):
    monkeypatch.delenv("DRAYMAN_DEFAULT_PROJECT")
    monkeypatch.delenv("DRAYMAN_DEFAULT_LOCATION")
    run = drayman("queues", "describe", f"{prefix}{PARENT}/queues/{queue}", "--format", "json")
    assert json.loads(run.out)["name"] == f"{PARENT}/queues/{queue}"


def test_a_purge_deletes_all_tasks_after_a_question(drayman, queue):
    drayman("tasks", "create-http-task", "t", "--queue", queue, "--url", "http://localhost:9/")
    run = drayman("queues", "purge", queue, stdin=b"what\ny\n")
    assert run.status == 0
    assert f"Are you sure you want to purge: [{LOCATION}/{queue}]" in run.err
    assert "Please enter 'y' or 'n':" in run.err
    assert run.err.endswith(f"Purged queue [{LOCATION}/{queue}].\n")
    assert "purgeTime" in described(drayman, queue)


@pytest.mark.parametrize("answer", [b"n\n", b"No\n"])
def test_what_is_answered_by_no_is_not_done(drayman, queue, answer):
    for verb in ("purge", "delete"):
        run = drayman("queues", verb, queue, stdin=answer)
        assert run.status == 1
        assert run.err.endswith("drayman: aborted by user\n")
    assert "purgeTime" not in described(drayman, queue)


@pytest.mark.parametrize("stdin", [b"", b"\n"], ids=["end of input", "Enter"])
def test_enter_and_the_end_of_input_mean_yes_as_with_gcloud(drayman, queue, stdin):
    assert drayman("queues", "delete", queue, stdin=stdin).status == 0
    assert drayman("queues", "describe", queue).status == 1


@pytest.mark.parametrize("option", ["-q", "--quiet"])
def test_quiet_asks_nothing(drayman, queue, option):
    run = drayman("queues", "delete", queue, option, stdin=b"n\n")
    assert (run.status, run.err) == (0, f"Deleted queue [{LOCATION}/{queue}].\n")


def test_members_get_and_lose_roles_on_a_queue(drayman, queue):
    role, member = "roles/cloudtasks.viewer", "user:ada@example.com"
    options = ("--member", member, "--role", role, "--format", "json")
    for _ in range(2):  # the second time, nothing changes
        run = drayman("queues", "add-iam-policy-binding", queue, *options)
        assert run.err == f"Updated IAM policy for queue [{queue}].\n"
        assert json.loads(run.out)["bindings"] == [{"role": role, "members": [member]}]
    drayman("queues", "add-iam-policy-binding", queue, "--member=user:b@example.com", *options[2:])
    assert drayman("queues", "remove-iam-policy-binding", queue, *options).status == 0
    policy = yaml.safe_load(drayman("queues", "get-iam-policy", queue).out)
    assert policy["bindings"] == [{"role": role, "members": ["user:b@example.com"]}]
    drayman(
        "queues", "remove-iam-policy-binding", queue, "--member=user:b@example.com", *options[2:]
    )
    again = drayman("queues", "remove-iam-policy-binding", queue, *options)
    assert again.status == 1
    assert again.err == f"drayman: the policy has no binding of {role} to {member}\n"


def test_a_policy_is_set_from_a_file(drayman, queue, tmp_path):
    bindings = [{"role": "roles/owner", "members": ["user:ada@example.com"]}]
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump({"bindings": bindings}))
    run = drayman("queues", "set-iam-policy", queue, file, "--format", "json")
    assert json.loads(run.out)["bindings"] == bindings
    file.write_text("bindings: 1")
    assert drayman("queues", "set-iam-policy", queue, file).status == 2
    file.write_text("{")
    assert "cannot be read" in drayman("queues", "set-iam-policy", queue, file).err


def test_the_locations_of_a_server_are_listed(drayman, queue):  # noqa: ARG001 - it has a location
    head, *rows = drayman("locations", "list").lines
    assert head.split() == ["NAME", "FULL_NAME"]
    assert [LOCATION, PARENT] in [row.split() for row in rows]
