"""Where a client connects, and as whom: options and environment, decided once per client."""

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
_RESOLVED = re.compile(r"(dns|unix|unix-abstract|ipv4|ipv6|vsock|xds|passthrough):\D", re.ASCII)
_LAST_PORT = 65535
_PORTS = {"http": 80, "https": 443, "": 443}


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """An endpoint, taken apart.

    Attributes:
        scheme: ``http``, ``https`` or none.
        place: ``host`` or ``host:port``, as given.
        target: ``host:port``, as gRPC wants it.
    """

    scheme: str
    place: str
    target: str


def parse(value: str, name: str = "host", *, grpc: bool = True) -> Address:
    """Take an endpoint apart.

    Args:
        value: ``host``, ``host:port``, the same with ``http://`` or ``https://`` in front, or a
            name of gRPC's own resolvers such as ``unix:/path``.
        name: What the value is called, for the error.
        grpc: Whether gRPC's names are taken.

    Raises:
        ValueError: It is none of these; the message says what is wrong.
    """
    if grpc and _RESOLVED.match(value):
        return Address("", value, value)
    match = _ADDRESS.fullmatch(value)
    scheme = (match["scheme"] or "").lower() if match else ""
    if not match or scheme not in _PORTS or not 0 < int(match["port"] or 1) <= _LAST_PORT:
        raise ValueError(
            f"{name} must be HOST, HOST:PORT, http://HOST:PORT or https://HOST:PORT, "
            f"but is {value!r}: {_complaint(value)}."
        )
    place = value.rpartition("://")[2]
    return Address(scheme, place, place if match["port"] else f"{place}:{_PORTS[scheme]}")


def _complaint(value: str) -> str:
    scheme, found, rest = value.rpartition("://")
    complaints = (
        (not value.strip(), "it is empty"),
        (re.search(r"\s", value), "it has a space in it"),
        (found and scheme.lower() not in _PORTS, f"{scheme}:// is not spoken"),
        (re.search(r"[/?#]", rest), "leave out what follows the port, a slash too"),
        ("@" in rest, "it names a user"),
        (rest.count(":") > 1 and "[" not in rest, "an IPv6 address goes into brackets"),
        (":" in rest, f"the port must be a number from 1 to {_LAST_PORT}"),
    )
    return next((said for wrong, said in complaints if wrong), "that is no host")


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a client connects.

    Attributes:
        host: The host, perhaps with a port, perhaps with ``http://`` in front.
        universe: The universe domain.
        cert_source: Gives the certificate and key of mutual TLS; None without it.
        emulated: Whether an emulator stands there: plain text, no credentials.
    """

    host: str
    universe: str
    cert_source: CertSource | None
    emulated: bool = False


def emulator(environ: Mapping[str, str]) -> str | None:
    """The ``host:port`` that ``CLOUD_TASKS_EMULATOR_HOST`` names, None when it names none.

    Raises:
        ValueError: It is set to something that is not ``host:port``.
    """
    value = environ.get(EMULATOR_VARIABLE, "").strip()
    if not value:
        return None
    match = _ADDRESS.fullmatch(value)
    if (
        not match
        or match["scheme"]
        or not match["port"]
        or not 0 < int(match["port"]) <= _LAST_PORT
    ):
        hint = " (leave the scheme out)" if "://" in value else ""
        raise ValueError(
            f"{EMULATOR_VARIABLE} must be HOST:PORT, for example localhost:8123, "
            f"but is {value!r}{hint}."
        )
    return value


def resolve(options: Any) -> Endpoint:
    """Decide where to connect.

    ``api_endpoint`` of the options comes first, then ``CLOUD_TASKS_EMULATOR_HOST``, then the
    endpoint of Google that mutual TLS and the universe domain lead to.

    Args:
        options: A ``google.api_core.client_options.ClientOptions``.

    Raises:
        ValueError: A variable or option has a value that makes no sense.
        google.auth.exceptions.MutualTLSChannelError: The same, about mutual TLS.
    """
    emulated = emulator(os.environ)
    if emulated and options.api_endpoint is None:
        return Endpoint(f"http://{emulated}", universe(options), None, emulated=True)
    cert_source, mtls = mutual_tls(options)
    domain = universe(options)
    if options.api_endpoint is not None:
        parse(options.api_endpoint, "api_endpoint")
        return Endpoint(options.api_endpoint, domain, cert_source)
    if not mtls:
        return Endpoint(f"cloudtasks.{domain}", domain, cert_source)
    if domain != UNIVERSE:
        from google.auth.exceptions import MutualTLSChannelError

        raise MutualTLSChannelError(
            f"Mutual TLS exists in the universe {UNIVERSE} alone, not in {domain}."
        )
    return Endpoint(MTLS_HOST, domain, cert_source)


def universe(options: Any) -> str:
    """The universe domain: the option, the variable, or Google's own."""
    from google.api_core import universe as universes

    domain: str = universes.determine_domain(
        options.universe_domain, os.getenv("GOOGLE_CLOUD_UNIVERSE_DOMAIN")
    )
    return domain


def credentials(place: Endpoint, options: Any, given: Any) -> Any:
    """Whose calls a client makes there; None leaves it to the environment."""
    if place.emulated:
        from google.auth.credentials import AnonymousCredentials

        return AnonymousCredentials()
    if options.api_key:
        from google.auth.api_key import Credentials

        return Credentials(options.api_key)
    return given


def mutual_tls(options: Any) -> tuple[CertSource | None, bool]:
    """The certificate's source, and whether the endpoint of mutual TLS is to be used."""
    from google.auth.transport import mtls

    when = os.getenv("GOOGLE_API_USE_MTLS_ENDPOINT", "auto").lower()
    if when not in {"auto", "never", "always"}:
        from google.auth.exceptions import MutualTLSChannelError

        raise MutualTLSChannelError(
            "Environment variable `GOOGLE_API_USE_MTLS_ENDPOINT` must be "
            f"`never`, `auto` or `always`, but is `{when}`."
        )
    wanted = _client_certificate_wanted(mtls)
    source = None
    if wanted:
        source = options.client_cert_source
        if not source and mtls.has_default_client_cert_source():
            source = mtls.default_client_cert_source()
    return source, when == "always" or (when == "auto" and source is not None)


def _client_certificate_wanted(mtls: Any) -> bool:
    if hasattr(mtls, "should_use_client_cert"):  # google-auth 2.41 and later
        return bool(mtls.should_use_client_cert())
    value = os.getenv("GOOGLE_API_USE_CLIENT_CERTIFICATE", "false").lower()
    if value not in {"true", "false"}:
        raise ValueError(
            "Environment variable `GOOGLE_API_USE_CLIENT_CERTIFICATE` must be "
            f"`true` or `false`, but is `{value}`."
        )
    return value == "true"
