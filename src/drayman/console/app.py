"""The console: requests of browsers to pages and changes, by a table of routes.

A form is taken if it has the token of its session's pages (``sessions``). A change that is refused
shows its page again, with the error in the words of the API.
"""

import re
import urllib.parse
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from drayman.access.caller import Caller
from drayman.access.control import API_KEY, AUTHORIZATION, Fields
from drayman.access.members import EVERYONE
from drayman.api import request_body
from drayman.api.calls import InternalError
from drayman.api.context import Context
from drayman.api.path_patterns import compile_path
from drayman.api.request import Request
from drayman.console import actions, rendering, responses, sessions, views
from drayman.console.calls import Calls
from drayman.console.page import PREFIX, Form, History, PageRequest, View, parse_fields, url
from drayman.console.responses import PageResponse
from drayman.console.sessions import Sessions
from drayman.core import errors, status
from drayman.core.errors import ServiceError
from drayman.core.events import CallCrashed
from drayman.core.limits import PLAIN_REQUEST_SIZE
from drayman.core.role import INSPECTION

FORM_SIZE = PLAIN_REQUEST_SIZE
"""The most bytes of a form."""
_SIGN_IN_SIZE = 16 << 10
"""The same for callers who are not known yet."""
_EXPANSION = 8
"""How much larger a form is while it is parsed."""
_ROOTS = frozenset({"/", "/console"})
_STATIC = f"{PREFIX}static/"
_SIGN_IN, _SIGN_OUT = f"{PREFIX}sign-in", f"{PREFIX}sign-out"
_READ_ONLY = "The console is read-only: the server was started with --console read-only."
_WRONG_TOKEN = "The page is out of date. Load it again, then repeat what you did."  # noqa: S105 - no password
_SIGNED_OUT = (errors.Unauthenticated, errors.InvalidArgument)
"""What authentication raises for credentials that are missing or no longer valid."""

_Page = Callable[[PageRequest], Awaitable[View]]


class Route(NamedTuple):
    """A route.

    Attributes:
        path: Its path below ``PREFIX``, with names in braces for what varies.
        page: Returns the page; for a change, the page on which its errors are shown.
        action: Makes the change; None for a page.
    """

    path: str
    page: _Page
    action: actions.Action | None = None


_QUEUE, _TASK = "{queue}", "{queue}/tasks/{task_id}"
ROUTES = (
    Route("", views.queues),
    Route("new-queue", views.new_queue),
    Route("new-queue", views.new_queue, actions.create_queue),
    Route(_QUEUE, views.queue),
    Route(f"{_QUEUE}/attempts", views.attempts),
    Route(f"{_QUEUE}/deadLetters", views.dead_letters),
    Route(f"{_QUEUE}/settings", views.settings),
    Route(f"{_QUEUE}/new-task", views.new_task),
    Route(f"{_QUEUE}/pause", views.queue, actions.pause),
    Route(f"{_QUEUE}/resume", views.queue, actions.resume),
    Route(f"{_QUEUE}/purge", views.queue, actions.purge),
    Route(f"{_QUEUE}/delete", views.queue, actions.delete_queue),
    Route(f"{_QUEUE}/settings", views.settings, actions.save_settings),
    Route(f"{_QUEUE}/new-task", views.new_task, actions.create_task),
    Route(f"{_QUEUE}/deadLetters/replay", views.dead_letters, actions.replay),
    Route(f"{_QUEUE}/deadLetters/delete", views.dead_letters, actions.delete_letters),
    Route(f"{_QUEUE}/deadLetters/{{task_id}}", views.dead_letter),
    Route(_TASK, views.task),
    Route(f"{_TASK}/run", views.task, actions.run_task),
    Route(f"{_TASK}/delete", views.task, actions.delete_task),
)
_PATTERNS = [(compile_path(route.path), route) for route in ROUTES]


class _Received(NamedTuple):
    """A received request with its session and its credentials.

    Attributes:
        request: The request.
        path: Its path without percent signs.
        session_id: The id in its cookie, "" for none.
        fields: The header fields that authenticate its calls.
    """

    request: Request
    path: str
    session_id: str
    fields: Fields

    @property
    def is_change(self) -> bool:
        """Whether the request is a form that was sent."""
        return self.request.method == "POST"


class Console:
    """The pages of a server.

    Args:
        context: What every call needs.
        is_full: Whether it offers and takes changes.
        history: Returns what ended in each bucket of the last minutes, in a queue.
        is_tls: Whether browsers reach the server over TLS alone.
    """

    takes_forms = True

    def __init__(
        self, context: Context, *, is_full: bool, history: History, is_tls: bool = False
    ) -> None:
        self._context = context
        self._is_full = is_full
        self._history = history
        self._is_tls = is_tls
        self._sessions = Sessions()

    def serves(self, request: Request) -> bool:
        """Return whether a path is one of the console's; ``/`` is one for browsers alone."""
        return request.path.startswith(PREFIX) or (
            request.path in _ROOTS and b"text/html" in request.fields.get(b"accept", b"")
        )

    async def answer(self, request: Request) -> PageResponse:
        """Return the response to a request."""
        path = urllib.parse.unquote(request.path)
        if path in _ROOTS:
            return responses.redirect(PREFIX)
        received = self._with_session(request, path)
        try:
            if path.startswith(_STATIC):
                return _static(path)
            return await self._answer(received)
        except ServiceError as error:
            return self._page(received, None, error, View("error.html", {}))
        except Exception as error:  # noqa: BLE001 - whatever it is, the browser gets a page
            self._context.emit(CallCrashed("Console", error, self._context.clock.now()))
            crash = InternalError("Internal error; the server's log has the details.")
            return self._page(received, None, crash, View("error.html", {}))

    def refuse(self, request: Request, error: ServiceError) -> PageResponse:
        """Return the page for a form that is not received, such as one that is too large."""
        received = self._with_session(request, urllib.parse.unquote(request.path))
        return self._page(received, None, error, View("error.html", {}))

    def _with_session(self, request: Request, path: str) -> _Received:
        session_id, fields = sessions.session_id(request.fields), request.fields
        session = self._sessions.find(session_id, self._context.clock.now())
        if session and not {AUTHORIZATION, API_KEY} & fields.keys():
            fields = {**fields, **session.fields}
        return _Received(request, path, session_id, fields)

    async def _answer(self, received: _Received) -> PageResponse:
        if received.is_change and received.path == _SIGN_IN:
            return await self._sign_in(received)
        calls = Calls(self._context, received.fields)
        try:
            await calls.caller()
        except _SIGNED_OUT as error:
            return self._sign_in_page(received, received.request.path, error)
        form = await self._form(received, FORM_SIZE) if received.is_change else {}
        if received.is_change and received.path == _SIGN_OUT:
            self._sessions.close(received.session_id)
            return responses.redirect(PREFIX, sessions.cookie("", secure=self._is_secure(received)))
        return await self._serve(received, calls, form)

    async def _form(self, received: _Received, limit: int) -> Form:
        """Return the fields of a form.

        InvalidArgument if it is too large or malformed, PermissionDenied if it is not from a page
        of its session.
        """
        content, offload = received.request.content, self._context.offload
        request_body.check_size(len(content), limit)
        async with offload.requests.admit(_EXPANSION * len(content)):
            form = await offload.run(len(content), _parse_form, content)
        if not self._sessions.accepts(received.session_id, form.get("form_token", [""])[-1]):
            raise errors.PermissionDenied(_WRONG_TOKEN)
        return form

    async def _serve(self, received: _Received, calls: Calls, form: Form) -> PageResponse:
        route, request = self._route(received, calls, form)
        error = None
        if route.action is not None:
            try:
                self._check_full()
                return responses.redirect((await route.action(request)).url)
            except ServiceError as refusal:
                error = refusal
        try:
            view = await route.page(request)
        except ServiceError as refusal:
            view, error = View("error.html", {}), error or refusal
        return self._page(received, await calls.caller(), error, view)

    def _check_full(self) -> None:
        if not self._is_full:
            raise errors.PermissionDenied(_READ_ONLY)

    def _route(self, received: _Received, calls: Calls, form: Form) -> tuple[Route, PageRequest]:
        """Return the route of a request, and the request as pages take it. NotFound."""
        path, methods = received.path.removeprefix(PREFIX), {"POST"}
        if not received.is_change:
            methods = {"GET", "HEAD"}
        for pattern, route in _PATTERNS:
            match = pattern.fullmatch(path)
            is_served = (route.action is not None) == received.is_change
            if match and is_served and received.request.method in methods:
                return route, self._page_request(received, calls, form, **match.groupdict())
        raise errors.NotFound(f"The console has no page {received.path[:200]}.")

    def _page_request(
        self, received: _Received, calls: Calls, form: Form, queue: str = "", task_id: str = ""
    ) -> PageRequest:
        return PageRequest(
            calls=calls,
            queue=queue,
            task_id=task_id,
            query=_query(received.request),
            form=form,
            now=self._context.clock.now(),
            is_full=self._is_full,
            history=self._history,
        )

    async def _sign_in(self, received: _Received) -> PageResponse:
        """Open a session, and end the one before it, if the credentials are valid."""
        form = await self._form(received, _SIGN_IN_SIZE)
        next_path = _own_path(form.get("next", [""])[-1])
        fields = sessions.credentials(form.get("credentials", [""])[-1])
        try:
            await Calls(self._context, fields).caller()
        except ServiceError as error:
            return self._sign_in_page(received, next_path, error)
        self._sessions.close(received.session_id)
        session_id = self._sessions.open(fields, self._context.clock.now())
        cookie = sessions.cookie(session_id, secure=self._is_secure(received))
        return responses.redirect(next_path, cookie)

    def _sign_in_page(
        self, received: _Received, next_path: str, error: ServiceError
    ) -> PageResponse:
        view = View("sign_in.html", {"next": next_path})
        is_first = isinstance(error, errors.Unauthenticated) and received.path != _SIGN_IN
        return self._page(received, None, error, view, shows_error=not is_first)

    def _page(
        self,
        received: _Received,
        caller: Caller | None,
        error: ServiceError | None,
        view: View,
        *,
        shows_error: bool = True,
    ) -> PageResponse:
        code = 200 if error is None else status.HTTP_STATUS[error.code]
        values = view.values | {
            "error": error if shows_error else None,
            "notice": _notice(received.request),
            "caller": _name(caller),
            "is_full": self._is_full,
            "delivers": self._context.role is not INSPECTION,
            "form_token": self._sessions.form_token(received.session_id),
            "now": self._context.clock.now(),
            "poll_url": _poll_url(received),
        }
        return responses.html(code, rendering.render(view.template, values))

    def _is_secure(self, received: _Received) -> bool:
        """Return whether the browser speaks TLS, with the server or with a proxy before it."""
        return self._is_tls or received.request.field(b"x-forwarded-proto") == "https"


def _static(path: str) -> PageResponse:
    """Return a static file. NotFound."""
    file = rendering.static_files().get(path.removeprefix(_STATIC))
    if file is None:
        raise errors.NotFound(f"The console has no file {path[:200]}.")
    return responses.static_file(file.content, file.content_type)


def _parse_form(content: bytes) -> Form:
    return parse_fields(content.decode(errors="replace"))


def _query(request: Request) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_fields(request.query).items()}


def _notice(request: Request) -> str:
    """Return the notice that the query names, "" for none or an unknown one."""
    try:
        query = _query(request)
    except ServiceError:
        return ""
    key, count = query.get("notice", ""), query.get("count", "")
    text = actions.NOTICES.get(key, "")
    is_counted = key in actions.COUNTED and count.isdecimal()
    return f"{text} {int(count[:9])}." if is_counted else text


def _poll_url(received: _Received) -> str:
    """Return the URL that a page loads its live part from: its own, without notices."""
    try:
        query = _query(received.request)
    except ServiceError:
        query = {}
    filters = {name: query[name] for name in ("parent", "code", "pageToken") if name in query}
    return url(received.path.removeprefix(PREFIX), **filters)


def _own_path(text: str) -> str:
    """Return a path of the console; its first page if the text is another URL."""
    return text if re.fullmatch(r"/console/[!-~]*", text) else PREFIX


def _name(caller: Caller | None) -> str:
    """Return the name of a caller without its kind, "" if callers are not authenticated."""
    members = sorted(caller.members - EVERYONE) if caller else []
    return next((member.partition(":")[2] for member in members), "")
