"""What the settings of a server mean for its parts."""

from collections.abc import Callable

from drayman.api import browsers
from drayman.api.browsers import BrowserPolicy
from drayman.core import role
from drayman.core.role import Role
from drayman.core.tracing import Tracing
from drayman.edge.listening import is_loopback
from drayman.edge.tls import TlsError, TlsFiles
from drayman.settings import Settings, SettingsError
from drayman.store import opening


def server_role(settings: Settings) -> Role:
    """Return the role of a server; SettingsError if its store does not permit it."""
    if settings.no_dispatch:
        if settings.role != role.ALL.name:
            raise SettingsError(
                f"--role {settings.role} is given with --no-dispatch; leave one of them out"
            )
        return role.INSPECTION
    if settings.role != role.ALL.name and not opening.is_postgres(settings.store):
        raise SettingsError(
            f"--role {settings.role} needs a store on PostgreSQL, which servers share; "
            f"{settings.store} has one server, which does everything"
        )
    return role.BY_NAME[settings.role]


def load_tracing() -> Callable[[], Tracing]:
    """Return what starts tracing by OpenTelemetry; SettingsError if it is not installed."""
    try:
        from drayman.observe import tracing  # noqa: PLC0415 - installed by an extra
    except ImportError:
        raise SettingsError(
            '--tracing: OpenTelemetry is not installed; run: pip install "drayman[server,tracing]"'
        ) from None
    return tracing.start


def tls_files(settings: Settings) -> TlsFiles | None:
    """Return the files of TLS, None for a server that speaks plain text. TlsError."""
    certificate, key, client_ca = settings.tls_cert, settings.tls_key, settings.tls_client_ca
    if certificate is not None:
        return TlsFiles(certificate, key or certificate, client_ca)
    for option, path in (("--tls-key", key), ("--tls-client-ca", client_ca)):
        if path is not None:
            raise TlsError(f"{option} is given without --tls-cert")
    return None


def browser_policy(settings: Settings) -> BrowserPolicy:
    """Return which requests of browsers are served."""
    host, allowed = settings.host, settings.allow_hosts
    return browsers.policy(host, allowed, settings.issuer, local=is_loopback(host))
