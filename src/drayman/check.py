"""``drayman serve --check``: what would keep a server from starting, and the next step for each.

Nothing is created or changed, and addresses are taken only for a moment.
"""

from collections.abc import Callable
from typing import NamedTuple

from drayman import access_setup, contents, files, outbound, part_settings
from drayman.contents import Problems
from drayman.core.clock import SystemClock
from drayman.edge.listening import PortError, close, listen
from drayman.edge.tls import HTTP, load_context
from drayman.settings import OPTIONS, Reading, Settings
from drayman.store import opening
from drayman.store.contract import StoreError


def problems(reading: Reading) -> list[str]:
    """Return a line for each problem of the settings and of what they name."""
    lines = list(reading.problems)
    for check in _CHECKS:
        if not check.fields & reading.unknown:
            described = check.run(reading.settings)
            lines += [_with_next_step(line, check.next_step) for line in described]
    return lines


def _with_next_step(line: str, next_step: str) -> str:
    return f"{line.removesuffix('.')}; {next_step}" if next_step else line


def summary(reading: Reading) -> str:
    """Return what a server with these settings would do, for settings without problems."""
    settings, sources = reading.settings, reading.sources
    named = [f"{each.name} from {sources[each.field]}" for each in OPTIONS if each.field in sources]
    http_port = settings.port if settings.http_port is None else settings.http_port
    rows = {
        "gRPC": _address(settings.host, settings.port),
        "HTTP": _address(settings.host, http_port),
        "TLS": _tls(settings),
        "store": f"{opening.without_password(settings.store)}{_store_note(settings)}, "
        f"durability {settings.durability}",
        "queues": f"{len(contents.declared_queues(settings))} declared",
        "encryption": f"{len(_keys(settings))} keys",
        "tokens": _tokens(settings),
        "callers": access_setup.describe(settings),
        "settings": ", ".join(named) or "all defaults",
    }
    lines = [f"  {name:<11} {value}" for name, value in rows.items()]
    return "\n".join(["the server can start", *lines])


def _address(host: str, port: int) -> str:
    return f"{host}, a free port" if port == 0 else f"{host}:{port}"


def _tls(settings: Settings) -> str:
    if settings.tls_cert is None:
        return "none, plain text"
    return f"{settings.tls_cert}{', client certificates required' * bool(settings.tls_client_ca)}"


def _store_note(settings: Settings) -> str:
    return "" if settings.store == "memory" or opening.probe(settings.store) else " (new)"


def _keys(settings: Settings) -> dict[str, bytes]:
    return files.load_keys(settings.key_file) if settings.key_file else {}


def _tokens(settings: Settings) -> str:
    if settings.google_credentials:
        return f"Google's, with the credentials {settings.google_credentials}"
    return f"signed with {settings.signing_key or 'generated keys'}"


def _attempt(start: Callable[..., object], *arguments: object) -> list[str]:
    """Return a line for each problem that a step of the start has."""
    problems = Problems()
    try:
        with problems.collect():
            start(*arguments)
    except (StoreError, PortError) as error:
        return [str(error)]
    return problems.lines


def _check_role(settings: Settings) -> list[str]:
    return _attempt(part_settings.server_role, settings)


def _check_queue_file(settings: Settings) -> list[str]:
    return _attempt(contents.declared_queues, settings)


def _check_locations(settings: Settings) -> list[str]:
    if _check_queue_file(settings):
        return []
    return contents.wrong_locations(contents.declared_queues(settings), settings.locations)


def _check_key_file(settings: Settings) -> list[str]:
    return _attempt(_keys, settings)


def _check_signing_key(settings: Settings) -> list[str]:
    if settings.signing_key is None:
        return []
    return _attempt(files.load_signing_key, settings.signing_key, SystemClock().now())


def _check_google_credentials(settings: Settings) -> list[str]:
    if settings.google_credentials is None:
        return []
    return _attempt(files.load_google_credentials, settings.google_credentials)


def _check_targets(settings: Settings) -> list[str]:
    return _attempt(outbound.load_policy, settings)


def _check_target_ca(settings: Settings) -> list[str]:
    return _attempt(outbound.load_tls, settings.target_ca)


def _check_proxies(settings: Settings) -> list[str]:
    return _attempt(outbound.load_proxies, settings)


def _check_tls(settings: Settings) -> list[str]:
    return _attempt(_load_tls, settings)


def _load_tls(settings: Settings) -> None:
    paths = part_settings.tls_files(settings)
    if paths is not None:
        load_context(paths, HTTP)


def _check_exposure(settings: Settings) -> list[str]:
    return _attempt(access_setup.check_exposure, settings)


def _check_test_endpoints(settings: Settings) -> list[str]:
    return _attempt(access_setup.check_test_endpoints, settings)


def _check_access_file(settings: Settings) -> list[str]:
    return _attempt(access_setup.load, settings)


def _check_grpc_address(settings: Settings) -> list[str]:
    return _attempt(_listen, settings.host, settings.port, "--port")


def _check_http_address(settings: Settings) -> list[str]:
    if settings.http_port is None:
        return []
    return _attempt(_listen, settings.host, settings.http_port, "--http-port")


def _listen(host: str, port: int, option: str) -> None:
    close(listen(host, port, option))


def _check_ports_differ(settings: Settings) -> list[str]:
    if settings.port == settings.http_port != 0:
        return [f"--port and --http-port are both {settings.port}"]
    return []


def _check_store(settings: Settings) -> list[str]:
    return _attempt(opening.probe, settings.store)


def _check_tracing(settings: Settings) -> list[str]:
    return _attempt(part_settings.load_tracing) if settings.tracing else []


class _Check(NamedTuple):
    """A part of the check.

    Attributes:
        run: Returns a line for each problem.
        next_step: What to do about one; empty where the line has it.
        fields: The settings it uses; it is left out when the value of one is not known.
    """

    run: Callable[[Settings], list[str]]
    next_step: str
    fields: frozenset[str]


_QUEUE_FILE = frozenset({"queue_file", "max_dispatches_per_second", "max_concurrent_dispatches"})
_OTHER_ADDRESS = "choose another address, or stop the program that has it"
_CHECKS = (
    _Check(_check_tracing, "", frozenset({"tracing"})),
    _Check(
        _check_role,
        "use --role all, or --no-dispatch to inspect a store",
        frozenset({"role", "no_dispatch", "store"}),
    ),
    _Check(_check_queue_file, "correct --queue-file", _QUEUE_FILE),
    _Check(
        _check_locations,
        "add its location with --location, or leave the queue out",
        _QUEUE_FILE | {"queues", "locations"},
    ),
    _Check(_check_key_file, "correct --key-file", frozenset({"key_file"})),
    _Check(_check_signing_key, "correct --signing-key", frozenset({"signing_key"})),
    _Check(
        _check_google_credentials,
        "correct --google-credentials",
        frozenset({"google_credentials"}),
    ),
    _Check(
        _check_targets,
        "correct --targets: any, public or such a file",
        frozenset({"targets", "app_engine_targets"}),
    ),
    _Check(_check_target_ca, "correct --target-ca", frozenset({"target_ca"})),
    _Check(
        _check_proxies,
        "correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY",
        frozenset({"proxy_from_environment"}),
    ),
    _Check(
        _check_tls,
        "correct --tls-cert, --tls-key or --tls-client-ca",
        frozenset({"tls_cert", "tls_key", "tls_client_ca"}),
    ),
    _Check(
        _check_exposure,
        "",
        frozenset({"host", "auth", "insecure"}),
    ),
    _Check(
        _check_test_endpoints,
        "",
        frozenset({"auth", "store", "test_endpoints", "manual_clock"}),
    ),
    _Check(_check_access_file, "correct --access-file", frozenset({"access_file", "auth"})),
    _Check(_check_grpc_address, _OTHER_ADDRESS, frozenset({"host", "port"})),
    _Check(_check_http_address, _OTHER_ADDRESS, frozenset({"host", "http_port"})),
    _Check(_check_ports_differ, "choose another for one", frozenset({"port", "http_port"})),
    _Check(_check_store, "choose another --store, or make this one usable", frozenset({"store"})),
)
