"""What the settings say about requests to targets: where to, whose certificates, which proxy.

A file of rules for ``--targets`` is TOML:

    default = "public"               # any, public or none: targets that no rule names

    [allow]
    hosts = ["*.svc.example.com"]    # a name, or all names below one
    networks = ["10.20.0.0/16"]      # networks and addresses

    [deny]
    hosts = []
    networks = ["10.20.99.0/24"]
"""

import ipaddress
import re
import ssl
import tomllib
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from drayman.core import delivery
from drayman.core.target_policy import DefaultRule, IPNetwork, TargetPolicy, TargetSet
from drayman.dispatch.http import connect, request
from drayman.dispatch.http.proxy import Proxies
from drayman.dispatch.http.request import InvalidUrlError
from drayman.settings import Settings, SettingsError

T = TypeVar("T")

WITHOUT_FILE = ("any", "public")
"""The values of ``--targets`` that name no file."""
_KEYS = frozenset({"default", "allow", "deny"})
_SET_KEYS = frozenset({"hosts", "networks"})
_HOST = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


class Outbound(NamedTuple):
    """How requests are sent to targets.

    Attributes:
        policy: Where they may be sent.
        tls: The settings of TLS.
        proxies: The proxies by scheme, as ``urllib.request.getproxies`` returns them.
    """

    policy: TargetPolicy
    tls: ssl.SSLContext
    proxies: Mapping[str, str]

    @property
    def warning(self) -> str:
        """What the operator should know, "" for nothing."""
        if not any(self.proxies.get(scheme) for scheme in ("http", "https", "all")):
            return ""
        if self.policy.default is DefaultRule.ANY and not self.policy.deny.networks:
            return ""
        return (
            "--targets judges no addresses of host names behind a proxy, which resolves them: the "
            "proxy itself must refuse what is not allowed"
        )


def load(settings: Settings) -> Outbound:
    """Return what the settings say about requests to targets; SettingsError."""
    return Outbound(load_policy(settings), load_tls(settings.target_ca), load_proxies(settings))


def load_policy(settings: Settings) -> TargetPolicy:
    """Return the policy of ``--targets``, without this server's own ports; SettingsError."""
    bases = frozenset(_origins(url for _, url in settings.app_engine_targets))
    if settings.targets in WITHOUT_FILE:
        default = DefaultRule(settings.targets)
        return TargetPolicy(default, app_engine=bases, is_own=connect.is_own_address)
    content, problems = _read(settings.targets), _Problems(settings.targets)
    problems.check_keys("", content, _KEYS)
    policy = TargetPolicy(
        problems.parse("default", content.get("default", "public"), _default, DefaultRule.PUBLIC),
        _target_set(problems, "allow", content.get("allow", {})),
        _target_set(problems, "deny", content.get("deny", {})),
        bases,
        is_own=connect.is_own_address,
    )
    problems.raise_if_any()
    return policy


def load_tls(path: str | None) -> ssl.SSLContext:
    """Return settings of TLS that trust the authorities of ``--target-ca``; SettingsError."""
    try:
        return connect.tls_context(path)
    except OSError as error:
        raise SettingsError(f"--target-ca: {path} cannot be used: {error}") from None


def load_proxies(settings: Settings) -> dict[str, str]:
    """Return the proxies of the environment if the settings ask for them; SettingsError."""
    if not settings.proxy_from_environment:
        return {}
    proxies = urllib.request.getproxies_environment()
    try:
        Proxies(proxies)
    except InvalidUrlError as error:
        raise SettingsError(
            f"--proxy-from-environment: a proxy of the environment cannot be used: {error}"
        ) from None
    return proxies


class _Problems:
    """The wrong entries of a file of rules, a line for each."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """Add a problem."""
        self._lines.append(f"--targets: {self._path}: {line}")

    def check_keys(self, where: str, table: Mapping[str, Any], allowed: Iterable[str]) -> None:
        """Add a problem for each key that is not allowed."""
        for key in sorted(table.keys() - set(allowed)):
            self.add(f"unknown key {where}{key}; allowed: {', '.join(sorted(allowed))}")

    def parse(self, where: str, value: Any, parse: Callable[[Any], T], otherwise: T) -> T:
        """Return a parsed value; add a problem if it is wrong."""
        try:
            return parse(value)
        except (ValueError, TypeError, AttributeError) as error:
            self.add(f"{where}: {error}")
            return otherwise

    def raise_if_any(self) -> None:
        """Raise SettingsError if there are problems."""
        if self._lines:
            raise SettingsError(*self._lines)


def _read(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--targets: {path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        text = " ".join(str(error).split())
        raise SettingsError(f"--targets: {path} is not TOML: {text}") from None


def _target_set(problems: _Problems, name: str, table: Any) -> TargetSet:
    if not isinstance(table, dict):
        problems.add(f"{name} must be a table with hosts and networks")
        return TargetSet()
    problems.check_keys(f"{name}.", table, _SET_KEYS)
    hosts = _parse_all(problems, f"{name}.hosts", table.get("hosts", []), _host)
    networks = _parse_all(problems, f"{name}.networks", table.get("networks", []), _network)
    return TargetSet(hosts, networks)


def _parse_all(
    problems: _Problems, where: str, values: Any, parse: Callable[[Any], T]
) -> tuple[T, ...]:
    if not isinstance(values, list):
        problems.add(f"{where} must be a list")
        return ()
    parsed = [problems.parse(where, value, parse, None) for value in values]
    return tuple(each for each in parsed if each is not None)


def _default(value: Any) -> DefaultRule:
    try:
        return DefaultRule(value)
    except ValueError:
        raise ValueError(f"{value!r} is not allowed; allowed: any, public, none") from None


def _host(value: Any) -> str:
    """Return a host name, or all below one ("*.example.com"), as the DNS has it; ValueError."""
    host = str(value).lower().rstrip(".")
    if not host.isascii():
        host = host.encode("idna").decode()
    if not _HOST.fullmatch(host) or host.replace(".", "").isdigit():
        raise ValueError(f"{value!r} is neither a host name nor of the form *.example.com")
    return host


def _network(value: Any) -> IPNetwork:
    return ipaddress.ip_network(str(value))


def _origins(urls: Iterable[str]) -> Iterable[tuple[str, int]]:
    for url in urls:
        try:
            origin, _ = request.split_url(delivery.without_credentials(delivery.encode_url(url)))
        except InvalidUrlError:  # its attempts fail
            continue
        yield origin.host.rstrip("."), origin.port
