"""The metrics of a server, read over HTTP after known traffic."""

import re
import types
import urllib.error
import urllib.request

import grpc
import pytest
from google.api_core import exceptions
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from drayman.api.http import HttpApp
from drayman.api.metrics import Metrics
from drayman.api.request import Request
from drayman.core import role
from drayman.core.clock import HOUR, SECOND
from drayman.core.events import AttemptEnded
from drayman.core.queue import Queue, creation
from drayman.core.task import NewTask
from drayman.observe import rates
from drayman.observe.metrics import METRICS, Kind
from drayman.observe.queue_counts import INTERVAL
from live import PATIENCE, LiveServer

LOCATION = "projects/p/locations/l"
QUEUE = f"{LOCATION}/queues/q"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def live():
    server = LiveServer()
    yield server
    server.stop()


@pytest.fixture
def client(live):
    client = live.client()
    yield client
    client.transport.close()


def read(live, accept="", path="/metrics", **fields):
    """Return the text of the metrics, and its type."""
    request = urllib.request.Request(f"{live.url}{path}", headers={"Accept": accept} | fields)
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return response.read().decode(), response.headers["Content-Type"]


def samples(live):
    """Return the values of all samples by their name and labels."""
    text, _ = read(live)
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def status(live, path="/metrics", method="GET", **fields):
    request = urllib.request.Request(f"{live.url}{path}", headers=fields, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def create(client, url, count=1, **fields):
    for _ in range(count):
        client.create_task(parent=QUEUE, task={"http_request": {"url": url}} | fields)


def test_known_traffic_gives_exact_counts(live, client, worker):
    client.create_queue(parent=LOCATION, queue={"name": QUEUE, "retry_config": {"max_attempts": 1}})
    worker.answers.put(404)
    create(client, worker.url, 3)
    for _ in range(3):
        worker.next()
        live.next_event(AttemptEnded)
    with pytest.raises(exceptions.NotFound):
        client.get_queue(name=f"{QUEUE}x")
    live.request("GET", f"/v2/{QUEUE}")
    values = samples(live)
    expected = {
        ("drayman_calls_total", "CreateTask", "OK"): 3,
        ("drayman_calls_total", "CreateQueue", "OK"): 1,
        ("drayman_calls_total", "GetQueue", "NOT_FOUND"): 1,
        ("drayman_calls_total", "GetQueue", "OK"): 1,
        ("drayman_call_duration_seconds_count", "CreateTask"): 3,
        ("drayman_call_duration_seconds_bucket", "+Inf", "GetQueue"): 2,
        ("drayman_tasks_created_total", QUEUE): 3,
        ("drayman_attempts_total", "completed", QUEUE): 2,
        ("drayman_attempts_total", "failed", QUEUE): 1,
        ("drayman_attempts_total", QUEUE, "retried"): 0,
        ("drayman_attempt_failures_total", "NOT_FOUND"): 1,
        ("drayman_attempt_duration_seconds_count", "completed"): 2,
        ("drayman_dispatch_lateness_seconds_count",): 3,
        ("drayman_queue_tasks", QUEUE): 0,
        ("drayman_queue_dead_letters", QUEUE): 1,
        ("drayman_queue_running", QUEUE): 1,
        ("drayman_connections", "grpc"): 1,
        ("drayman_connections_refused_total",): 0,
        ("drayman_store_healthy",): 1,
        ("drayman_store_calls", "read"): 0,
        ("drayman_store_reconnections_total",): 0,
        ("drayman_attempts_in_flight",): 0,
        ("drayman_attempt_slots",): 4000,
    }
    assert {key: values.get(key) for key in expected} == expected
    counted = {key[2] for key in values if key[0] == "drayman_calls_total"} - {"OK", "NOT_FOUND"}
    assert counted == set()
    assert values["drayman_group_commit_calls_count", "all"] > 0
    assert values["drayman_store_bytes", "used"] > 0


def test_waiting_and_due_tasks_are_counted_with_the_age_of_the_oldest(live, client):
    client.create_queue(parent=LOCATION, queue={"name": QUEUE})
    client.pause_queue(name=QUEUE)
    create(client, "http://localhost/", 2)
    live.advance(30 * SECOND)
    tomorrow = {"seconds": (live.clock.now() + HOUR) // SECOND}
    create(client, "http://localhost/", schedule_time=tomorrow)
    values = samples(live)
    assert values["drayman_queue_tasks", QUEUE] == 3
    assert values["drayman_queue_due_tasks", QUEUE] == 2
    assert values["drayman_queue_oldest_due_seconds", QUEUE] == 30
    assert values["drayman_queue_running", QUEUE] == 0


def test_counts_of_the_store_are_read_again_after_a_while(live, client):
    client.create_queue(parent=LOCATION, queue={"name": QUEUE})
    client.pause_queue(name=QUEUE)
    assert samples(live)["drayman_queue_tasks", QUEUE] == 0
    create(client, "http://localhost/")
    assert samples(live)["drayman_queue_tasks", QUEUE] == 0
    live.advance(INTERVAL)
    assert samples(live)["drayman_queue_tasks", QUEUE] == 1


def test_the_queues_with_the_most_tasks_are_named_and_all_others_are_summed(live):
    store, now = live.store, live.clock.now()
    for number in range(rates.MAX_NAMED + 50):
        name = f"{LOCATION}/queues/q{number:03}"
        live.run(store.update_queue(name, creation(Queue(name)), now))
        later = NewTask(None, now + HOUR, b"")
        live.run(store.create_tasks(name, [later] * (1 if number < 50 else 2), now))
    values = samples(live)
    names = {labels[-1] for name, *labels in values if name == "drayman_queue_tasks"}
    assert names == {*(f"{LOCATION}/queues/q{n:03}" for n in range(50, 250)), rates.OTHER}
    assert values["drayman_queue_tasks", rates.OTHER] == 50
    assert values["drayman_queue_attempts_in_flight", rates.OTHER] == 0


def test_a_deleted_queue_loses_its_series(live, client):
    client.create_queue(parent=LOCATION, queue={"name": QUEUE})
    create(client, "http://localhost/", schedule_time={"seconds": live.clock.now() // SECOND + 99})
    assert ("drayman_tasks_created_total", QUEUE) in samples(live)
    client.delete_queue(name=QUEUE)
    live.advance(INTERVAL)
    values = samples(live)
    assert not [key for key in values if QUEUE in key]
    assert ("drayman_queue_tasks", rates.OTHER) not in values


def test_every_metric_is_well_formed_in_both_formats(live):
    text, content_type = read(live)
    assert content_type.startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(text))
    assert [family.name for family in families[: len(METRICS)]] == [
        metric.full_name if metric.kind is Kind.INFO else metric.name for metric in METRICS
    ]
    assert all(family.documentation and family.type != "unknown" for family in families)
    text, content_type = read(live, OPENMETRICS)
    assert content_type.startswith(OPENMETRICS)
    names = [family.name for family in openmetrics.text_string_to_metric_families(text)]
    assert len(names) == len(set(names)) == len(families)


def test_names_follow_the_conventions_of_prometheus():
    names = [metric.full_name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert re.fullmatch(r"drayman(_[a-z]+)+", metric.full_name)
        assert metric.help.endswith(".")
        assert not metric.name.endswith(("_total", "_info", "_count", "_sum", "_bucket"))
        durations = metric.unit == SECOND
        assert durations == (metric.kind is Kind.HISTOGRAM and metric.name.endswith("_seconds"))


def test_metrics_are_off_if_they_are_switched_off():
    live = LiveServer(metrics="off")
    assert live.request("GET", "/metrics")[0] == 404
    live.stop()


def test_metrics_are_read_by_get_and_head_alone(live):
    assert status(live, method="HEAD") == 200
    assert status(live, method="POST") == 404


def test_a_server_that_only_inspects_its_store_has_metrics():
    live = LiveServer(no_dispatch="true")
    assert 'role="inspection"' in read(live)[0]
    live.stop()


async def test_a_server_that_takes_no_calls_has_metrics():
    async def exposition(accept):
        return accept.encode(), "text/plain"

    context = types.SimpleNamespace(role=role.DISPATCH, access=None)
    app = HttpApp(context, extensions=[Metrics(context, exposition, protected=True)])
    response = await app.answer(Request("GET", "/metrics", "", {b"accept": b"this"}))
    assert (response.status, response.body, response.content_type) == (200, b"this", b"text/plain")


def test_calls_that_the_edge_refuses_are_counted(live):
    with grpc.insecure_channel(live.address) as channel:
        call = channel.unary_unary("/google.cloud.tasks.v2.CloudTasks/GetQueue")
        with pytest.raises(grpc.RpcError):
            call(b"x" * (2 << 20), timeout=PATIENCE)
    assert samples(live)["drayman_calls_total", "GetQueue", "RESOURCE_EXHAUSTED"] == 1
