"""Targets respond as a test says, and every request is recorded."""

import asyncio
import datetime

import jwt
import pytest
from moments import START, URL

from drayman.testing import CONNECTION_ERROR, TIMEOUT, Reply, Server


def statuses(server):
    return [delivery.status for delivery in server.deliveries]


def test_a_target_without_a_rule_responds_with_200(still, enqueue):
    enqueue()
    still.run_all()
    still.assert_delivered(status=200, count=1)


def test_a_delivery_has_what_was_sent(still, enqueue):
    name = enqueue(json={"to": "ada"}, headers={"X-A": "b"})
    still.run_all()
    (delivery,) = still.deliveries
    assert (delivery.method, delivery.url) == ("POST", URL)
    assert (delivery.json, delivery.body) == ({"to": "ada"}, b'{"to":"ada"}')
    assert delivery.headers["X-A"] == "b"
    assert delivery.headers["X-CloudTasks-TaskRetryCount"] == "0"
    assert (delivery.queue, delivery.task) == ("mail", name.rpartition("/")[2])
    assert (delivery.time, delivery.retry_count, delivery.error) == (START, 0, None)


def test_a_sequence_is_one_answer_for_each_request_and_then_the_other_rules(still, enqueue):
    still.respond("*", 404)
    still.respond("*/mail", [503, Reply(500), lambda _: None])
    enqueue()
    still.run_all()
    enqueue()
    still.run_next()
    assert statuses(still) == [503, 500, 200, 404]


def test_the_rule_that_was_set_last_has_precedence(still, enqueue):
    still.respond("https://app.example/*", 500)
    still.respond("https://app.example/mail", 204)
    enqueue()
    enqueue("https://app.example/mail?x=1")
    still.run_next(), still.run_next()
    assert sorted(statuses(still)) == [204, 500]


@pytest.mark.parametrize("url", ["https://a.example/x?y=[1]", "https://a.example/x(1).z"])
def test_only_the_star_is_special_in_a_pattern(still, enqueue, url):
    still.respond(url, 201)
    enqueue(url)
    still.run_all()
    assert statuses(still) == [201]


def test_the_answer_for_all_requests_stays(still, enqueue):
    still.queue("mail", max_attempts=3)
    still.respond("*", 500)
    enqueue()
    still.run_all()
    assert statuses(still) == [500, 500, 500]


def test_a_connection_error_is_retried(still, enqueue):
    still.respond("*", [CONNECTION_ERROR])
    enqueue()
    assert still.run_all() == 2
    first, second = still.deliveries
    assert (first.status, first.error) == (None, CONNECTION_ERROR)
    assert (second.status, second.retry_count) == (200, 1)


def test_a_time_out_is_retried_after_its_deadline(still, enqueue):
    still.respond("*", [TIMEOUT])
    enqueue(deadline=30)
    still.run_all()
    first, second = still.deliveries
    assert (first.status, first.error) == (None, TIMEOUT)
    assert (second.time - first.time).total_seconds() == pytest.approx(30.1)


def test_a_handler_gets_the_delivery_and_returns_the_answer(still, enqueue):
    seen = []

    def handler(delivery):
        seen.append(delivery)
        return 503 if len(seen) == 1 else Reply(200)

    still.respond("*", handler)
    enqueue()
    still.run_all()
    assert seen == still.deliveries
    assert statuses(still) == [503, 200]


def test_a_handler_may_be_a_coroutine_function(still, enqueue):
    async def handler(_delivery):
        return 202

    still.respond("*", handler)
    enqueue()
    still.run_all()
    assert statuses(still) == [202]


def test_what_a_handler_raises_is_a_500_and_recorded(still, enqueue):
    still.respond("*", [lambda _: {}["missing"]])
    enqueue()
    assert still.run_all() == 2
    first, second = still.deliveries
    assert first.status == 500
    assert isinstance(first.error, KeyError)
    assert second.status == 200


def test_a_handler_can_end_the_test(still, enqueue):
    still.respond("*", lambda _: pytest.fail("not this one"))
    enqueue()
    with pytest.raises(pytest.fail.Exception, match="not this one"):
        still.run_all()


async def fail_async(_delivery):
    pytest.fail("not this one")


def fail(_delivery):
    pytest.fail("not this one")


def test_a_coroutine_handler_can_end_the_test(still, enqueue):
    still.respond("*", [fail_async])
    enqueue()
    with pytest.raises(pytest.fail.Exception, match="not this one"):
        still.run_all()
    assert still.run_all() == 1  # the retry


@pytest.mark.parametrize("handler", [fail, fail_async])
async def test_a_handler_can_end_a_test_in_an_event_loop(async_cloud_tasks, enqueue, handler):
    async_cloud_tasks.respond("*", [handler])
    enqueue()
    with pytest.raises(pytest.fail.Exception, match="not this one"):
        await async_cloud_tasks.run_all()
    assert await async_cloud_tasks.run_all() == 1  # the retry
    assert str(async_cloud_tasks.deliveries[0].error).startswith("the handler was ended by ")


async def cancel_itself(_delivery):
    raise asyncio.CancelledError


def raise_cancelled(_delivery):
    raise asyncio.CancelledError


@pytest.mark.parametrize("handler", [cancel_itself, raise_cancelled])
def test_a_handler_that_cancels_itself_fails(still, enqueue, handler):
    still.respond("*", [handler])
    enqueue()
    assert still.run_all() == 2
    assert statuses(still) == [500, 200]
    assert isinstance(still.deliveries[0].error, asyncio.CancelledError)


def test_headers_of_a_reply_count(still, enqueue):
    still.respond("*", [Reply(503, {"Retry-After": "90"})])
    enqueue()
    still.run_all()
    first, second = still.deliveries
    assert (second.time - first.time).total_seconds() >= 90


def test_a_redirect_is_followed(still, enqueue):
    still.respond("*/mail", Reply(307, {"Location": "https://b.example/other"}))
    enqueue()
    still.run_all()
    assert [delivery.url for delivery in still.deliveries] == [URL, "https://b.example/other"]


def test_tokens_are_issued_by_the_clock_of_the_test_also_after_a_reset(still, enqueue):
    times = []
    for days in (0, 5, 0):
        still.reset(START + datetime.timedelta(days=days))
        enqueue(oidc="robot@p.example")
        still.run_all()
        (delivery,) = still.deliveries
        token = delivery.headers["Authorization"].removeprefix("Bearer ")
        issued = jwt.decode(token, options={"verify_signature": False})["iat"]
        times.append(issued - START.timestamp())
    assert times == [0, 5 * 86_400, 0]


def test_app_engine_tasks_go_to_the_url_of_their_service():
    with Server(app_engine_target=["https://app.example"]) as server:
        request = {"app_engine_http_request": {"relative_uri": "/work"}}
        server.client().create_task(parent=server.queue("mail"), task=request)
        server.run_all()
        (delivery,) = server.assert_delivered(queue="mail", url="https://app.example/work")
        assert delivery.headers["X-AppEngine-TaskRetryCount"] == "0"


def test_app_engine_tasks_are_delivered_without_settings_too(cloud_tasks):
    request = {"app_engine_http_request": {"relative_uri": "/work"}}
    cloud_tasks.client().create_task(parent=cloud_tasks.queue("mail"), task=request)
    assert cloud_tasks.run_all() == 1
    cloud_tasks.assert_delivered(url="https://app-engine.example/work", status=200)


@pytest.mark.parametrize("answer", [99, 600, [200, 0], Reply(1000)])
def test_a_status_that_no_response_has_is_refused_at_once(still, answer):
    with pytest.raises(ValueError, match="is no status of a response: 200 to 599"):
        still.respond("*", answer)


@pytest.mark.parametrize("answer", ["503", True, None, [200, "503"]])
def test_what_is_no_answer_is_refused_at_once(still, answer):
    with pytest.raises(TypeError, match="is no answer of a target: a status, a Reply, TIMEOUT"):
        still.respond("*", answer)


def test_what_a_handler_returns_must_be_an_answer(still, enqueue):
    still.respond("*", [lambda _: "ok"])
    enqueue()
    still.run_next()
    (delivery,) = still.deliveries
    assert delivery.status == 500
    assert str(delivery.error).startswith("'ok' is no answer of a target: ")


REPLIES = [
    (Reply(body="text"), "the body of a Reply is bytes, not str"),
    (Reply(headers=None), "the headers of a Reply are a mapping of str to str, not None"),
    (Reply(headers=[("A", "b")]), "the headers of a Reply are a mapping of str to str, not "),
    (Reply(429, {"Retry-After": 30}), "the headers of a Reply are a mapping of str to str, not "),
    (Reply("503"), "the status of a Reply is a number, not '503'"),
]


@pytest.mark.parametrize(("reply", "message"), REPLIES)
def test_a_reply_that_cannot_be_sent_is_refused(still, enqueue, reply, message):
    with pytest.raises(TypeError, match=message):
        still.respond("*", reply)
    still.respond("*", [lambda _: reply])
    enqueue()
    still.run_next()
    (delivery,) = still.deliveries
    assert str(delivery.error).startswith(message)


def test_a_handler_that_returns_a_function_fails(still, enqueue):
    still.respond("*", [lambda _: len])
    enqueue()
    still.run_next()
    (delivery,) = still.deliveries
    assert (delivery.status, type(delivery.error)) == (500, TypeError)
    assert str(delivery.error) == (
        "<built-in function len> is no answer of a target: a status, a Reply, TIMEOUT, "
        "CONNECTION_ERROR or None"
    )
