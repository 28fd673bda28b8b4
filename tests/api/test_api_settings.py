"""Settings that change the API: limits, locations, tokens for http URLs."""

import re
import sys

import pytest
from google.cloud.location import locations_pb2

from drayman import cli
from drayman.core.clock import DAY, SECOND
from drayman.settings import SettingsError
from live import LiveServer

URL = "http://example.com"


@pytest.fixture(scope="module")
def generous():
    live = LiveServer(
        max_dispatches_per_second="1e6",
        max_concurrent_dispatches="100000",
        task_size="4000000",
        schedule_horizon="365d",
        call_deadline="0",
        location=["here", "there"],
        allow_http_tokens="true",
    )
    yield live
    live.stop()


@pytest.fixture(scope="module", params=["grpc", "rest"])
def client(request, generous):
    with generous.client(request.param) as client:
        yield client


@pytest.fixture
def queue(client, location):
    name = f"{location.rpartition('/')[0]}/here/queues/q"
    rates = {"max_dispatches_per_second": 1e6, "max_concurrent_dispatches": 100_000}
    parent = name.partition("/queues/")[0]
    client.create_queue(parent=parent, queue={"name": name, "rate_limits": rates})
    client.pause_queue(name=name)
    return name


def test_limits_can_be_raised(client, queue, generous, refused):
    limits = client.get_queue(name=queue, timeout=1_000).rate_limits
    assert (limits.max_dispatches_per_second, limits.max_burst_size) == (1e6, 200_000)
    late = {"seconds": (generous.clock.now() + 300 * DAY) // SECOND}
    request = {"url": URL, "body": b"x" * 3_000_000}
    client.create_task(parent=queue, task={"schedule_time": late, "http_request": request})
    refused(
        "INVALID_ARGUMENT",
        "Task size too large",
        client.create_task,
        parent=queue,
        task={"http_request": {"url": URL, "body": b"x" * 4_000_000}},
    )
    rates = {"max_dispatches_per_second": 1e6 + 1}
    refused(
        "INVALID_ARGUMENT",
        "RateLimits.maxDispatchesPerSecond must be less than or equal to 1000000.",
        client.update_queue,
        queue={"name": queue, "rate_limits": rates},
    )


def test_tokens_to_http_can_be_allowed(client, queue):
    token = {"service_account_email": "a@b"}
    task = client.create_task(
        parent=queue, task={"http_request": {"url": URL, "oidc_token": token}}
    )
    assert task.http_request.oidc_token.service_account_email == "a@b"


def test_other_locations_are_refused_by_every_call(client, location, refused):
    message = "Location 'l' is not a valid location. Use ListLocations to list valid locations."
    name = f"{location}/queues/q"
    for call, arguments in [
        (client.create_queue, {"parent": location, "queue": {"name": name}}),
        (client.update_queue, {"queue": {"name": name}}),
        (client.list_queues, {"parent": location}),
        (client.get_queue, {"name": name}),
        (client.create_task, {"parent": name, "task": {"http_request": {"url": URL}}}),
        (client.get_task, {"name": f"{name}/tasks/t"}),
        (client.get_location, {"request": {"name": location}}),
    ]:
        refused("INVALID_ARGUMENT", message, call, **arguments)


def test_the_allowed_locations_are_listed(client):
    listed = client.list_locations({"name": "projects/p"}).locations
    assert [location.name for location in listed] == [
        "projects/p/locations/here",
        "projects/p/locations/there",
    ]
    first = client.list_locations({"name": "projects/p", "page_size": 1})
    second = client.list_locations(
        {"name": "projects/p", "page_size": 1, "page_token": first.next_page_token}
    )
    assert [each.location_id for each in (*first.locations, *second.locations)] == ["here", "there"]
    assert second.next_page_token == ""
    assert client.get_location({"name": "projects/p/locations/here"}) == locations_pb2.Location(
        name="projects/p/locations/here", location_id="here"
    )


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_without_the_setting_those_in_use_are_listed(clients, transport, location):
    client = clients[transport]
    project = location.partition("/locations")[0]
    assert not client.list_locations({"name": project}).locations
    for place in ("b", "a"):
        parent = f"{project}/locations/{place}"
        for queue_id in ("x", "y"):
            client.create_queue(parent=parent, queue={"name": f"{parent}/queues/{queue_id}"})
    listed = client.list_locations({"name": project}).locations
    assert [location.location_id for location in listed] == ["a", "b"]
    assert client.get_location({"name": f"{project}/locations/any"}).location_id == "any"


def test_declared_queues_must_be_in_an_allowed_location():
    message = "Location 'l' is not a valid location."
    with pytest.raises(SettingsError, match=re.escape(message)):
        LiveServer(location=["here"], queue=["projects/p/locations/l/queues/q"])


@pytest.mark.parametrize("switch", [["--allow-http-tokens"], []])
def test_a_switch_takes_no_value_on_the_command_line(monkeypatch, capsys, switch):
    ports = ["--port", "0", "--http-port", "0"]
    argv = ["drayman", "serve", "--check", "--store", "memory", *ports, *switch]
    monkeypatch.setattr(sys, "argv", [*argv, "--location", "here"])
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")  # which the command line sets for its process
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    settings = capsys.readouterr().out
    assert "location from --location" in settings
    assert ("allow-http-tokens from" in settings) == bool(switch)
