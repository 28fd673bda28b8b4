"""A server as commands use it: where it is, who calls, and its two APIs.

Calls of Cloud Tasks go over gRPC through the client library, so they work with any server. What a
Drayman server has beside them, and BufferTask, goes over HTTP.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from drayman.commands import failures, messages, output, resources, terminal

DEFAULT_PORT = 8123
_GOOGLE = ".googleapis.com"


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """Where a server is.

    Attributes:
        host: ``HOST:PORT``.
        tls: Whether connections speak TLS.
    """

    host: str
    tls: bool

    @property
    def url(self) -> str:
        """The base of the URLs of HTTP calls."""
        return f"{'https' if self.tls else 'http'}://{self.host}"

    @classmethod
    def parse(cls, text: str, *, tls: bool) -> "Address":
        """Return the address in ``--server``; UsageError.

        ``HOST`` and ``HOST:PORT`` are plain text unless ``tls``; a URL says so itself.
        """
        from drayman.tasks_v2.services.cloud_tasks import endpoint

        try:
            parsed = endpoint.parse(text, "--server", grpc=False)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        if parsed.scheme:
            return cls(parsed.target, parsed.scheme == "https")
        has_port = parsed.target == parsed.authority
        return cls(parsed.target if has_port else f"{parsed.authority}:{DEFAULT_PORT}", tls)


@dataclasses.dataclass(slots=True)
class Remote:
    """A server, with the options that all calls have in common.

    Attributes:
        address: Where it is.
        project: The project of names that are not full, None without one.
        location: The location of them.
        api_key: The API key of the caller.
        token: The bearer token of the caller.
        ca: A file with the authorities that sign the server's certificate.
        quiet: Whether nothing is asked.
        format: The form of the output, None for the command's own.
        timeout: Seconds until a call fails.
    """

    address: Address
    project: str | None
    location: str | None
    api_key: str | None
    token: str | None
    ca: str | None
    quiet: bool
    format: output.Format | None
    timeout: float = failures.TIMEOUT
    _opened: Any = None

    def queue(self, text: str) -> str:
        """Return the full name of a queue from the command line; UsageError."""
        return resources.queue_name(text, self.project, self.location)

    def task(self, text: str, queue: str | None) -> str:
        """Return the full name of a task from the command line; UsageError."""
        return resources.task_name(text, queue, self.project, self.location)

    @property
    def parent(self) -> str:
        """The full name of the location; UsageError without one."""
        return resources.location_name(self.project, self.location)

    @property
    def has_parent(self) -> bool:
        """Whether project and location are known."""
        return bool(self.project and self.location)

    @property
    def scope(self) -> str | None:
        """The full name of the location, or of the project without one; None without both."""
        if self.project is None:
            return None
        return self.parent if self.location else resources.project_name(self.project)

    def call(self, method: str, timeout: float | None = None, **request: Any) -> Any:
        """Call a method of the client library, once; return its response or pager."""
        timeout = timeout or self.timeout
        return getattr(self._client, method)(
            request=request, retry=None, timeout=timeout, metadata=tuple(self._headers.items())
        )

    def http(self, method: str, path: str, **arguments: Any) -> Any:
        """Send an HTTP request to the server; return the JSON value of its response.

        Args:
            method: The HTTP method.
            path: The path below the server's root, ``/drayman/v1/…``.
            arguments: Those of ``requests.request``: ``params``, ``json``, ``data``, ``headers``.

        Raises:
            CallError: The server has refused the call.
            UnreachableError: There is no connection to it.
            NoAnswerError: It has not answered in time.
        """
        import requests

        headers = {**self._headers, **arguments.pop("headers", {})}
        try:
            response = requests.request(
                method, f"{self.address.url}{path}", headers=headers, verify=self.ca or True,
                timeout=self.timeout, **arguments,
            )  # fmt: skip
        except requests.Timeout:
            raise failures.NoAnswerError from None
        except requests.RequestException as error:
            raise failures.UnreachableError(_innermost(error)) from None
        return _value(response)

    def page_through(self, path: str, field: str, params: dict[str, Any]) -> Iterable[Any]:
        """Yield the items of all pages of a list below ``/drayman/v1/``."""
        page: Any = {"nextPageToken": ""}
        while "nextPageToken" in page:
            page = self.http("GET", path, params=params | {"pageToken": page["nextPageToken"]})
            yield from page[field]

    def report(self, text: str, result: Any) -> None:
        """Write what was done to standard error, and the result if a form of output is chosen."""
        terminal.note(text)
        if self.format:
            output.show(result if isinstance(result, dict) else messages.value(result), self.format)

    @property
    def _headers(self) -> dict[str, str]:
        headers = {"x-goog-api-key": self.api_key} if self.api_key else {}
        return headers | ({"authorization": f"Bearer {self.token}"} if self.token else {})

    @property
    def _client(self) -> Any:
        if self._opened is None:
            self._opened = self._connect()
        return self._opened

    def _connect(self) -> Any:
        import grpc

        from drayman.tasks_v2 import CloudTasksClient
        from drayman.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

        host = self.address.host
        is_google = host.rpartition(":")[0].endswith(_GOOGLE)
        if self.address.tls and is_google and not self._headers and not self.ca:
            # With the credentials of the environment, as every client of Google's service.
            return CloudTasksClient(client_options={"api_endpoint": host})
        options = (("grpc.max_receive_message_length", -1),)
        if self.address.tls:
            roots = Path(self.ca).read_bytes() if self.ca else None
            channel = grpc.secure_channel(host, grpc.ssl_channel_credentials(roots), options)
        else:
            channel = grpc.insecure_channel(host, options)
        return CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))

    def close(self) -> None:
        """Close the connection."""
        if self._opened is not None:
            self._opened.transport.close()


def _value(response: Any) -> Any:
    try:
        value = response.json()
    except ValueError:
        value = None
    if response.ok and value is not None:
        return value
    match value:
        case {"error": {"status": str(code), "message": str(message)}}:
            raise failures.CallError(code, terminal.printable(message))
    raise failures.CallError(
        "UNIMPLEMENTED",
        f"HTTP {response.status_code} without an error of Cloud Tasks: no Drayman server answers",
    )


def _innermost(error: BaseException) -> str:
    """Return the first cause of an error, which says in the fewest words why it happened."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


_OPTIONS = (
    click.option(
        "--server", metavar="SERVER", default=f"localhost:{DEFAULT_PORT}", show_default=True,
        envvar=["DRAYMAN_SERVER", "CLOUD_TASKS_EMULATOR_HOST"], show_envvar=True,
        help="HOST:PORT in plain text, or http://HOST:PORT, or https://HOST:PORT for TLS.",
    ),
    click.option(
        "--project", metavar="PROJECT", show_envvar=True,
        envvar=["DRAYMAN_DEFAULT_PROJECT", "CLOUDSDK_CORE_PROJECT"],
        help="Project of queues and tasks that are given by their ids.",
    ),
    click.option(
        "--location", metavar="LOCATION", envvar="DRAYMAN_DEFAULT_LOCATION", show_envvar=True,
        help="Location of queues and tasks that are given by their ids.",
    ),
    click.option(
        "--api-key", metavar="KEY", envvar="DRAYMAN_API_KEY", show_envvar=True,
        help="API key of the caller; the environment keeps it from other users' ps.",
    ),
    click.option(
        "--token", metavar="TOKEN", envvar="DRAYMAN_TOKEN", show_envvar=True,
        help="Bearer token of the caller: of OpenID Connect, or of Google.",
    ),
    click.option(
        "--ca", metavar="FILE", envvar="DRAYMAN_CA", show_envvar=True,
        type=click.Path(exists=True, dir_okay=False),
        help="PEM file with the authorities that sign the server's certificate; implies TLS.",
    ),
    click.option(
        "--format", metavar="FORMAT", type=output.parse_format,
        help="json, yaml, table, or value(FIELD, …); fields as name, rateLimits.maxBurstSize or "
        "name.basename().",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Ask nothing."),
)  # fmt: skip


def of_params(**params: Any) -> Remote:
    """Return the server that the options of a command name; UsageError."""
    address = Address.parse(params.pop("server"), tls=params["ca"] is not None)
    return Remote(address, **params)


NAMES = ("server", "project", "location", "api_key", "token", "ca", "format", "quiet")
"""The parameters that ``options`` gives a command."""


def options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of calls, and pass it the ``Remote`` that they name.

    An error of a call becomes a line and an exit status.
    """

    @functools.wraps(function)
    def run(**params: Any) -> None:
        server = of_params(**{name: params.pop(name) for name in NAMES})
        try:
            with failures.explained(server.address.host):
                function(server, **params)
        finally:
            server.close()

    for option in reversed(_OPTIONS):
        run = option(run)
    return run
