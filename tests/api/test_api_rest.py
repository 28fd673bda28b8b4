"""REST as it is on the wire: what Google's client does not send, and how answers look."""

import base64
import gzip
import json
import tracemalloc

import pytest
import requests

from drayman.api import request_body
from drayman.core.errors import InvalidArgument
from drayman.core.limits import REQUEST_SIZE


@pytest.fixture(scope="module")
def http(server):
    with requests.Session() as session:

        def call(verb, path, body=None, **options):
            if isinstance(body, dict):
                body = json.dumps(body)
            return session.request(verb, f"{server.url}{path}", data=body, timeout=30, **options)

        yield call


@pytest.fixture
def queue(http, location):
    name = f"{location}/queues/q"
    assert http("POST", f"/v2/{location}/queues", {"name": name}).status_code == 200
    assert http("POST", f"/v2/{name}:pause", "").status_code == 200
    return name


def error_of(answer, status, code):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["status"]) == (status, code)
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    return error


def test_a_queue_is_rendered_as_in_googles_samples(http, queue):
    answer = http("GET", f"/v2/{queue}")
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    assert answer.json() == {
        "name": queue,
        "rateLimits": {
            "maxDispatchesPerSecond": 500,
            "maxBurstSize": 100,
            "maxConcurrentDispatches": 1000,
        },
        "retryConfig": {
            "maxAttempts": 100,
            "minBackoff": "0.100s",
            "maxBackoff": "3600s",
            "maxDoublings": 16,
        },
        "state": "PAUSED",
    }
    assert '"maxDispatchesPerSecond": 500,' in answer.text  # not 500.0


def test_an_empty_body_means_an_empty_message(http, queue):
    for verb in ("resume", "pause", "purge"):
        for body in (None, "", "{}", " \n"):
            assert http("POST", f"/v2/{queue}:{verb}", body).status_code == 200


def test_a_task_of_a_json_body(http, queue):
    task = {
        "httpRequest": {
            "url": "https://example.com",
            "httpMethod": "PUT",
            "headers": {"A": "b"},
            "body": base64.b64encode(b"hello?>").decode(),
        },
        "dispatchDeadline": "20.5s",
    }
    created = http("POST", f"/v2/{queue}/tasks", {"task": task, "responseView": "FULL"}).json()
    assert created["httpRequest"] == task["httpRequest"] | {
        "headers": {"A": "b", "User-Agent": "Google-Cloud-Tasks"}
    }
    assert created["dispatchDeadline"] == "20.500s"
    assert created["view"] == "FULL"
    assert created["createTime"].endswith("Z")
    stored = http("GET", f"/v2/{created['name']}?responseView=FULL").json()
    assert stored == created
    assert "body" not in http("GET", f"/v2/{created['name']}").json()["httpRequest"]


@pytest.mark.parametrize("parameter", ["alt", "$alt"])
def test_enums_travel_as_names_or_numbers(http, queue, parameter):
    task = {"httpRequest": {"url": "https://example.com", "httpMethod": 4}}
    query = f"?{parameter}=json;enum-encoding=int"
    created = http("POST", f"/v2/{queue}/tasks{query}", {"task": task, "responseView": 2}).json()
    assert (created["httpRequest"]["httpMethod"], created["view"]) == (4, 2)
    stored = http("GET", f"/v2/{created['name']}?responseView=2").json()
    assert (stored["httpRequest"]["httpMethod"], stored["view"]) == ("PUT", "FULL")


def test_fields_select_parts_of_the_answer(http, location, queue):
    selected = http("GET", f"/v2/{location}/queues", params={"fields": "queues(name,state)"})
    assert selected.json() == {"queues": [{"name": queue, "state": "PAUSED"}]}
    malformed = http("GET", f"/v2/{location}/queues", params={"fields": "queues("})
    error = error_of(malformed, 400, "INVALID_ARGUMENT")
    assert error["message"] == 'Invalid field selection: "queues(".'


def test_pretty_print_can_be_switched_off(http, queue):
    pretty = http("GET", f"/v2/{queue}").text
    compact = http("GET", f"/v2/{queue}?prettyPrint=false").text
    assert pretty.startswith('{\n  "name": ')
    assert "\n" not in compact
    assert json.loads(pretty) == json.loads(compact)


def test_an_update_takes_its_mask_from_the_query(http, queue):
    body = {"retryConfig": {"maxAttempts": 7, "maxDoublings": 2}, "rateLimits": {}}
    for mask in ("retryConfig.maxAttempts", "retry_config.max_attempts"):
        answer = http("PATCH", f"/v2/{queue}?updateMask={mask}", body)
        assert answer.json()["retryConfig"]["maxAttempts"] == 7
        assert answer.json()["retryConfig"]["maxDoublings"] == 16
    answer = http("PATCH", f"/v2/{queue}?updateMask=retryConfig", "")
    assert answer.json()["retryConfig"]["maxAttempts"] == 100
    answer = http("PATCH", f"/v2/{queue}?updateMask=nothing", body)
    error = error_of(answer, 400, "INVALID_ARGUMENT")
    assert error["message"] == "Invalid mask: nothing"


OVERRIDES = [
    ("", {"X-HTTP-Method-Override": "PATCH"}),
    ("", {"x-http-method-override": "patch"}),
    ("&$httpMethod=PATCH", {}),
    ("&%24httpMethod=DELETE", {"X-HTTP-Method-Override": "PATCH"}),
]


@pytest.mark.parametrize(("query", "headers"), OVERRIDES)
def test_a_post_may_override_its_method(http, queue, query, headers):
    path, body = f"/v2/{queue}?updateMask=retryConfig{query}", {"retryConfig": {"maxAttempts": 7}}
    answer = http("POST", path, body, headers=headers)
    assert answer.json()["retryConfig"]["maxAttempts"] == 7
    assert http("POST", f"/v2/{queue}?$httpMethod=GET").json() == answer.json()


def test_other_methods_cannot_be_overridden(http, queue):
    headers = {"X-HTTP-Method-Override": "DELETE"}
    assert http("GET", f"/v2/{queue}?$httpMethod=DELETE", headers=headers).status_code == 200
    assert http("GET", f"/v2/{queue}").json()["name"] == queue


@pytest.mark.parametrize("method", ["FETCH", "POST", "PUT", "\xe4"])
def test_a_method_that_no_call_has_is_not_found(http, queue, method):
    headers = {"X-HTTP-Method-Override": method.encode("latin-1")}
    error = error_of(http("POST", f"/v2/{queue}", headers=headers), 404, "NOT_FOUND")
    assert error["message"] == f"No call has the method {method.upper()} and the path /v2/{queue}."


WRONG_BODIES = [
    ("{", "Invalid JSON payload received. Syntax error at line 1, column 2."),
    ("\xff", "Invalid JSON payload received. It is not UTF-8."),
    ('{"task": {"httpRequest": {"uri": "x"}}}',
     "Unknown name \"uri\" at 'task.http_request': Cannot find field."),
    ('{"task": {"httpRequest": {"url": "http://a", "httpMethod": 99}}}',
     "HttpRequest.httpMethod has the unknown value 99."),
    ('{"responseView": 9}', "response_view has the unknown value 9."),
]  # fmt: skip


@pytest.mark.parametrize(("body", "text"), WRONG_BODIES, ids=lambda value: ascii(value)[:40])
def test_an_invalid_body_is_refused_with_the_reason(http, queue, body, text):
    error = error_of(
        http("POST", f"/v2/{queue}/tasks", body.encode("latin-1")), 400, "INVALID_ARGUMENT"
    )
    assert text in error["message"]


PREFIX = "Invalid JSON payload received."
UNKNOWN = f"{PREFIX} Unknown name"
BINDING_ERRORS = [  # recorded: REST errors; a row has the path of the field, "" for the root
    ("POST", "/tasks", '{"bogus": 1}', [(f'{UNKNOWN} "bogus": Cannot find field.', "")]),
    ("POST", "/tasks", '{"task": {"httpRequest": {"bogus": 1, "other": 2}}}', [
        (f"{UNKNOWN} \"{name}\" at 'task.http_request': Cannot find field.", "task.http_request")
        for name in ("bogus", "other")]),
    ("GET", "/tasks?bogus=1", "", [
        ((f"{UNKNOWN} \"bogus\": Cannot bind query parameter. Field 'bogus' could not be found in "
          "request message."), "")]),
    ("GET", "/tasks?bogus=1&pageSize=abc&other.x=2", "", [  # by the rule for several fields
        *(((f"{UNKNOWN} \"{name}\": Cannot bind query parameter. Field '{name}' could not be found "
            "in request message."), "") for name in ("bogus", "other.x")),
        ("Invalid value at 'page_size' (TYPE_INT32), \"abc\"", "page_size")]),
    ("POST", "/tasks", '{"task": {"name": 5}}', [
        ("Invalid value at 'task.name' (TYPE_STRING), 5", "task.name")]),
    ("GET", "/tasks?pageSize=abc", "", [
        ("Invalid value at 'page_size' (TYPE_INT32), \"abc\"", "page_size")]),
    ("GET", "/tasks?responseView=NOPE", "", [
        (("Invalid value at 'response_view' (type.googleapis.com/google.cloud.tasks.v2.Task.View), "
          '"NOPE"'), "response_view")]),
    ("POST", "/tasks", "[]", [(f'{UNKNOWN} "": Root element must be a message.', "")]),
    ("PATCH", "", '{"rateLimits": {"maxDispatchesPerSecond": "x"}}', [  # by the same rule
        ("Invalid value at 'queue.rate_limits.max_dispatches_per_second' (TYPE_DOUBLE), \"x\"",
         "queue.rate_limits.max_dispatches_per_second")]),
    ("PATCH", "", "[]", [  # the text of protobuf's JSON converter
        (f'{UNKNOWN} "queue": Proto field is not repeating, cannot start list.', "")]),
    ("PATCH", "", "5", [  # by the same rule
        ("Invalid value at 'queue' (type.googleapis.com/google.cloud.tasks.v2.Queue), 5",
         "queue")]),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "path", "body", "violations"), BINDING_ERRORS)
def test_a_request_that_does_not_bind_is_refused_before_anything_else(
    http, location, verb, path, body, violations
):
    """The queue does not exist, and its id is not even valid."""
    message = "\n".join(text for text, _ in violations)
    answer = http(verb, f"/v2/{location}/queues/not_valid{path}", body)
    error = error_of(answer, 400, "INVALID_ARGUMENT")
    assert error == {
        "code": 400,
        "message": message,
        "status": "INVALID_ARGUMENT",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [
                    ({"field": field} if field else {}) | {"description": text}
                    for text, field in violations
                ],
            }
        ],
    }


def test_a_body_that_is_not_json_has_no_details(http, queue):
    """Recorded: REST errors."""
    error = error_of(http("POST", f"/v2/{queue}/tasks", "{bogus"), 400, "INVALID_ARGUMENT")
    assert error["message"].startswith(f"{PREFIX} ")
    assert "details" not in error


def test_an_error_without_details_has_no_such_key(http, location):
    """Recorded: REST errors."""
    error = error_of(http("GET", f"/v2/{location}/queues/none"), 404, "NOT_FOUND")
    assert set(error) == {"code", "message", "status"}


def test_a_detail_begins_with_its_type(http, location):
    """Recorded: REST errors."""
    answer = http("GET", f"/v2/{location}/queues/not_valid")
    (detail,) = error_of(answer, 400, "INVALID_ARGUMENT")["details"]
    assert next(iter(detail)) == "@type"


def test_answers_have_two_blanks_of_indentation_and_a_final_newline(http, location):
    """Recorded: form of answers."""
    name = f"{location}/queues/q"
    body = {
        "name": name,
        "http_target": {"uri_override": {"host": "example.net"}},
        "rateLimits": {"maxDispatchesPerSecond": 10},
        "retryConfig": {"minBackoff": "1.5s", "maxRetryDuration": "0s"},
        "stackdriverLoggingConfig": {"samplingRatio": 0.5},
    }
    answer = http("POST", f"/v2/{location}/queues", body)
    purged = http("POST", f"/v2/{name}:purge", "{}").json()
    assert list(purged) == [
        "name", "rateLimits", "retryConfig", "state", "purgeTime", "stackdriverLoggingConfig",
        "httpTarget",
    ]  # fmt: skip
    assert answer.text == (
        f"""{{
  "name": "{name}",
  "rateLimits": {{
    "maxDispatchesPerSecond": 10,
    "maxBurstSize": 10,
    "maxConcurrentDispatches": 1000
  }},
  "retryConfig": {{
    "maxAttempts": 100,
    "minBackoff": "1.500s",
    "maxBackoff": "3600s",
    "maxDoublings": 16
  }},
  "state": "RUNNING",
  "stackdriverLoggingConfig": {{
    "samplingRatio": 0.5
  }},
  "httpTarget": {{
    "uriOverride": {{
      "host": "example.net"
    }}
  }}
}}
"""
    )
    assert http("DELETE", f"/v2/{name}").text == "{}\n"


def test_an_unset_key_is_left_out(http, location):
    """Recorded: form of answers, CMEK."""
    name = f"{location}/cmekConfig"
    assert http("GET", f"/v2/{name}").text == f'{{\n  "name": "{name}"\n}}\n'
    error = error_of(http("PATCH", f"/v2/{name}", {"kmsKey": "not-a-key"}), 400, "INVALID_ARGUMENT")
    assert error["message"] == (
        "Resource name [not-a-key] does not match any known resource name pattern."
    )


def test_input_in_the_recorded_forms_is_accepted(http, location):
    """Recorded: accepted input; the name of a queue comes from the path."""
    name = f"{location}/queues/restlist"
    assert http("POST", f"/v2/{location}/queues", {"name": name}).status_code == 200
    mask = "rateLimits.maxDispatchesPerSecond"
    changed = http(
        "PATCH", f"/v2/{name}?updateMask={mask}", {"rate_limits": {"max_dispatches_per_second": 5}}
    )
    assert changed.json()["rateLimits"]["maxDispatchesPerSecond"] == 5
    listed = http("GET", f"/v2/{location}/queues?filter=name:restlist").json()
    assert [queue["name"] for queue in listed["queues"]] == [name]
    assert listed["nextPageToken"]
    assert http("GET", f"/v2/{location}/queues?filter=name:none").text == "{}\n"


def test_at_most_twenty_of_many_wrong_fields_are_named(http, queue):
    answer = http("POST", f"/v2/{queue}/tasks", {str(number): 0 for number in range(40_000)})
    error = error_of(answer, 400, "INVALID_ARGUMENT")
    assert len(error["details"][0]["fieldViolations"]) == 20
    assert len(answer.content) < 10_000


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/"), ("GET", "/v2"), ("GET", "/v2/"), ("GET", "/v2/projects"), ("POST", "/v2/x"),
        ("GET", "/v1/projects/p/locations/l/queues"), ("PUT", "/v2/projects/p/locations/l/queues"),
        ("OPTIONS", "/v2/projects/p/locations/l/queues"),
        ("POST", "/v2/projects/p/locations/l/queues/q:explode"),
        ("GET", "/v2/projects//locations/l/queues/q"),
        ("GET", "/v2/projects/p/locations/l/queues/q:pause"),
        ("DELETE", "/v2/projects/p/locations/l/queues/q:pause"), ("GET", "/v2/bogus"),
        ("POST", "/v2/projects/p/locations/l/queues/q:a:pause"),
    ],
)  # fmt: skip
def test_an_unknown_path_is_not_found(http, verb, path):
    error_of(http(verb, path), 404, "NOT_FOUND")


def test_the_error_for_another_version_names_the_version_served(http):
    answer = http("GET", "/v2beta3/projects/p/locations/l/queues")
    error = error_of(answer, 404, "NOT_FOUND")
    assert error["message"] == "v2beta3 is not served, v2 is: paths begin with /v2/."


@pytest.mark.parametrize("name", ["q%20", "%ff", "q%00", "%C3%A9", "a_b", "q%3Apause"])
def test_a_malformed_name_in_a_path_is_refused(http, location, name):
    error_of(http("GET", f"/v2/{location}/queues/{name}"), 400, "INVALID_ARGUMENT")


def test_a_slash_in_a_segment_of_a_path_makes_another_resource(http, location):
    error_of(http("GET", f"/v2/{location}/queues/q%2Fr"), 403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    "query", ["pageSize=x", "alt=proto", "alt=media", "parent.x=1", "%ff=1",
              "&".join(["a=1"] * 1_001)]
)  # fmt: skip
def test_an_invalid_query_is_refused(http, location, query):
    error_of(http("GET", f"/v2/{location}/queues?{query}"), 400, "INVALID_ARGUMENT")


def test_system_parameters_are_not_taken_for_fields(http, location):
    query = "key=k&quotaUser=u&$.xgafv=2&access_token=t&oauth_token=t&uploadType=media&callback=f"
    assert http("GET", f"/v2/{location}/queues?{query}").status_code == 200


def test_errors_carry_the_recorded_details(http, location, queue):
    error = error_of(http("POST", f"/v2/{location}/queues", {"name": "x"}), 400, "INVALID_ARGUMENT")
    reference = "https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues"
    assert error["details"] == [
        {
            "@type": "type.googleapis.com/google.rpc.Help",
            "links": [
                {
                    "description": "Definition of queue name",
                    "url": f"{reference}#Queue.FIELDS.name",
                }
            ],
        }
    ]
    task = {"name": f"{queue}/tasks/a b", "httpRequest": {"url": "http://a"}}
    error = error_of(http("POST", f"/v2/{queue}/tasks", {"task": task}), 400, "INVALID_ARGUMENT")
    assert error["details"][0]["links"] == [
        {"description": "Definition of task ID", "url": f"{reference}.tasks#Task.FIELDS.name"}
    ]


def test_a_body_beyond_the_bound_is_refused_before_it_is_read(server, queue):
    with server.connect() as connection:
        connection.sendall(
            f"POST /v2/{queue}/tasks HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Length: {REQUEST_SIZE + 1}\r\n\r\n".encode()
        )
        answer = b""
        while b"}" not in answer and (more := connection.recv(65536)):
            answer += more
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert f"Request payload size exceeds the limit: {REQUEST_SIZE} bytes.".encode() in answer


def test_a_body_in_chunks_is_read_and_bounded(http, queue):
    small = json.dumps({"task": {"httpRequest": {"url": "http://a"}}}).encode()
    assert http("POST", f"/v2/{queue}/tasks", iter([small[:9], small[9:]])).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "identity", ""])
@pytest.mark.parametrize("in_chunks", [False, True])
def test_a_compressed_body_is_read(http, queue, encoding, in_chunks):
    plain = json.dumps({"task": {"httpRequest": {"url": "http://a.example"}}}).encode()
    body = gzip.compress(plain) if "gzip" in encoding.lower() else plain
    sent = iter([body[:9], body[9:]]) if in_chunks else body
    answer = http("POST", f"/v2/{queue}/tasks", sent, headers={"Content-Encoding": encoding})
    assert answer.json()["httpRequest"]["url"] == "http://a.example"


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, br", "x" * 5_000])
def test_another_coding_is_refused_by_name(http, queue, encoding):
    answer = http("POST", f"/v2/{queue}/tasks", b"{}", headers={"Content-Encoding": encoding})
    error = error_of(answer, 400, "INVALID_ARGUMENT")
    assert error["message"] == (
        f'The Content-Encoding "{encoding[:100]}" is not supported, gzip is.'
    )


GZIP = gzip.compress(b'{"task": {"httpRequest": {"url": "http://a"}}}')


@pytest.mark.parametrize(
    "body",
    [b"{}", GZIP[:-1], GZIP[:5], GZIP[:-8] + bytes(8), GZIP + b"x", GZIP + gzip.compress(b"")],
    ids=["plain", "cut", "head", "checksum", "rest", "members"],
)
def test_a_body_that_is_not_one_gzip_member_is_refused(http, queue, body):
    answer = http("POST", f"/v2/{queue}/tasks", body, headers={"Content-Encoding": "gzip"})
    error = error_of(answer, 400, "INVALID_ARGUMENT")
    assert error["message"] == "The body is not valid gzip, which its Content-Encoding names."


def test_a_gzip_bomb_is_refused(http, queue):
    bomb = gzip.compress(bytes(REQUEST_SIZE + 1))
    answer = http("POST", f"/v2/{queue}/tasks", bomb, headers={"Content-Encoding": "gzip"})
    error = error_of(answer, 400, "INVALID_ARGUMENT")
    assert error["message"] == f"Request payload size exceeds the limit: {REQUEST_SIZE} bytes."


def test_a_gzip_bomb_costs_no_more_memory_than_the_limit():
    bomb, limit = gzip.compress(bytes(64 << 20)), 1 << 20
    tracemalloc.start()
    with pytest.raises(InvalidArgument):
        request_body.decompress(bomb, "gzip", limit)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * limit


def test_a_body_may_fill_the_limit():
    content = bytes(1 << 20)
    assert request_body.decompress(gzip.compress(content), "gzip", len(content)) == content
    assert request_body.decompress(b"", "gzip", 0) == b""
