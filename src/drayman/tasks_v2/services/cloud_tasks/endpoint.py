"""Determines where a client connects and with which credentials, once per client."""

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

UNIVERSE = "googleapis.com"
HOST = "cloudtasks.googleapis.com"
MTLS_HOST = "cloudtasks.mtls.googleapis.com"
EMULATOR_VARIABLE = "CLOUD_TASKS_EMULATOR_HOST"

CertSource = Callable[[], tuple[bytes, bytes]]

_ADDRESS = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?"
    r"(?P<host>[\w.-]+|\[[\w:.%]+\])(?::(?P<port>\d{1,5}))?",
    re.ASCII | re.IGNORECASE,
)
_GRPC_NAME = re.compile(r"(dns|unix|unix-abstract|ipv4|ipv6|vsock|xds|passthrough):\D", re.ASCII)
_MAX_PORT = 65535
_DEFAULT_PORTS = {"http": 80, "https": 443, "": 443}


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """A parsed endpoint.

    Attributes:
        scheme: ``http``, ``https`` or empty.
        authority: ``host`` or ``host:port``, as in the endpoint.
        target: ``host:port``, the form that gRPC takes.
    """

    scheme: str
    authority: str
    target: str


def parse(value: str, name: str = "host", *, grpc: bool = True) -> Address:
    """Parse an endpoint.

    Args:
        value: ``host`` or ``host:port``, optionally with ``http://`` or ``https://`` in front, or
            a name for one of gRPC's resolvers such as ``unix:/path``.
        name: The name of the argument, for the error message.
        grpc: Whether names for gRPC's resolvers are valid.

    Raises:
        ValueError: The value has another form. The message says what is wrong.
    """
    if grpc and _GRPC_NAME.match(value):
        return Address("", value, value)
    match = _ADDRESS.fullmatch(value)
    scheme = (match["scheme"] or "").lower() if match else ""
    if not match or scheme not in _DEFAULT_PORTS or not 0 < int(match["port"] or 1) <= _MAX_PORT:
        raise ValueError(
            f"{name} must be HOST, HOST:PORT, http://HOST:PORT or https://HOST:PORT, "
            f"but is {value!r}: {_describe_error(value)}."
        )
    authority = value.rpartition("://")[2]
    port = "" if match["port"] else f":{_DEFAULT_PORTS[scheme]}"
    return Address(scheme, authority, authority + port)


def _describe_error(value: str) -> str:
    scheme, separator, rest = value.rpartition("://")
    checks = (
        (not value.strip(), "it is empty"),
        (re.search(r"\s", value), "it has a space in it"),
        (separator and scheme.lower() not in _DEFAULT_PORTS, f"{scheme}:// is not supported"),
        (re.search(r"[/?#]", rest), "leave out what follows the port, a slash too"),
        ("@" in rest, "it names a user"),
        (rest.count(":") > 1 and "[" not in rest, "an IPv6 address goes into brackets"),
        (":" in rest, f"the port must be a number from 1 to {_MAX_PORT}"),
    )
    return next((description for failed, description in checks if failed), "that is no host")


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a client connects.

    Attributes:
        host: ``host`` or ``host:port``, optionally with ``http://`` or ``https://`` in front.
        universe: The universe domain.
        cert_source: Returns the client certificate and key for mutual TLS. None without it.
        is_emulator: Whether ``CLOUD_TASKS_EMULATOR_HOST`` determined the host: the connection is
            plain text without credentials.
    """

    host: str
    universe: str
    cert_source: CertSource | None
    is_emulator: bool = False

    @property
    def api_endpoint(self) -> str:
        """The endpoint as the user configured it."""
        return self.host.removeprefix("http://") if self.is_emulator else self.host


def emulator_address(environ: Mapping[str, str]) -> str | None:
    """Return the ``host:port`` in ``CLOUD_TASKS_EMULATOR_HOST``, or None if it is not set.

    Raises:
        ValueError: The value is not ``host:port``.
    """
    value = environ.get(EMULATOR_VARIABLE, "").strip()
    if not value:
        return None
    match = _ADDRESS.fullmatch(value)
    if not match or match["scheme"] or not 0 < int(match["port"] or 0) <= _MAX_PORT:
        hint = " (leave the scheme out)" if "://" in value else ""
        raise ValueError(
            f"{EMULATOR_VARIABLE} must be HOST:PORT, for example localhost:8123, "
            f"but is {value!r}{hint}."
        )
    return value


def resolve(options: Any) -> Endpoint:
    """Determine where to connect.

    ``api_endpoint`` in the options has precedence over ``CLOUD_TASKS_EMULATOR_HOST``. Without
    both, it is Google's endpoint for the universe domain and the settings of mutual TLS.

    Args:
        options: A ``google.api_core.client_options.ClientOptions``.

    Raises:
        ValueError: A variable or option has an invalid value.
        google.auth.exceptions.MutualTLSChannelError: A setting of mutual TLS is invalid.
    """
    emulator = emulator_address(os.environ)
    if emulator and options.api_endpoint is None:
        return Endpoint(f"http://{emulator}", universe_domain(options), None, is_emulator=True)
    cert_source, use_mtls_endpoint = mutual_tls(options)
    domain = universe_domain(options)
    if options.api_endpoint is not None:
        parse(options.api_endpoint, "api_endpoint")
        return Endpoint(options.api_endpoint, domain, cert_source)
    if not use_mtls_endpoint:
        return Endpoint(f"cloudtasks.{domain}", domain, cert_source)
    if domain != UNIVERSE:
        from google.auth.exceptions import MutualTLSChannelError

        raise MutualTLSChannelError(
            f"Mutual TLS exists in the universe {UNIVERSE} alone, not in {domain}."
        )
    return Endpoint(MTLS_HOST, domain, cert_source)


def universe_domain(options: Any) -> str:
    """Return the universe domain: the option, the environment variable, or Google's."""
    from google.api_core import universe

    domain: str = universe.determine_domain(
        options.universe_domain, os.getenv("GOOGLE_CLOUD_UNIVERSE_DOMAIN")
    )
    return domain


def credentials(endpoint: Endpoint, options: Any, explicit: Any) -> Any:
    """Return the credentials for an endpoint. None means those of the environment.

    Args:
        endpoint: Where the client connects.
        options: A ``google.api_core.client_options.ClientOptions``.
        explicit: The credentials that the caller passed, or None.
    """
    if endpoint.is_emulator:
        from google.auth.credentials import AnonymousCredentials

        return AnonymousCredentials()
    if options.api_key:
        from google.auth.api_key import Credentials

        return Credentials(options.api_key)
    return explicit


def mutual_tls(options: Any) -> tuple[CertSource | None, bool]:
    """Return the source of the client certificate and whether to use the mutual TLS endpoint."""
    from google.auth.transport import mtls

    mode = os.getenv("GOOGLE_API_USE_MTLS_ENDPOINT", "auto").lower()
    if mode not in {"auto", "never", "always"}:
        from google.auth.exceptions import MutualTLSChannelError

        raise MutualTLSChannelError(
            "Environment variable `GOOGLE_API_USE_MTLS_ENDPOINT` must be "
            f"`never`, `auto` or `always`, but is `{mode}`."
        )
    source = None
    if _use_client_certificate(mtls):
        source = options.client_cert_source
        if not source and mtls.has_default_client_cert_source():
            source = mtls.default_client_cert_source()
    return source, mode == "always" or (mode == "auto" and source is not None)


def _use_client_certificate(mtls: Any) -> bool:
    if hasattr(mtls, "should_use_client_cert"):  # google-auth 2.41 and later
        return bool(mtls.should_use_client_cert())
    value = os.getenv("GOOGLE_API_USE_CLIENT_CERTIFICATE", "false").lower()
    if value not in {"true", "false"}:
        raise ValueError(
            "Environment variable `GOOGLE_API_USE_CLIENT_CERTIFICATE` must be "
            f"`true` or `false`, but is `{value}`."
        )
    return value == "true"
