"""Field masks: what they set, clear and refuse."""

import pytest

from drayman.tasks_v2 import types
from drayman.wire import masks

Queue = types.Queue.pb()


@pytest.mark.parametrize(
    "path", ["nothing", "retry_config.nothing", "name.x", "retry_config.", ".", "http_target.x.y",
             "retryConfig", "http_target.header_overrides.header", "", "name,state"]
)  # fmt: skip
def test_a_path_that_leads_nowhere_is_named(refused, path):
    error = refused(f"Invalid mask: {path}", masks.check, [path], Queue.DESCRIPTOR)
    assert not error.details


def test_a_long_path_is_cut_in_the_error(refused):
    error = refused(None, masks.check, ["\U0001f600" * 3_000], Queue.DESCRIPTOR)
    assert len(error.message.encode()) <= 1_500


@pytest.mark.parametrize(
    ("paths", "source", "target", "result"),
    [
        (["name"], {"name": "a"}, {"name": "b"}, {"name": "a"}),
        (["name"], {}, {"name": "b"}, {}),
        (["retry_config"], {}, {"retry_config": {"max_attempts": 1}}, {}),
        (["retry_config.max_attempts"], {}, {"retry_config": {"max_attempts": 1}},
         {"retry_config": {}}),
        (["http_target.uri_override.port"], {"http_target": {"uri_override": {"port": 0}}}, {},
         {"http_target": {"uri_override": {"port": 0}}}),
        (["http_target.header_overrides"],
         {"http_target": {"header_overrides": [{"header": {"key": "a"}}]}},
         {"http_target": {"header_overrides": [{"header": {"key": "b"}}]}},
         {"http_target": {"header_overrides": [{"header": {"key": "a"}}]}}),
        ([], {"name": "a"}, {}, {}),
        # Recorded: UpdateQueue, merge.
        (["http_target.oidc_token.audience"], {}, {"http_target": {}}, {"http_target": {}}),
        (["http_target.oidc_token.audience"], {"http_target": {}}, {}, {"http_target": {}}),
        (["http_target.oidc_token.audience"], {}, {}, {}),
        (["http_target.oauth_token.scope"], {"http_target": {"oauth_token": {"scope": "s"}}},
         {"http_target": {"oidc_token": {"audience": "a"}}},
         {"http_target": {"oauth_token": {"scope": "s"}}}),
        (["http_target", "http_target.uri_override.host"], {}, {"http_target": {}}, {}),
    ],
)  # fmt: skip
def test_a_mask_makes_what_it_names_equal_to_the_source(paths, source, target, result):
    message = Queue(**target)
    masks.check(paths, Queue.DESCRIPTOR)
    masks.apply(paths, Queue(**source), message)
    assert message == Queue(**result)
