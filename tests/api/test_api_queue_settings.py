"""Settings of queues as the real service answers them (recorded: defaults, http_target, masks)."""

import pytest
from google.cloud import tasks_v2
from google.protobuf.duration_pb2 import Duration

from error_details import details_of


def create(client, location, **settings):
    queue = {"name": f"{location}/queues/q", **settings}
    created = client.create_queue(parent=location, queue=queue)
    assert client.get_queue(name=queue["name"]) == created
    return created


def duration(seconds, nanos=0):
    return Duration(seconds=seconds, nanos=nanos)


def retry_config(**fields):
    """Return the message with all defaults and some fields that differ from them."""
    return tasks_v2.RetryConfig(
        {
            "max_attempts": 100,
            "min_backoff": duration(0, 100_000_000),
            "max_backoff": duration(3600),
            "max_doublings": 16,
        }
        | fields
    )


def rate_limits(rate=500, burst=100, concurrency=1000):
    return tasks_v2.RateLimits(
        max_dispatches_per_second=rate, max_burst_size=burst, max_concurrent_dispatches=concurrency
    )


RATES = [(0.5, 10), (2, 10), (10, 10), (54, 10), (77, 15), (100, 20), (333, 66), (500, 100), (0, 0)]


@pytest.mark.parametrize(("rate", "burst"), RATES)
def test_the_burst_follows_from_the_rate(client, location, rate, burst):
    """Recorded: defaults and normalisation."""
    limits = {"max_dispatches_per_second": rate, "max_burst_size": 7}
    expected = rate_limits(rate, burst) if rate else rate_limits()
    assert create(client, location, rate_limits=limits).rate_limits == expected


RETRIES = [
    ({}, {}),
    ({"max_attempts": -1}, {"max_attempts": -1}),
    ({"max_attempts": 0, "max_doublings": 0}, {}),
    ({"max_retry_duration": duration(0), "min_backoff": duration(0), "max_backoff": duration(0)},
     {}),
    ({"min_backoff": duration(1, 234_567_891)}, {"min_backoff": duration(1, 234_567_891)}),
    ({"max_backoff": duration(7, 1)}, {"max_backoff": duration(7, 1)}),
    ({"max_retry_duration": duration(30)}, {"max_retry_duration": duration(30)}),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "changed"), RETRIES)
def test_a_retry_policy_is_answered_with_its_defaults(client, location, fields, changed):
    """Recorded: defaults and normalisation."""
    queue = create(client, location, retry_config=fields)
    assert queue.retry_config == retry_config(**changed)
    assert queue.rate_limits == rate_limits()
    updated = client.update_queue(
        queue={"name": queue.name, "rate_limits": {"max_dispatches_per_second": 10}},
        update_mask={"paths": ["rate_limits.max_dispatches_per_second"]},
    )
    assert updated.retry_config == queue.retry_config


@pytest.mark.parametrize("ratio", [0.25, 1.0, 0.0])
def test_a_sampling_ratio_of_zero_is_no_configuration(client, location, ratio):
    """Recorded: defaults and normalisation."""
    queue = create(client, location, stackdriver_logging_config={"sampling_ratio": ratio})
    assert ("stackdriver_logging_config" in queue) == bool(ratio)
    assert queue.stackdriver_logging_config.sampling_ratio == ratio


def uri(**fields):
    return {"uri_override": fields}


EMAIL = {"service_account_email": "tasks@example.com"}
TARGETS = [
    {},
    uri(port=65536),
    uri(port=0),
    uri(path_override={"path": ""}),
    uri(query_override={"query_params": ""}),
    uri(scheme=0),
    uri(path_override={"path": "no/slash"}),
    uri(path_override={"path": "/a b"}),
    uri(query_override={"query_params": "?a=b"}),
    uri(host="example.net", uri_override_enforce_mode=0),
    {"oidc_token": EMAIL},
    {"oauth_token": EMAIL},
    {"oidc_token": EMAIL | {"audience": "audience"}},
    {"oauth_token": EMAIL | {"scope": "scope"}},
    {"header_overrides": [{"header": {"key": key, "value": "1"}} for key in ("x-B", "A", "b")]},
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: str(target)[:60])
def test_an_http_target_is_answered_as_it_was_sent(client, location, target):
    """Recorded: http_target."""
    queue = create(client, location, http_target=target)
    assert "http_target" in queue
    assert queue.http_target == tasks_v2.HttpTarget(target)


TARGET_ERRORS = [
    (uri(host=""), "Invalid Host."),
    (uri(host="https://example.net"), "Invalid Host."),
    (uri(host="example.net:8080"), "Invalid Host."),
    (uri(host="example.net/path"), "Invalid Host."),
    (uri(port=-1), "Port number should be a positive integer."),
    (uri(), "Invalid uri_override."),
    (uri(scheme=9), ""),
    (uri(host="a", uri_override_enforce_mode=9), ""),
    ({"http_method": 99}, ""),
]


@pytest.mark.parametrize(("target", "reason"), TARGET_ERRORS)
def test_an_invalid_http_target_is_refused_with_its_reason(
    clients, location, refused, target, reason
):
    """Recorded: http_target, parse errors; Google's REST client cannot send unknown numbers."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "INVALID_INPUT_ON_HTTP_TARGET_OVERRIDE",
        "domain": "cloudtasks.googleapis.com",
        "metadata": {"invalid_field": reason},
    }
    queue = {"name": f"{location}/queues/q", "http_target": target}
    masked = {"queue": queue, "update_mask": {"paths": ["rate_limits"]}}
    for transport, client in clients.items():
        if reason or transport == "grpc":
            for call, request in (
                (client.create_queue, {"parent": location, "queue": queue}),
                (client.update_queue, {"queue": queue}),
                (client.update_queue, masked),  # the target is checked, if not masked
            ):
                message = f"Error in parsing HttpTarget. {reason}"
                error = refused("INVALID_ARGUMENT", message, call, request=request)
                assert details_of(error) == [info]


@pytest.mark.parametrize("kind", ["oidc_token", "oauth_token"])
@pytest.mark.parametrize(
    ("email", "message"),
    [
        ("", "service_account_email must be set."),
        ("not-an-email", "Request contains an invalid argument."),
    ],
)
def test_the_token_of_a_queue_needs_an_account(client, location, refused, kind, email, message):
    """Recorded: http_target, tokens."""
    target = {kind: {"service_account_email": email}}
    queue = {"name": f"{location}/queues/q", "http_target": target}
    error = refused("INVALID_ARGUMENT", message, client.create_queue, parent=location, queue=queue)
    assert details_of(error) == []


INVALID_PATHS = [
    "bogus", "rate_limits.bogus", "http_target.bogus", "*",
    "rate_limits.max_dispatches_per_second.bogus", "rateLimits.maxDispatchesPerSecond",
    "rate_limits,retry_config", " state", "", "retry_config.", "purge_time.bogus",
]  # fmt: skip


@pytest.mark.parametrize("path", INVALID_PATHS)
def test_a_path_that_names_no_field_is_refused_as_it_was_sent(clients, location, refused, path):
    """Recorded: UpdateQueue masks; refused for a missing queue, too, and over gRPC as it is."""
    client = clients["grpc"]
    request = {"queue": {"name": f"{location}/queues/q"}, "update_mask": {"paths": [path]}}
    message = f"Invalid mask: {path}"
    error = refused("INVALID_ARGUMENT", message, client.update_queue, request=request)
    assert details_of(error) == []
    create(client, location)
    refused("INVALID_ARGUMENT", message, client.update_queue, request=request)


def test_a_mask_without_paths_changes_nothing(client, location):
    """Recorded: UpdateQueue."""
    queue = create(client, location, retry_config={"max_attempts": 9})
    update = {"name": queue.name, "rate_limits": {"max_dispatches_per_second": 2}}
    assert client.update_queue(queue=update, update_mask={}) == queue
    assert client.get_queue(name=queue.name) == queue


def test_without_a_mask_every_mutable_field_is_replaced(client, location):
    """Recorded: UpdateQueue."""
    name = create(client, location, retry_config={"max_attempts": 9}).name
    client.pause_queue(name=name)
    update = {"name": name, "rate_limits": {"max_dispatches_per_second": 100}, "state": "RUNNING"}
    changed = client.update_queue(queue=update)
    assert changed.retry_config == retry_config()
    assert changed.rate_limits == rate_limits(100, 20)
    assert changed.state is tasks_v2.Queue.State.PAUSED


def test_output_only_fields_are_valid_paths_without_effect(client, location):
    """Recorded: UpdateQueue."""
    queue = create(client, location)
    update = {
        "name": queue.name,
        "state": "PAUSED",
        "purge_time": {"seconds": 5},
        "rate_limits": {"max_burst_size": 3, "max_dispatches_per_second": 1},
    }
    paths = ["name", "state", "purge_time", "purge_time.seconds", "rate_limits.max_burst_size"]
    assert client.update_queue(queue=update, update_mask={"paths": paths}) == queue


def test_an_update_with_a_mask_creates_a_missing_queue_from_the_masked_fields(client, location):
    """Recorded: UpdateQueue."""
    update = {
        "name": f"{location}/queues/q",
        "rate_limits": {"max_dispatches_per_second": 7},
        "retry_config": {"max_attempts": 7},
    }
    queue = client.update_queue(queue=update, update_mask={"paths": ["rate_limits"]})
    assert queue.rate_limits == rate_limits(7, 10)
    assert queue.retry_config == retry_config()


def test_a_name_that_was_deleted_cannot_be_used_by_an_update(client, location, refused):
    """Recorded: name reuse."""
    name = create(client, location).name
    client.delete_queue(name=name)
    message = "The queue cannot be created because a queue with this name existed too recently."
    refused("FAILED_PRECONDITION", message, client.update_queue, queue={"name": name})
    refused(
        "FAILED_PRECONDITION",
        message,
        client.create_queue,
        parent=location,
        queue={"name": name},
    )
    refused("NOT_FOUND", "Requested entity was not found.", client.delete_queue, name=name)
    missing = (
        "Queue does not exist. If you just created the queue, wait at least a minute for the queue "
        "to initialize."
    )
    refused("NOT_FOUND", missing, client.get_queue, name=name)
    refused("NOT_FOUND", missing, client.pause_queue, name=name)


# Recorded: UpdateQueue, merge rule.
STORED = {
    "uri_override": {"host": "example.net", "path_override": {"path": "/path"}},
    "http_method": "PUT",
    "header_overrides": [{"header": {"key": "X-Custom", "value": "1"}}],
    "oidc_token": EMAIL | {"audience": "audience"},
}
SENT_URI = {"scheme": "HTTPS", "port": 8080, "query_override": {"query_params": "u=1"}}
SENT = {
    "uri_override": SENT_URI,
    "http_method": "GET",
    "header_overrides": [{"header": {"key": "X-Other", "value": "2"}}],
    "oauth_token": EMAIL | {"scope": "scope"},
}
URI = STORED["uri_override"]
MERGES = [
    ("http_target", SENT),
    ("uri_override", STORED | {"uri_override": SENT_URI}),
    ("uri_override.scheme", STORED | {"uri_override": URI | {"scheme": "HTTPS"}}),
    ("uri_override.port", STORED | {"uri_override": URI | {"port": 8080}}),
    ("uri_override.host", STORED | {"uri_override": {"path_override": {"path": "/path"}}}),
    ("uri_override.path_override", STORED | {"uri_override": {"host": "example.net"}}),
    ("uri_override.path_override.path", STORED | {"uri_override": URI | {"path_override": {}}}),
    ("uri_override.query_override.query_params",
     STORED | {"uri_override": URI | {"query_override": {"query_params": "u=1"}}}),
    ("uri_override.uri_override_enforce_mode", STORED),
    ("http_method", STORED | {"http_method": "GET"}),
    ("header_overrides", STORED | {"header_overrides": SENT["header_overrides"]}),
    ("oidc_token", {key: value for key, value in STORED.items() if key != "oidc_token"}),
    ("oidc_token.audience", STORED | {"oidc_token": EMAIL}),
    ("oauth_token", STORED | {"oauth_token": SENT["oauth_token"]}),
    ("oauth_token.scope", STORED | {"oauth_token": {"scope": "scope"}}),
]  # fmt: skip


def target(content):
    """Return the message of a target, in which a later token replaces an earlier one."""
    message = tasks_v2.HttpTarget()
    for field, value in content.items():
        setattr(message, field, value)
    return message


@pytest.mark.parametrize(("path", "merged"), MERGES, ids=[path for path, _ in MERGES])
def test_a_path_makes_the_stored_field_that_of_the_request(client, location, path, merged):
    queue = create(client, location, http_target=STORED)
    path = path if path == "http_target" else f"http_target.{path}"
    changed = client.update_queue(
        queue={"name": queue.name, "http_target": SENT}, update_mask={"paths": [path]}
    )
    assert changed.http_target == target(merged)
    assert client.get_queue(name=queue.name) == changed


def test_a_target_that_the_request_lacks_is_removed(client, location):
    name = create(client, location, http_target=STORED).name
    changed = client.update_queue(queue={"name": name}, update_mask={"paths": ["http_target"]})
    assert "http_target" not in changed


def test_a_field_below_a_message_that_only_the_request_has_creates_it_empty(client, location):
    name = create(client, location).name
    path = "http_target.oidc_token.service_account_email"
    changed = client.update_queue(
        queue={"name": name, "http_target": SENT}, update_mask={"paths": [path]}
    )
    assert "http_target" in changed
    assert changed.http_target == tasks_v2.HttpTarget()


@pytest.mark.parametrize("path", ["", ".sampling_ratio"])
def test_the_sampling_ratio_changes_alone_or_with_its_configuration(client, location, path):
    name = create(client, location, stackdriver_logging_config={"sampling_ratio": 0.5}).name
    changed = client.update_queue(
        queue={"name": name, "stackdriver_logging_config": {"sampling_ratio": 0.25}},
        update_mask={"paths": [f"stackdriver_logging_config{path}"]},
    )
    assert changed.stackdriver_logging_config.sampling_ratio == 0.25


AFTER_THE_MERGE = [
    ({"http_target": uri(host="example.net")}, {}, "http_target.uri_override.host",
     "Error in parsing HttpTarget. Invalid uri_override."),
    ({"retry_config": {"max_backoff": duration(2)}},
     {"retry_config": {"min_backoff": duration(3)}}, "retry_config.min_backoff",
     "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff."),
]  # fmt: skip


@pytest.mark.parametrize(("stored", "sent", "path", "message"), AFTER_THE_MERGE)
def test_some_rules_hold_after_the_merge(client, location, refused, stored, sent, path, message):
    """Recorded: UpdateQueue, validation around the merge."""
    queue = create(client, location, **stored)
    request = {"queue": {"name": queue.name} | sent, "update_mask": {"paths": [path]}}
    refused("INVALID_ARGUMENT", message, client.update_queue, request=request)
    assert client.get_queue(name=queue.name) == queue


def test_a_purge_or_a_pause_can_be_repeated_and_keeps_the_rest(client, location):
    """Recorded: pause, resume, purge."""
    name = create(client, location, retry_config={"max_attempts": 9}).name
    states = [
        call(name=name).state.name
        for call in (
            client.pause_queue, client.pause_queue, client.purge_queue, client.resume_queue,
            client.resume_queue,
        )
    ]  # fmt: skip
    assert states == ["PAUSED", "PAUSED", "PAUSED", "RUNNING", "RUNNING"]
    queue = client.get_queue(name=name)
    assert "purge_time" in queue
    assert queue.retry_config == retry_config(max_attempts=9)
