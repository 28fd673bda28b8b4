"""Tasks are delivered into an application in the process, without a socket."""

import asyncio
import threading
import wsgiref.validate

import fastapi
import pytest
import starlette.applications
import starlette.responses
import starlette.routing
from moments import URL

from drayman import tasks


def wsgi(respond):
    """Return a WSGI application that is checked against the specification."""

    def app(environ, start_response):
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0))
        status = respond(environ, body)
        start_response(f"{status} Status", [("Content-Type", "text/plain")])
        return [b"done"]

    return wsgiref.validate.validator(app)


def test_a_wsgi_application_gets_the_request(still, enqueue):
    seen = []

    def respond(environ, body):
        seen.append((environ, body, threading.current_thread()))
        return 200

    still.deliver_to(wsgi(respond))
    enqueue("https://app.example:8443/a%20b?x=1", body=b"hello", headers={"X-A": "b"})
    still.run_all()
    ((environ, body, thread),) = seen
    assert (environ["REQUEST_METHOD"], environ["PATH_INFO"]) == ("POST", "/a b")
    assert (environ["QUERY_STRING"], environ["wsgi.url_scheme"]) == ("x=1", "https")
    assert (environ["HTTP_HOST"], environ["SERVER_PORT"]) == ("app.example:8443", "8443")
    assert (environ["HTTP_X_A"], environ["HTTP_X_CLOUDTASKS_QUEUENAME"]) == ("b", "mail")
    assert body == b"hello"
    assert thread is threading.current_thread()  # which may hold a transaction


def test_a_wsgi_application_decides_about_retries(still, enqueue):
    answers = [503, 500, 200]
    still.deliver_to(wsgi(lambda *_: answers.pop(0)))
    enqueue()
    assert still.run_all() == 3
    assert [delivery.status for delivery in still.deliveries] == [503, 500, 200]


def test_a_wsgi_application_can_enqueue(still, enqueue):
    def respond(environ, _body):
        if environ["PATH_INFO"] == "/mail":
            enqueue("https://app.example/receipt")
        return 200

    still.deliver_to(wsgi(respond))
    enqueue()
    assert still.run_all() == 2
    still.assert_delivered(url="*/receipt")


def test_an_asgi_application_gets_the_request(still, enqueue):
    seen = []

    async def work(request):
        seen.append((request, await request.body()))
        return starlette.responses.Response(status_code=201)

    route = starlette.routing.Route("/{name}", work, methods=["POST"])
    still.deliver_to(starlette.applications.Starlette(routes=[route]), "https://app.example/*")
    enqueue("https://app.example/a%20b?x=1", body=b"hello", headers={"X-A": "b"})
    still.run_all()
    ((request, body),) = seen
    assert (request.method, str(request.base_url)) == ("POST", "https://app.example/")
    assert (request.path_params, request.url.query) == ({"name": "a b"}, "x=1")
    assert request.headers["x-a"] == "b"
    assert request.headers["content-length"] == "5"
    assert body == b"hello"
    still.assert_delivered(status=201, count=1)


def app_of(*paths):
    """Return an application that counts requests by path and fails the first of each."""
    app, seen = fastapi.FastAPI(), []
    for path in paths:

        @app.post(path)
        def work(message: dict, path=path) -> None:
            seen.append((path, message["to"]))
            if seen.count(seen[-1]) == 1:
                raise fastapi.HTTPException(503)

    return app, seen


def test_an_application_of_fastapi_retries_until_success(still, enqueue):
    app, seen = app_of("/mail")
    still.deliver_to(app)
    enqueue(json={"to": "ada"})
    assert still.run_all() == 2
    assert seen == [("/mail", "ada")] * 2
    still.assert_delivered(url=URL, status=503, count=1)
    still.assert_delivered(url=URL, status=200, count=1)


def test_what_an_application_raises_is_a_500_and_recorded(still, enqueue):
    async def fail(_request):
        raise KeyError("missing")

    route = starlette.routing.Route("/mail", fail, methods=["POST"])
    still.deliver_to(starlette.applications.Starlette(routes=[route]))
    enqueue()
    still.run_next()
    (delivery,) = still.deliveries
    assert delivery.status == 500
    assert isinstance(delivery.error, KeyError)


def test_an_application_that_sends_nothing_fails(still, enqueue):
    async def silent(_scope, _receive, _send):
        pass

    still.deliver_to(silent)
    enqueue()
    still.run_next()
    (delivery,) = still.deliveries
    assert "sent no response" in str(delivery.error)


async def test_a_response_that_is_streamed_is_sent_to_its_end(async_cloud_tasks):
    ended = []

    async def chunks():
        yield b"first"
        await asyncio.to_thread(lambda: None)  # the loop goes on meanwhile
        yield b"last"
        ended.append(True)

    async def stream(_request):
        return starlette.responses.StreamingResponse(chunks())

    route = starlette.routing.Route("/mail", stream, methods=["POST"])
    async_cloud_tasks.deliver_to(starlette.applications.Starlette(routes=[route]))
    async with async_cloud_tasks.async_client() as client:
        queue = async_cloud_tasks.queue("mail")
        await client.create_task(parent=queue, task=tasks.http_task(URL))
    await async_cloud_tasks.run_all()
    async_cloud_tasks.assert_delivered(status=200, count=1)
    assert ended == [True]


def test_the_caller_disconnects_once_the_response_is_complete(still, enqueue):
    events = []

    async def app(_scope, receive, send):
        events.append((await receive())["type"])
        disconnect = asyncio.create_task(receive())
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await asyncio.to_thread(lambda: None)
        events.append(disconnect.done())
        await send({"type": "http.response.body", "body": b"last"})
        events.append((await disconnect)["type"])

    still.deliver_to(app)
    enqueue()
    still.run_all()
    still.assert_delivered(status=201, count=1)
    assert events == ["http.request", False, "http.disconnect"]


def test_rules_go_before_an_application_that_was_set_earlier(still, enqueue):
    app, seen = app_of("/mail")
    still.deliver_to(app)
    still.respond("*", [500])
    enqueue(json={"to": "ada"})
    assert still.run_all() == 3
    assert len(seen) == 2


async def test_an_application_runs_in_the_loop_of_an_async_test(async_cloud_tasks):
    client = async_cloud_tasks.async_client()
    threads = []

    async def work(request):
        threads.append(threading.current_thread())
        if request.url.path == "/mail":
            await create("https://app.example/receipt")
        return starlette.responses.Response()

    async def create(url):
        await client.create_task(parent=async_cloud_tasks.queue("mail"), task=tasks.http_task(url))

    route = starlette.routing.Route("/{name}", work, methods=["POST"])
    async_cloud_tasks.deliver_to(starlette.applications.Starlette(routes=[route]))
    async with client:
        await create(URL)
        assert await async_cloud_tasks.run_all() == 2
    assert threads == [threading.current_thread()] * 2


def test_what_is_no_application_is_refused_at_once(still):
    with pytest.raises(TypeError, match="'app' is neither an ASGI nor a WSGI application"):
        still.deliver_to("app")
