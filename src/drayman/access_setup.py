"""Access control from the settings: the access file, and who may reach a server without it.

```yaml
bindings:                       # on the whole server, or on the resource that one names
- role: roles/cloudtasks.enqueuer
  members: [serviceAccount:shop@example.com]
  resource: projects/shop/locations/here/queues/mail
issuers:                        # of tokens, for --auth oidc
- issuer: https://accounts.google.com
  audiences: [https://tasks.example.com]
```
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from drayman.access import bindings, issuers, members, roles
from drayman.access.api_keys import ApiKeys
from drayman.access.bindings import Binding, Bindings
from drayman.access.claims import Issuer
from drayman.access.control import AccessControl, Callers
from drayman.access.policies import QueuePolicies
from drayman.access.tokens import TokenVerifier
from drayman.core.clock import Clock
from drayman.core.events import Emit, KeysNotFetched
from drayman.edge.listening import is_loopback
from drayman.files import read_yaml
from drayman.settings import Settings, SettingsError
from drayman.store import opening
from drayman.store.contract import Store

_OPTION = "--access-file"
_URL = re.compile(r"https?://[^\s/?#]+[^\s?#]*")

_Entry = TypeVar("_Entry")


class Configured(NamedTuple):
    """What the access file says."""

    bindings: list[Binding]
    issuers: list[Issuer]


def check_exposure(settings: Settings) -> None:
    """Check that a server without authentication is for this machine alone; SettingsError."""
    if settings.auth == "none" and not settings.insecure and not is_loopback(settings.host):
        raise SettingsError(
            f"--auth none: every caller that reaches --host {settings.host} could do everything; "
            "choose --auth keys or oidc, or allow it with --insecure"
        )


def check_test_endpoints(settings: Settings) -> None:
    """Check that a server for tests is nothing else; SettingsError."""
    option = "--manual-clock" if settings.manual_clock else "--test-endpoints"
    if settings.serves_tests and settings.auth != "none":
        raise SettingsError(
            f"{option}: anyone who calls the test endpoints may delete everything; "
            "leave --auth at none, or the option out"
        )
    if settings.manual_clock and settings.store != "memory":
        raise SettingsError(
            f"--manual-clock: {opening.without_password(settings.store)} would keep times of a "
            "clock that is not the system's; add --store memory"
        )


def warnings(settings: Settings) -> Iterator[str]:
    """Yield a line for each thing that the operator of a server should know about its callers."""
    if settings.auth == "none" and not is_loopback(settings.host):
        yield f"authentication is off: every caller that reaches {settings.host} may do everything"
    if settings.serves_tests:
        yield "test endpoints are on: every caller may delete all queues and tasks at once"


def describe(settings: Settings) -> str:
    """Return how callers are authenticated, and what the access file has, for a summary."""
    if settings.auth == "none":
        return "not authenticated"
    configured = load(settings)
    return (
        f"authenticated by {settings.auth}, {len(configured.bindings)} bindings, "
        f"{len(configured.issuers)} issuers"
    )


class _Parts(NamedTuple):
    """The arguments of an ``AccessControl``."""

    configured: Bindings
    policies: QueuePolicies
    api_keys: ApiKeys | None
    tokens: TokenVerifier | None


class AccessSetup(NamedTuple):
    """Sets the access control of a server up, and again when its access file has changed.

    Attributes:
        settings: The settings of the server.
        store: Where API keys and policies are.
        clock: The source of the time.
        issuer: The name of this server as an issuer of tokens: tokens of its own tasks that are
            meant for it are accepted.
        emit: Takes events.
    """

    settings: Settings
    store: Store
    clock: Clock
    issuer: str
    emit: Emit

    def build(self, configured: Configured) -> AccessControl | None:
        """Return the access control; None if callers are not authenticated."""
        if self.settings.auth == "none":
            return None
        return AccessControl(*self._parts(configured))

    def change(self, access: AccessControl, configured: Configured) -> None:
        """Let access control decide by what the access file says now."""
        access.replace(*self._parts(configured))

    def _parts(self, configured: Configured) -> _Parts:
        methods, all_bindings = self.settings.auth.split(","), Bindings(configured.bindings)
        callers, store, clock = Callers(all_bindings), self.store, self.clock
        api_keys = ApiKeys(store, clock, callers.of_key) if "keys" in methods else None
        tokens = self._tokens(configured, callers) if "oidc" in methods else None
        return _Parts(all_bindings, QueuePolicies(store, clock), api_keys, tokens)

    def _tokens(self, configured: Configured, callers: Callers) -> TokenVerifier:
        own = Issuer(self.issuer, frozenset({self.issuer}), is_own=True)
        trusted = issuers.trust(
            [*configured.issuers, own],
            self.store,
            self.clock,
            lambda name, reason: self.emit(KeysNotFetched(name, reason)),
        )
        return TokenVerifier(trusted, self.clock, callers.of_members)


def load(settings: Settings) -> Configured:
    """Return what the access file says; SettingsError has a line for each wrong entry."""
    path = settings.access_file
    if path is None:
        return Configured([], [])
    if settings.auth == "none":
        raise SettingsError(f"{_OPTION}: {path} has no effect while --auth is none")
    content = read_yaml(_OPTION, path)
    if not isinstance(content, dict) or not content.keys() <= {"bindings", "issuers"}:
        raise SettingsError(f'{_OPTION}: {path} may contain "bindings" and "issuers" alone')
    problems: list[str] = []
    configured = Configured(
        _entries(path, content, "bindings", _binding, problems),
        _entries(path, content, "issuers", _issuer, problems),
    )
    if problems:
        raise SettingsError(*problems)
    return configured


def _entries(
    path: str,
    content: Mapping[str, Any],
    name: str,
    parse: Callable[[Any], _Entry],
    problems: list[str],
) -> list[_Entry]:
    """Return the entries of a list in the file; add a line to ``problems`` for each wrong one."""
    values = content.get(name, [])
    if not isinstance(values, list):
        problems.append(f'{_OPTION}: {path}: "{name}" must be a list')
        return []
    entries = []
    for number, value in enumerate(values, 1):
        try:
            entries.append(parse(value))
        except ValueError as error:
            problems.append(f"{_OPTION}: {path}, {name} {number}: {error}")
    return entries


def _binding(value: Any) -> Binding:
    fields = _fields(value, {"role", "members"}, {"resource", "condition"})
    if "condition" in fields:
        raise ValueError("conditions are not supported")
    resource = fields.get("resource")
    return Binding(
        roles.check(_text(fields["role"])),
        frozenset(map(members.check, _texts("members", fields["members"]))),
        bindings.SERVER if resource is None else bindings.check_resource(_text(resource)),
    )


def _issuer(value: Any) -> Issuer:
    fields = _fields(value, {"issuer", "audiences"}, {"jwksUri", "domains"})
    name, jwks_uri = _text(fields["issuer"]), _text(fields.get("jwksUri", ""))
    if not _URL.fullmatch(jwks_uri or name):
        raise ValueError(f'"{jwks_uri or name}" is not a URL; give the URL of its keys as jwksUri')
    audiences = frozenset(_texts("audiences", fields["audiences"]))
    return Issuer(
        name, audiences, jwks_uri, frozenset(_texts("domains", fields.get("domains", ())))
    )


def _fields(value: Any, required: set[str], optional: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or not required <= value.keys() <= required | optional:
        raise ValueError(
            f"it must have {', '.join(sorted(required))} and may have {', '.join(sorted(optional))}"
        )
    return value


def _texts(name: str, value: Any) -> list[str]:
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return value
    if value == ():
        return []
    raise ValueError(f"{name} must be a list of texts")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f'"{value}" is not a text')  # noqa: TRY004 - the file's content is wrong
    return value
