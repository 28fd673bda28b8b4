"""Redirects of HTTP targets (recorded: redirects; beyond it the Fetch standard)."""

import ipaddress

import jwt
import pytest
from dispatch_world import HANG
from peers import Peer, answering, post

from drayman.core import delivery
from drayman.core.clock import SECOND
from drayman.core.delivery import Failure, NoResponse, Request, Response
from drayman.core.target_policy import TargetPolicy, TargetSet
from drayman.dispatch import redirects
from drayman.dispatch.redirects import MAX_LOCATION_SIZE, MAX_REDIRECTS
from drayman.dispatch.sender import HttpSender

URL = "https://a.example/x/y?z=1"
HEADERS = {
    "Authorization": "Bearer t", "Cookie": "c", "Content-Type": "text/plain",
    "content-encoding": "gzip", "X-CloudTasks-QueueName": "q", "X-Own": "1",
}  # fmt: skip


def to(location, status=302):
    return Response(status, {"location": location})


def follow(response, method="POST", url=URL, body=b"body"):
    return redirects.follow(Request(method, url, HEADERS, body), response)


def test_a_post_answered_302_is_followed_as_get():
    """Recorded: redirects."""
    following = follow(to("/done"))
    assert (following.method, following.url) == ("GET", "https://a.example/done")
    assert following.body == b""


def test_a_redirect_without_a_location_is_not_followed():
    """Recorded: redirects."""
    assert follow(Response(301)) is None
    assert follow(to("")) is None


@pytest.mark.parametrize("status", [200, 201, 300, 304, 305, 306, 400, 500])
def test_other_statuses_are_not_followed(status):
    assert follow(to("/x", status)) is None
    assert follow(NoResponse(Failure.CONNECTION, "refused")) is None


@pytest.mark.parametrize(
    ("status", "method", "next_method"),
    [
        (301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"),
        (307, "POST", "POST"), (308, "POST", "POST"),
        (301, "PUT", "PUT"), (302, "DELETE", "DELETE"), (303, "PUT", "GET"), (303, "DELETE", "GET"),
        (303, "PATCH", "GET"), (303, "OPTIONS", "GET"), (302, "PATCH", "PATCH"),
        (302, "HEAD", "HEAD"), (303, "HEAD", "HEAD"), (303, "GET", "GET"), (307, "PUT", "PUT"),
    ],
)  # fmt: skip
def test_the_method_follows_the_table(status, method, next_method):
    following = follow(to("/x", status), method)
    as_get = method not in {next_method, "HEAD"}
    assert following.method == next_method
    assert following.body == (b"" if as_get else b"body")
    sent = {"Content-Type", "content-encoding"} & set(following.headers)
    assert len(sent) == (0 if as_get else 2)
    assert following.headers["X-Own"] == "1"


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/z", "https://a.example/z"),
        ("z?q=1", "https://a.example/x/z?q=1"),
        ("?q=1", "https://a.example/x/y?q=1"),
        ("https://a.example:443/z#part", "https://a.example:443/z"),
        ("HTTPS://A.example/z", "https://A.example/z"),
        ("//a.example/z", "https://a.example/z"),
        ("https://u:p@a.example/z", "https://a.example/z"),
        ("/\u00c3\u00a9", "https://a.example/%C3%A9"),
        ("/\u00e9", "https://a.example/%C3%A9"),
        ("/a b", "https://a.example/a%20b"),
    ],
)
def test_authorization_stays_with_the_origin(location, url):
    following = follow(to(location, 307))
    assert following.url == url
    assert following.headers == HEADERS


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://b.example/z", "https://b.example/z"),
        ("//b.example/z", "https://b.example/z"),
        ("http://a.example/z", "http://a.example/z"),
        ("https://a.example:444/", "https://a.example:444/"),
        ("https://sub.a.example/", "https://sub.a.example/"),
        ("https://b.example\u00c3\u00bc/", "https://b.xn--example-t2a/"),
    ],
)
def test_authorization_and_cookies_go_to_no_other_origin(location, url):
    following = follow(to(location, 307))
    assert following.url == url
    names = HEADERS.keys() - following.headers.keys()
    assert names == {"Authorization", "Cookie"}
    back = redirects.follow(following, to(URL, 307))
    assert (back.url, back.headers) == (URL, following.headers)


@pytest.mark.parametrize(
    "location",
    ["ftp://a.example/", "javascript:1", "mailto:a@b", "http://", "http://[", "https://a.example:99999/",
     "http://127.1/", "http:///x", "/" + "x" * MAX_LOCATION_SIZE],
)  # fmt: skip
def test_what_no_request_can_be_sent_to_is_not_followed(location):
    assert follow(to(location)) is None


async def test_the_last_response_decides(world):
    name = await world.task(await world.queue(), body=b"x", headers={"Content-Type": "a/b"})
    world.targets.will(to("/login"), to("https://b.example/", 307), 200)
    await world.run()
    assert await world.gone(name)
    assert [(each.method, each.url) for each in world.requests] == [
        ("POST", "https://worker.example/do?it=1"),
        ("GET", "https://worker.example/login"),
        ("GET", "https://b.example/"),
    ]
    assert {each.headers["X-CloudTasks-TaskRetryCount"] for each in world.requests} == {"0"}
    assert "Content-Type" not in world.requests[1].headers


async def test_a_301_without_location_is_a_failed_attempt(world):
    """Recorded: redirects, and response status of the last attempt."""
    name = await world.task(await world.queue())
    world.targets.will(301)
    await world.run()
    task = await world.get(name)
    assert task.last_attempt.message == "UNKNOWN(2): HTTP status code 301"
    assert (task.dispatch_count, task.response_count) == (1, 1)


async def test_redirects_without_end_are_a_failed_attempt(world):
    name = await world.task(await world.queue())
    world.targets.otherwise = to("/again")
    await world.run()
    assert len(world.requests) == 1 + MAX_REDIRECTS
    task = await world.get(name)
    assert task.last_attempt.message == "UNKNOWN(2): HTTP status code 302"
    assert (task.dispatch_count, task.response_count) == (1, 1)


async def test_all_requests_share_the_deadline(world):
    name = await world.task(await world.queue(), of_task={"dispatch_deadline": {"seconds": 15}})
    world.targets.will(to("/slow"), HANG)
    await world.step()
    await world.targets.arrived(2)
    world.clock.advance(15 * SECOND)
    await world.dispatcher.drain()
    assert (await world.get(name)).last_attempt.message == (
        "DEADLINE_EXCEEDED(4): HTTP status code 504"
    )


async def test_a_bearer_token_keeps_its_audience_and_its_origin(world):
    token = {"service_account_email": "a@example.com"}
    await world.task(await world.queue(), oidc_token=token)
    world.targets.will(to("/next", 307), to("https://b.example/", 307))
    await world.run()
    first, second, third = (each.headers.get("Authorization") for each in world.requests)
    assert first == second
    payload = jwt.decode(first.removeprefix("Bearer "), options={"verify_signature": False})
    assert payload["aud"] == "https://worker.example/do?it=1"
    assert third is None


async def test_redirects_of_app_engine_targets_are_not_followed(world):
    world.start(app_engine={"": "http://app.example"})
    name = await world.task(await world.queue(), app_engine=True, url="/x")
    world.targets.will(to("/y"))
    await world.run()
    assert len(world.requests) == 1
    assert (await world.get(name)).last_attempt.message == "UNKNOWN(2): HTTP status code 302"
    assert not delivery.follows_redirects(delivery.Kind.APP_ENGINE)


async def test_the_policy_is_asked_about_the_address_of_each_hop():
    denied = TargetSet(networks=(ipaddress.ip_network("127.0.0.2"),))
    sender = HttpSender(policy=TargetPolicy(deny=denied))
    async with Peer() as final:
        location = final.url.replace("127.0.0.1", "127.0.0.2")
        head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        async with answering(head.encode()) as peer:
            request = post(peer.url)
            result = await redirects.follow_all(sender, request, await sender.send(request))
        assert final.connections == 0
    await sender.close()
    assert result == NoResponse(Failure.FORBIDDEN, "the target is not allowed: 127.0.0.2 is denied")
