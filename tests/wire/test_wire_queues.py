"""Queues: what CreateQueue and UpdateQueue make of a message, every refusal word for word.

Sources: recorded errors and answers, API text; reference 2.7, 2.8, 4.1.
"""

import dataclasses
import datetime
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drayman.core.clock import HOUR, MILLISECOND
from drayman.core.errors import InvalidArgument
from drayman.core.limits import QueueLimits
from drayman.core.queue import Queue, RateLimits, RetryConfig, State
from drayman.tasks_v2 import types
from drayman.wire import queues
from message_strategies import messages

NAME = "projects/p/locations/l/queues/q"
LIMITS = QueueLimits()


def parse(settings, limits=LIMITS):
    return queues.parse(queues.Message(**settings), NAME, limits)


def update(existing, content, *paths):
    """Update a queue; without paths there is no mask."""
    message = queues.Message(**{"name": NAME} | content)
    return queues.update(existing, message, paths or None, LIMITS)


def of_target(reason):
    return f"Error in parsing HttpTarget. {reason}"


QUEUE_SETTINGS = [
    ({"rate_limits": {"max_dispatches_per_second": -1}},
     "RateLimits.maxDispatchesPerSecond cannot be negative."),
    ({"rate_limits": {"max_dispatches_per_second": 501}},
     "RateLimits.maxDispatchesPerSecond must be less than or equal to 500."),
    ({"rate_limits": {"max_concurrent_dispatches": -1}},
     "RateLimits.maxConcurrentDispatches cannot be negative."),
    ({"rate_limits": {"max_concurrent_dispatches": 5001}},
     "RateLimits.maxConcurrentDispatches must be less than or equal to 5000."),
    ({"retry_config": {"max_attempts": -2}},
     "RetryConfig.maxAttempts must be greater or equal to -1."),
    ({"retry_config": {"max_doublings": -1}}, "RetryConfig.maxDoublings cannot be negative."),
    ({"retry_config": {"min_backoff": {"seconds": -1}}},
     "RetryConfig.minBackoff cannot be negative."),
    ({"retry_config": {"max_backoff": {"seconds": -1}}},
     "RetryConfig.maxBackoff cannot be negative."),
    ({"retry_config": {"max_retry_duration": {"seconds": -1}}},
     "RetryConfig.max_retry_duration.seconds cannot be negative."),
    ({"retry_config": {"max_retry_duration": {"seconds": 30, "nanos": 900_000_000}}},
     "RetryConfig.max_retry_duration.nanos cannot be set."),
    ({"retry_config": {"max_retry_duration": {"nanos": -1}}},
     "RetryConfig.max_retry_duration.nanos cannot be set."),
    ({"retry_config": {"min_backoff": {"nanos": -5}}},
     "RetryConfig.minBackoff cannot be negative."),
    ({"retry_config": {"min_backoff": {"nanos": 3}, "max_backoff": {"nanos": 2}}},
     "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff."),
    ({"retry_config": {"max_backoff": {"nanos": 99_999_999}}},
     "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff."),
    ({"retry_config": {"min_backoff": {"seconds": 2}, "max_backoff": {"seconds": 1}}},
     "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff."),
    *(
        ({"http_target": {"uri_override": {"host": host}}}, of_target("Invalid Host."))
        for host in ("", "https://example.net", "example.net:8080", "example.net/path", "a b",
                     "a\x01", "[::1", "[x]", "a\n", "a" * 2084)
    ),
    ({"http_target": {"uri_override": {"port": -1}}},
     of_target("Port number should be a positive integer.")),
    ({"http_target": {"uri_override": {}}}, of_target("Invalid uri_override.")),
    ({"http_target": {"uri_override": {"scheme": 9}}}, of_target("")),
    ({"http_target": {"uri_override": {"uri_override_enforce_mode": 9}}}, of_target("")),
    ({"http_target": {"http_method": 99}}, of_target("")),
    ({"http_target": {"header_overrides": [{"header": {"key": "", "value": "x"}}]}},
     "HttpTarget.headerOverrides has the invalid name ''."),
    ({"http_target": {"header_overrides": [{"header": {"key": "a", "value": "x\n"}}]}},
     'HttpTarget.headerOverrides["a"] contains a line break or another control character.'),
    ({"http_target": {"header_overrides": [{"header": {"key": "a", "value": "x" * 81920}}]}},
     "HttpTarget.headerOverrides must be less than 80 KB in total."),
    *(
        ({"http_target": {kind: {"service_account_email": email, other: "x"}}}, message)
        for kind, other in (("oidc_token", "audience"), ("oauth_token", "scope"))
        for email, message in (
            ("", "service_account_email must be set."),
            ("not-an-email", "Request contains an invalid argument."),
            ("a@", "Request contains an invalid argument."),
            ("@b", "Request contains an invalid argument."),
            ("a@b@c", "Request contains an invalid argument."),
        )
    ),
    *(
        ({"http_target": {kind: {"service_account_email": "a@b", other: "x"} | {field: text}}},
         f"HttpTarget.{named} must be at most {len(text) - 1} characters long.")
        for kind, other, field, text, named in (
            ("oidc_token", "audience", "service_account_email", "x@" + "x" * 319,
             "oidcToken.serviceAccountEmail"),
            ("oidc_token", "audience", "audience", "x" * 2084, "oidcToken.audience"),
            ("oauth_token", "scope", "service_account_email", "x@" + "x" * 319,
             "oauthToken.serviceAccountEmail"),
            ("oauth_token", "scope", "scope", "x" * 2084, "oauthToken.scope"),
        )
    ),
    ({"http_target": {"uri_override": {"path_override": {"path": "x" * 2084}}}},
     "HttpTarget.uriOverride.pathOverride.path must be at most 2083 characters long."),
    ({"http_target": {"uri_override": {"query_override": {"query_params": "x" * 2084}}}},
     "HttpTarget.uriOverride.queryOverride.queryParams must be at most 2083 characters long."),
    *(
        ({"app_engine_routing_override": {field: wrong}},
         f"AppEngineRouting.{field} can contain only letters, numbers or hyphens, 100 at most.")
        for field in ("service", "version", "instance") for wrong in ("a.b", "é", "a" * 101)
    ),
    ({"stackdriver_logging_config": {"sampling_ratio": 1.5}},
     "sampling_ratio must be between 0.0 and 1.0."),
    ({"stackdriver_logging_config": {"sampling_ratio": -0.5}},
     "sampling_ratio must be between 0.0 and 1.0."),
    ({"stackdriver_logging_config": {"sampling_ratio": math.nan}},
     "sampling_ratio must be between 0.0 and 1.0."),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "message"), QUEUE_SETTINGS, ids=lambda row: str(row)[:60])
def test_settings_that_break_a_rule_are_refused(refused, settings, message):
    refused(message, parse, settings)
    refused(message, update, None, settings)
    refused(message, update, Queue(NAME), settings)


@pytest.mark.parametrize(
    ("rate", "concurrency", "message"),
    [
        (-1, 1, "RateLimits.maxDispatchesPerSecond cannot be negative."),
        (math.nan, 1, "RateLimits.maxDispatchesPerSecond cannot be negative."),
        (500.1, 1, "RateLimits.maxDispatchesPerSecond must be less than or equal to 500."),
        (math.inf, 1, "RateLimits.maxDispatchesPerSecond must be less than or equal to 500."),
        (1, -1, "RateLimits.maxConcurrentDispatches cannot be negative."),
        (1, 5001, "RateLimits.maxConcurrentDispatches must be less than or equal to 5000."),
    ],
)
def test_rate_limits_out_of_range_are_refused(refused, rate, concurrency, message):
    refused(message, parse, rates(rate, concurrency))


def rates(rate, concurrency):
    return {
        "rate_limits": {
            "max_dispatches_per_second": rate,
            "max_concurrent_dispatches": concurrency,
        }
    }


def test_a_server_of_ones_own_may_raise_the_limits(refused):
    raised = QueueLimits(max_dispatches_per_second=1e6, max_concurrent_dispatches=10**6)
    assert parse(rates(2_000, 9_000), raised).rate_limits == RateLimits(2_000, 400, 9_000)
    error = refused(None, parse, rates(2_000_000, 1), raised)
    assert "less than or equal to 1000000." in error.message


@pytest.mark.parametrize(
    ("retry_config", "message"),
    [
        (
            {"min_backoff": {"seconds": 7200}},
            "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff.",
        ),
        (
            {"min_backoff": {"seconds": 1, "nanos": -1}},
            "RetryConfig.minBackoff is not a valid duration.",
        ),
    ],
)
def test_a_retry_config_that_cannot_work_is_refused(refused, retry_config, message):
    refused(message, parse, {"retry_config": retry_config})


@pytest.mark.parametrize(
    ("retry_config", "changed"),
    [
        ({}, {}),
        ({"max_attempts": -1}, {"max_attempts": -1}),
        ({"max_doublings": 0}, {}),
        ({"min_backoff": {"seconds": 3600}}, {"min_backoff": HOUR}),
        ({"max_retry_duration": {"seconds": 1}}, {"max_retry_duration": 1_000_000}),
        ({"max_retry_duration": {}, "min_backoff": {}, "max_backoff": {}}, {}),
        ({"min_backoff": {"nanos": 1_001}}, {"min_backoff": 2}),
    ],
)  # fmt: skip
def test_a_retry_config_that_can_work_is_kept(retry_config, changed):
    parsed = parse({"retry_config": retry_config}).retry_config
    assert parsed == dataclasses.replace(RetryConfig(), **changed)


@pytest.mark.parametrize(
    ("first", "settings"),
    [
        ("Error in parsing HttpTarget. ",
         {"http_target": {"uri_override": {"host": ""}, "http_method": 99}}),
        ("Error in parsing HttpTarget. Invalid Host.",
         {"http_target": {"uri_override": {"host": "", "port": -1}}}),
        ("Error in parsing HttpTarget. Port number",
         {"http_target": {
             "uri_override": {"port": -1, "path_override": {"path": "x" * 2084}}}}),
        ("Error in parsing HttpTarget. Invalid uri_override.",
         {"http_target": {"uri_override": {}, "oidc_token": {}}}),
        ("HttpTarget.uriOverride.pathOverride.path",
         {"http_target": {"uri_override": {
             "path_override": {"path": "x" * 2084},
             "query_override": {"query_params": "x" * 2084}}}}),
        ("HttpTarget.uriOverride.queryOverride.queryParams",
         {"http_target": {
             "uri_override": {"query_override": {"query_params": "x" * 2084}},
             "oidc_token": {}}}),
        ("service_account_email must be set.",
         {"http_target": {
             "oidc_token": {"audience": "x" * 2084},
             "header_overrides": [{"header": {"key": ""}}]}}),
        ("HttpTarget.headerOverrides",
         {"http_target": {"header_overrides": [{"header": {"key": ""}}]},
          "app_engine_routing_override": {"service": "."}}),
        ("AppEngineRouting.service",
         {"app_engine_routing_override": {"service": ".", "version": "."},
          "stackdriver_logging_config": {"sampling_ratio": 2}}),
        ("sampling_ratio",
         {"stackdriver_logging_config": {"sampling_ratio": 2},
          "rate_limits": {"max_dispatches_per_second": -1}}),
        ("RateLimits.maxDispatchesPerSecond",
         {"rate_limits": {"max_dispatches_per_second": -1, "max_concurrent_dispatches": -1}}),
        ("RateLimits.maxConcurrentDispatches",
         {"rate_limits": {"max_concurrent_dispatches": -1},
          "retry_config": {"max_attempts": -2}}),
        ("RetryConfig.maxAttempts",
         {"retry_config": {"max_attempts": -2, "max_doublings": -1}}),
    ],
)  # fmt: skip
def test_of_several_broken_rules_the_first_in_the_order_of_checks_is_named(
    refused, first, settings
):
    assert refused(None, parse, settings).message.startswith(first)


def test_the_settings_of_a_queue_are_bounded_in_total(refused):
    headers = [{"header": {"key": "a", "value": "x" * 40_000}}] * 2
    target = {"http_target": {"header_overrides": headers}}
    assert parse(target).settings
    many = [{"header": {"key": "a", "value": ""}}] * 40_000
    message = "The settings of a queue must be at most 128 KB in total."
    refused(message, parse, {"http_target": {"header_overrides": many}})


def test_a_queue_without_settings_has_those_of_real_queues():
    assert parse({}) == Queue(
        NAME, State.RUNNING, RateLimits(500, 100, 1000),
        RetryConfig(100, 0, 100 * MILLISECOND, HOUR, 16),
    )  # fmt: skip


def test_a_queue_shows_its_defaults_and_no_empty_settings():
    empty = {"app_engine_routing_override": {}, "stackdriver_logging_config": {}}
    queue = queues.encode(parse(empty))
    assert queue == queues.Message(
        name=NAME,
        state="RUNNING",
        rate_limits={
            "max_dispatches_per_second": 500,
            "max_burst_size": 100,
            "max_concurrent_dispatches": 1000,
        },
        retry_config={
            "max_attempts": 100,
            "min_backoff": datetime.timedelta(milliseconds=100),
            "max_backoff": datetime.timedelta(hours=1),
            "max_doublings": 16,
        },
    )


def test_what_is_given_is_kept():
    settings = {
        "rate_limits": {"max_dispatches_per_second": 0.25, "max_concurrent_dispatches": 3},
        "retry_config": {
            "max_attempts": -1,
            "max_retry_duration": {"seconds": 90},
            "min_backoff": {"nanos": 500_000_000},
            "max_backoff": {"seconds": 7},
            "max_doublings": 2,
        },
        "stackdriver_logging_config": {"sampling_ratio": 0.5},
    }
    expected = queues.Message(name=NAME, state="RUNNING", **settings)
    expected.rate_limits.max_burst_size = 10
    assert queues.encode(parse(settings)) == expected


@pytest.mark.parametrize(("rate", "burst"), [(500, 100), (100, 20), (1, 10), (0.25, 10)])
def test_the_burst_follows_from_the_rate(rate, burst):
    assert parse(rates(rate, 7)).rate_limits == RateLimits(rate, burst, 7)


def test_output_only_fields_are_ignored():
    settings = {
        "state": "DISABLED",
        "purge_time": {"seconds": 5},
        "rate_limits": {"max_burst_size": -7},
    }
    assert parse(settings) == parse({})


def test_an_update_without_a_mask_replaces_every_field_but_state_and_purge_time():
    existing = dataclasses.replace(
        parse({"retry_config": {"max_attempts": 9}}), state=State.PAUSED, purge_time=5
    )
    changed = update(existing, {"rate_limits": {"max_dispatches_per_second": 2}})
    assert changed.retry_config.max_attempts == 100
    assert changed.rate_limits.max_dispatches_per_second == 2
    assert (changed.state, changed.purge_time) == (State.PAUSED, 5)


def test_an_update_with_a_mask_changes_what_it_names():
    existing = parse({"retry_config": {"max_attempts": 9, "max_doublings": 4}})
    content = {
        "retry_config": {"max_attempts": 3, "max_doublings": 1},
        "rate_limits": {"max_dispatches_per_second": 1},
    }
    changed = update(existing, content, "retry_config.max_attempts")
    assert (changed.retry_config.max_attempts, changed.retry_config.max_doublings) == (3, 4)
    assert changed.rate_limits == existing.rate_limits


def test_an_update_by_mask_resets_what_is_left_out():
    existing = parse(
        {
            "retry_config": {"max_attempts": 9},
            "rate_limits": {"max_dispatches_per_second": 1},
            "stackdriver_logging_config": {"sampling_ratio": 1},
        }
    )
    changed = update(existing, {}, "retry_config", "stackdriver_logging_config")
    assert changed.retry_config.max_attempts == 100
    assert not queues.encode(changed).HasField("stackdriver_logging_config")
    assert changed.rate_limits == existing.rate_limits


def test_an_update_of_an_absent_queue_obeys_its_mask(refused):
    content = {
        "rate_limits": {"max_dispatches_per_second": 7},
        "retry_config": {"max_attempts": 4},
    }
    queue = update(None, content, "rate_limits")
    assert queue.rate_limits.max_dispatches_per_second == 7
    assert queue.retry_config.max_attempts == 100
    message = "Invalid mask: bogus.path"
    refused(message, update, None, content, "bogus.path")


def test_an_update_ignores_output_only_fields():
    content = {"state": "PAUSED", "rate_limits": {"max_burst_size": 3}}
    paths = ("state", "purge_time", "rate_limits.max_burst_size", "name")
    assert update(parse({}), content, *paths) == parse({})


TARGET = {
    "uri_override": {
        "scheme": "HTTP",
        "host": "example.com",
        "port": 0,
        "path_override": {"path": "/x"},
        "query_override": {"query_params": ""},
        "uri_override_enforce_mode": "IF_NOT_EXISTS",
    },
    "http_method": "PUT",
    "header_overrides": [{"header": {"key": "A", "value": "1"}}],
    "oidc_token": {"service_account_email": "a@b", "audience": "x"},
}


def test_a_target_of_the_queues_own_is_kept():
    target = queues.encode(parse({"http_target": TARGET})).http_target
    assert target == types.HttpTarget.pb()(**TARGET)
    assert target.uri_override.HasField("port")


def test_an_empty_target_stays_and_an_absent_one_under_its_mask_clears_it():
    emptied = update(parse({"http_target": TARGET}), {"http_target": {}}, "http_target")
    assert queues.encode(emptied).HasField("http_target")
    assert emptied == parse({"http_target": {}})
    cleared = update(parse({"http_target": TARGET}), {}, "http_target")
    assert not queues.encode(cleared).HasField("http_target")


def test_an_update_keeps_the_policy_of_a_queue():
    existing = dataclasses.replace(parse({}), policy=b"policy")
    assert update(existing, {"retry_config": {"max_attempts": 2}}).policy == b"policy"


def test_a_part_of_the_target_changes_under_a_mask_of_its_own():
    changed = update(
        parse({"http_target": TARGET}),
        {"http_target": {"uri_override": {"host": "other", "port": 5}}},
        "http_target.uri_override.host",
        "http_target.http_method",
    )
    expected = types.HttpTarget.pb()(**TARGET)
    expected.uri_override.host = "other"
    expected.ClearField("http_method")
    assert queues.encode(changed).http_target == expected
    changed = update(changed, {}, "http_target.header_overrides")
    assert not queues.encode(changed).http_target.header_overrides


def test_routing_of_the_queues_own_shows_its_host():
    routing = {"service": "s", "version": "v", "host": "ignored"}
    queue = parse({"app_engine_routing_override": routing})
    assert queues.encode(queue).app_engine_routing_override == types.AppEngineRouting.pb()(
        service="s", version="v", host="v.s.p.l.r.appspot.com"
    )
    cleared = update(queue, {}, "app_engine_routing_override")
    assert not queues.encode(cleared).HasField("app_engine_routing_override")


PATHS = st.sampled_from(
    ["retry_config", "http_target", "http_target.uri_override.port", "rate_limits", "state",
     "app_engine_routing_override.service", "stackdriver_logging_config", "name"]
) | st.text(max_size=9)  # fmt: skip


@given(messages(queues.Message.DESCRIPTOR), st.lists(PATHS, max_size=3))
def test_any_message_is_a_queue_or_an_invalid_argument(content, paths):
    try:
        message = queues.Message(**content | {"name": NAME})  # which the caller has checked
    except ValueError:  # a text that is no text
        return
    try:
        queue = queues.update(parse({"http_target": TARGET}), message, paths, LIMITS)
    except InvalidArgument:
        return
    assert queues.encode(queue).name == message.name
