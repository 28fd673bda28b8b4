"""Access control from the settings, and who may reach a server without it."""

import pytest

from drayman import access_setup, check, cli
from drayman.access.bindings import Binding
from drayman.access.claims import Issuer
from drayman.settings import SettingsError, load, read
from live import LiveServer

GOOD = """
bindings:
- role: roles/owner
  members: [user:ann@example.com, serviceAccount:web@example.com]
- role: roles/viewer
  members: [allUsers]
  resource: projects/p/locations/l/queues/q
issuers:
- issuer: https://accounts.google.com
  audiences: [https://tasks.example.com]
- issuer: robot@p.iam.gserviceaccount.com
  audiences: [a, b]
  jwksUri: https://www.googleapis.com/service_accounts/v1/jwk/robot
  domains: [example.com]
"""


@pytest.fixture
def settings(tmp_path):
    def settings(content, **arguments):
        path = tmp_path / "access.yaml"
        path.write_text(content)
        return load({"auth": "keys", "access_file": str(path)} | arguments, {})

    return settings


def problems(settings):
    with pytest.raises(SettingsError) as caught:
        access_setup.load(settings)
    return [line.replace(str(settings.access_file), "FILE") for line in caught.value.args]


def test_the_access_file_has_bindings_and_issuers(settings):
    configured = access_setup.load(settings(GOOD))
    assert configured.bindings == [
        Binding("roles/owner", {"user:ann@example.com", "serviceAccount:web@example.com"}),
        Binding("roles/viewer", {"allUsers"}, "projects/p/locations/l/queues/q"),
    ]
    assert configured.issuers == [
        Issuer("https://accounts.google.com", frozenset({"https://tasks.example.com"})),
        Issuer(
            "robot@p.iam.gserviceaccount.com",
            frozenset({"a", "b"}),
            "https://www.googleapis.com/service_accounts/v1/jwk/robot",
            frozenset({"example.com"}),
        ),
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[]", '"bindings" and "issuers" alone'),
        ("roles: []", '"bindings" and "issuers" alone'),
        ("bindings: {}", '"bindings" must be a list'),
        ("issuers: 7", '"issuers" must be a list'),
        ("bindings: [7]", "1: it must have members, role and may have condition, resource"),
        ("bindings: [{role: roles/owner}]", "bindings 1: it must have members, role"),
        ("bindings: [{role: roles/owner, members: []}]", "members must be a list of texts"),
        ("bindings: [{role: roles/owner, members: x}]", "members must be a list of texts"),
        ("bindings: [{role: owner, members: [allUsers]}]", '"owner" is not a role'),
        ("bindings: [{role: 7, members: [allUsers]}]", '"7" is not a text'),
        ("bindings: [{role: roles/owner, members: ['group:a@b']}]", '"group:a@b" is not a member'),
        (
            "bindings: [{role: roles/owner, members: [allUsers], resource: queues/q}]",
            '"queues/q" is not a resource',
        ),
        (
            "bindings: [{role: roles/owner, members: [allUsers], condition: {expression: 'true'}}]",
            "conditions are not supported",
        ),
        ("issuers: [{issuer: https://a.example}]", "issuers 1: it must have audiences, issuer"),
        ("issuers: [{issuer: robot@a, audiences: [a]}]", '"robot@a" is not a URL'),
        ("issuers: [{issuer: https://a.example, audiences: a}]", "audiences must be a list"),
    ],
)  # fmt: skip
def test_a_wrong_entry_has_a_line(settings, content, problem):
    (line,) = problems(settings(content))
    assert line.startswith("--access-file: FILE")
    assert problem in line


def test_every_wrong_entry_has_a_line(settings):
    content = "bindings: [7, {role: x, members: [allUsers]}]\nissuers: [7]"
    assert len(problems(settings(content))) == 3


def test_roles_without_authentication_are_refused(settings):
    (line,) = problems(settings(GOOD, auth="none"))
    assert line == "--access-file: FILE has no effect while --auth is none"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_this_machine_alone_needs_no_authentication(host):
    settings = load({"host": host}, {})
    access_setup.check_exposure(settings)
    assert list(access_setup.warnings(settings)) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "no-such-host.invalid"])
def test_others_are_kept_out_unless_the_operator_says_so(host):
    with pytest.raises(SettingsError) as caught:
        access_setup.check_exposure(load({"host": host}, {}))
    assert str(caught.value) == (
        f"--auth none: every caller that reaches --host {host} could do everything; choose --auth "
        "keys or oidc, or allow it with --insecure"
    )
    for allowed in ({"insecure": "true"}, {"auth": "keys"}):
        access_setup.check_exposure(load({"host": host} | allowed, {}))


def test_an_open_server_warns_at_start():
    settings = load({"host": "0.0.0.0", "insecure": "true"}, {})
    assert list(access_setup.warnings(settings)) == [
        "authentication is off: every caller that reaches 0.0.0.0 may do everything"
    ]
    settings = load({"host": "0.0.0.0", "insecure": "true", "test_endpoints": "true"}, {})
    assert list(access_setup.warnings(settings))[1:] == [
        "test endpoints are on: every caller may delete all queues and tasks at once"
    ]
    assert list(access_setup.warnings(load({"host": "0.0.0.0", "auth": "keys"}, {}))) == []


def test_a_server_does_not_start_open_to_others():
    with pytest.raises(SettingsError, match="--insecure"):
        LiveServer(host="0.0.0.0")
    LiveServer(host="0.0.0.0", insecure="true").stop()


def test_the_check_finds_what_is_wrong(settings):
    reading = read({"host": "0.0.0.0", "port": "0", "store": "memory"}, {})
    (line,) = check.problems(reading)
    assert line.count("--insecure") == 1
    path = settings("bindings: 7").access_file
    reading = read({"auth": "keys", "access_file": path, "port": "0", "store": "memory"}, {})
    (line,) = check.problems(reading)
    assert line == f'--access-file: {path}: "bindings" must be a list; correct --access-file'


def test_the_summary_says_how_callers_are_authenticated(settings):
    path = settings(GOOD).access_file
    reading = read({"auth": "oidc,keys", "access_file": path, "port": "0", "store": "memory"}, {})
    line = "  callers     authenticated by keys,oidc, 2 bindings, 2 issuers"
    assert line in check.summary(reading).splitlines()


def test_the_command_tells_what_to_do(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.command()(["serve", "--host", "0.0.0.0", "--store", "memory", "--port", "0"])
    assert caught.value.code == 2
    assert "or allow it with --insecure" in capsys.readouterr().err
