"""Settings of requests to targets: rules of ``--targets``, authorities, proxies."""

import ipaddress
import subprocess

import pytest

from drayman import outbound
from drayman.core.events import AttemptEnded
from drayman.core.target_policy import DefaultRule, TargetSet
from drayman.settings import SettingsError, load
from live import LiveServer, Worker

RULES = """
default = "none"
[allow]
hosts = ["Billing.Internal", "*.svc.example.com.", "b\u00fccher.example"]
networks = ["10.20.0.0/16", "192.168.1.7", "fd00::/8"]
[deny]
hosts = ["*.corp.example.com"]
"""


def settings(**arguments):
    return load({"store": "memory"} | arguments, {})


def write(tmp_path, content, name="targets.toml"):
    path = tmp_path / name
    path.write_text(content)
    return str(path)


@pytest.mark.parametrize("value", ["any", "public"])
def test_a_value_without_a_file_is_the_default_rule(value):
    policy = outbound.load_policy(settings(targets=value))
    assert policy.default is DefaultRule(value)
    assert policy.allow == policy.deny == TargetSet()


def test_a_file_has_rules(tmp_path):
    policy = outbound.load_policy(settings(targets=write(tmp_path, RULES)))
    assert policy.default is DefaultRule.NONE
    assert policy.allow.hosts == ("billing.internal", "*.svc.example.com", "xn--bcher-kva.example")
    networks = ("10.20.0.0/16", "192.168.1.7/32", "fd00::/8")
    assert policy.allow.networks == tuple(map(ipaddress.ip_network, networks))
    assert policy.deny == TargetSet(("*.corp.example.com",))


def test_the_default_of_a_file_is_public(tmp_path):
    assert outbound.load_policy(settings(targets=write(tmp_path, ""))).default is DefaultRule.PUBLIC


def test_every_wrong_entry_has_a_line(tmp_path):
    path = write(
        tmp_path,
        'default = "private"\nalow = 1\nallow = 3\n[deny]\nnetworks = ["10.0.0.1/8", "a.example"]\n'
        'hosts = ["http://a", "a:80", "10.0.0.1", "*", "a.*.b", 7]\nhost = []\n',
    )
    with pytest.raises(SettingsError) as error:
        outbound.load_policy(settings(targets=path))
    lines = [line.removeprefix(f"--targets: {path}: ") for line in error.value.args]
    not_a_host = "is neither a host name nor of the form *.example.com"
    assert lines == [
        "unknown key alow; allowed: allow, default, deny",
        "default: 'private' is not allowed; allowed: any, public, none",
        "allow must be a table with hosts and networks",
        "unknown key deny.host; allowed: hosts, networks",
        *(f"deny.hosts: {host!r} {not_a_host}"
          for host in ("http://a", "a:80", "10.0.0.1", "*", "a.*.b", 7)),
        "deny.networks: 10.0.0.1/8 has host bits set",
        "deny.networks: 'a.example' does not appear to be an IPv4 or IPv6 network",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "problem"),
    [("default = ", "is not TOML: "), (None, "cannot be read: "),
     ("[allow]\nhosts = 'a'", "allow.hosts must be a list")],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named(tmp_path, content, problem):
    path = str(tmp_path / "no") if content is None else write(tmp_path, content)
    with pytest.raises(SettingsError) as error:
        outbound.load_policy(settings(targets=path))
    assert str(error.value).startswith(f"--targets: {path}")
    assert problem in str(error.value)


def test_app_engine_targets_are_part_of_the_policy():
    arguments = ["http://127.0.0.1:8080", "w=https://App.example/base", "x=http://127.1"]
    policy = outbound.load_policy(settings(app_engine_target=arguments))
    assert policy.app_engine == {("127.0.0.1", 8080), ("app.example", 443)}


def test_an_authority_that_cannot_be_used_is_named(tmp_path):
    for path in (write(tmp_path, "no certificate", "ca.pem"), str(tmp_path / "no")):
        with pytest.raises(SettingsError, match=f"^--target-ca: {path} cannot be used: "):
            outbound.load_tls(path)


def test_authorities_are_trusted_beside_those_of_the_system(tmp_path):
    certificate = str(tmp_path / "ca.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", str(tmp_path / "key.pem"), "-out", certificate,
         "-subj", "/CN=our ca"],
        check=True, capture_output=True,
    )  # fmt: skip
    ours = ((("commonName", "our ca"),),)
    before, after = (outbound.load_tls(path).get_ca_certs() for path in (None, certificate))
    assert len(after) == len(before) + 1
    assert ours not in [each["subject"] for each in before]
    assert ours in [each["subject"] for each in after]


def test_proxies_of_the_environment_are_used_only_on_demand(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "localhost")
    assert outbound.load_proxies(settings()) == {}
    proxies = outbound.load_proxies(settings(proxy_from_environment="true"))
    assert proxies["https"] == "http://proxy.example:3128"
    assert proxies["no"] == "localhost"
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example")
    with pytest.raises(SettingsError, match=r"--proxy-from-environment: .* neither http nor https"):
        outbound.load_proxies(settings(proxy_from_environment="true"))


@pytest.mark.parametrize(
    ("targets", "proxy", "warned"),
    [
        ("public", "http://p.example", True),
        ("any", "http://p.example", False),
        ("public", "", False),
    ],
)
def test_a_proxy_that_resolves_names_is_warned_about(monkeypatch, targets, proxy, warned):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTP_PROXY", proxy)
    loaded = outbound.load(settings(targets=targets, proxy_from_environment="true"))
    warning = (
        "--targets judges no addresses of host names behind a proxy, which resolves them: the "
        "proxy itself must refuse what is not allowed"
    )
    assert loaded.warning == (warning if warned else "")


QUEUE = "projects/p/locations/l/queues/q"
REFUSED = "PERMISSION_DENIED(7): the server does not send to this target"


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    worker.stop()


def outcome_of(url, **settings):
    """Return how a server's attempt of a task for a URL ends; ``{own}`` is the server itself."""
    server = LiveServer(queue=[QUEUE], **settings)
    try:
        body = {"task": {"httpRequest": {"url": url.format(own=server.url)}}}
        assert server.request("POST", f"/v2/{QUEUE}/tasks", body)[0] == 200
        return server.next_event(AttemptEnded).result.outcome
    finally:
        server.stop()


def test_by_default_a_server_sends_to_this_machine(worker):
    assert outcome_of(worker.url).success


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("{own}/healthz", "127.0.0.1 port"),
        ("http://169.254.169.254/latest/meta-data/", "169.254.169.254 is a link-local address"),
        ("http://metadata.google.internal/", "metadata.google.internal is a metadata server"),
    ],
)
def test_by_default_a_server_sends_neither_to_itself_nor_to_a_metadata_server(url, reason):
    outcome = outcome_of(url)
    assert outcome.message == REFUSED
    assert outcome.cause.startswith(f"the target is not allowed: {reason}")


def test_a_public_only_server_does_not_send_to_this_machine(worker):
    outcome = outcome_of(worker.url, targets="public")
    assert outcome.message == REFUSED
    assert worker.deliveries.empty()


def test_a_rule_allows_the_server_itself(tmp_path):
    rules = write(tmp_path, '[allow]\nnetworks = ["127.0.0.0/8"]\n')
    assert outcome_of("{own}/nothing-here", targets=rules).previous_response == 404
