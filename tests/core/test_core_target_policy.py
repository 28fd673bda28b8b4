"""Where tasks may be sent: the order of the rules, and addresses in all their forms."""

import ipaddress

import pytest

from drayman.core import target_policy
from drayman.core.target_policy import DefaultRule, TargetPolicy, TargetSet

ANY = TargetPolicy()
PUBLIC = TargetPolicy(DefaultRule.PUBLIC)
NONE = TargetPolicy(DefaultRule.NONE)
METADATA = [
    "169.254.169.254", "169.254.170.2", "169.254.0.23", "fd00:ec2::254", "fd20:ce::254",
    "100.100.100.200", "168.63.129.16", "192.0.0.192", "fe80::a9fe:a9fe",
]  # fmt: skip


def targets(*hosts, networks=()):
    return TargetSet(hosts, tuple(map(ipaddress.ip_network, networks)))


def allows(policy, ip, host="host.example", port=80):
    return policy.refuse_address(host, ip, port) is None


@pytest.mark.parametrize(
    "ip",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "::1", "fd00::1", "8.8.8.8",
     "2001:4860:4860::8888", "0.0.0.0"],
)  # fmt: skip
def test_any_allows_private_networks_and_this_machine(ip):
    assert allows(ANY, ip)


@pytest.mark.parametrize(
    "ip",
    ["8.8.8.8", "192.88.99.1", "2001:4860:4860::8888", "64:ff9b::808:808", "::ffff:8.8.8.8",
     "2002:808:808::1"],
)  # fmt: skip
def test_public_allows_addresses_of_the_internet(ip):
    assert allows(PUBLIC, ip)


@pytest.mark.parametrize(
    "ip",
    ["127.0.0.1", "127.9.9.9", "10.1.2.3", "172.31.255.255", "192.168.0.1", "100.64.0.1",
     "0.0.0.0", "0.1.2.3", "192.0.2.1", "198.18.0.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
     "255.255.255.255", "::", "::1", "fc00::1", "fd12::1", "fec0::1", "ff0e::1", "2001:db8::1",
     "100::1", "::ffff:10.0.0.1", "::ffff:0:10.0.0.1", "::10.0.0.1", "64:ff9b::a00:1",
     "64:ff9b:1::808:808", "2002:a00:1::", "2001:0:808:808::1"],
)  # fmt: skip
def test_public_refuses_all_others_in_any_form(ip):
    assert not allows(PUBLIC, ip)
    assert allows(ANY, ip)


@pytest.mark.parametrize("policy", [ANY, PUBLIC, NONE], ids=["any", "public", "none"])
@pytest.mark.parametrize("ip", METADATA)
def test_metadata_servers_are_refused_unless_their_network_is_allowed(policy, ip):
    assert not allows(policy, ip)
    by_host = TargetPolicy(policy.default, allow=targets("host.example"))
    assert not allows(by_host, ip)
    assert allows(TargetPolicy(policy.default, allow=targets(networks=[ip])), ip)


@pytest.mark.parametrize(
    "ip",
    ["::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::ffff:0:169.254.169.254", "::169.254.169.254",
     "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1", "2001:0:a9fe:a9fe::1",
     "2001:0:808:808:0:0:5601:5601"],
)  # fmt: skip
def test_an_ipv6_address_does_not_hide_a_metadata_server(ip):
    assert not allows(ANY, ip)


@pytest.mark.parametrize(("ip", "loopback"), [("0.0.0.0", "127.0.0.0/8"), ("::", "::1/128")])
def test_the_unspecified_address_counts_as_loopback_too(ip, loopback):
    assert not allows(TargetPolicy(deny=targets(networks=[loopback])), ip)


@pytest.mark.parametrize(
    ("host", "refused"),
    [("metadata.google.internal", True), ("metadata.google.internal.", True),
     ("x.metadata.google.internal", True), ("metadata", True), ("instance-data", True),
     ("metadata.google.internal.example", False), ("mymetadata.goog", False)],
)  # fmt: skip
def test_the_names_of_metadata_servers_are_refused_unless_they_are_allowed(host, refused):
    assert (ANY.refuse_host(host) is not None) is refused
    allowed = TargetPolicy(allow=targets(host.rstrip(".")))
    assert allowed.refuse_host(host) is None


def test_the_own_ports_of_this_machine_are_refused_unless_its_network_is_allowed():
    own = {"own_ports": frozenset({8123}), "is_own": lambda ip: ip in {"127.0.0.1", "10.0.0.5"}}
    policy = TargetPolicy(**own)
    for ip in ("127.0.0.1", "10.0.0.5", "::ffff:10.0.0.5", "0.0.0.0"):
        assert not allows(policy, ip, port=8123)
        assert allows(policy, ip, port=8124)
    assert allows(policy, "10.0.0.6", port=8123)
    assert not allows(TargetPolicy(allow=targets("host.example"), **own), "127.0.0.1", port=8123)
    allowed = TargetPolicy(allow=targets(networks=["127.0.0.0/8"]), **own)
    assert allows(allowed, "127.0.0.1", port=8123)


ALLOW = targets("good.example", "*.good.example", networks=["10.0.0.0/8", "127.0.0.1"])
DENY = targets("bad.good.example", "*.bad.example", networks=["10.9.0.0/16", "8.8.4.4"])


@pytest.mark.parametrize(
    ("default", "host", "ip", "refusal"),
    [
        ("public", "a.example", "8.8.8.8", None),
        ("public", "a.example", "8.8.4.4", "8.8.4.4 is denied"),
        ("public", "a.example", "10.1.1.1", None),
        ("public", "a.example", "10.9.1.1", "10.9.1.1 is denied"),
        ("public", "a.example", "192.168.0.1", "192.168.0.1 is not a public address"),
        ("public", "good.example", "192.168.0.1", None),
        ("public", "good.example.", "192.168.0.1", None),
        ("public", "x.y.good.example", "192.168.0.1", None),
        ("public", "xgood.example", "192.168.0.1", "192.168.0.1 is not a public address"),
        ("public", "good.example", "10.9.1.1", "10.9.1.1 is denied"),
        ("none", "a.example", "8.8.8.8", "8.8.8.8 is not allowed"),
        ("none", "a.example", "10.1.1.1", None),
        ("none", "good.example", "8.8.8.8", None),
        ("any", "a.example", "192.168.0.1", None),
        ("any", "a.example", "10.9.1.1", "10.9.1.1 is denied"),
    ],
)
def test_the_first_rule_that_applies_decides(default, host, ip, refusal):
    policy = TargetPolicy(DefaultRule(default), ALLOW, DENY)
    assert policy.refuse_address(host, ip, 80) == refusal


@pytest.mark.parametrize(
    ("host", "refused"),
    [("a.bad.example", True), ("a.b.bad.example.", True), ("bad.example", False),
     ("bad.good.example", True), ("good.example", False)],
)  # fmt: skip
def test_a_denied_host_is_refused_before_its_lookup(host, refused):
    assert (TargetPolicy(allow=ALLOW, deny=DENY).refuse_host(host) is not None) is refused


def test_app_engine_targets_are_allowed_at_their_port():
    policy = TargetPolicy(DefaultRule.PUBLIC, app_engine=frozenset({("127.0.0.1", 8080)}))
    assert allows(policy, "127.0.0.1", host="127.0.0.1", port=8080)
    assert not allows(policy, "127.0.0.1", host="127.0.0.1", port=8081)


@pytest.mark.parametrize(
    ("policy", "host", "refusal"),
    [
        (ANY, "a.example", None),
        (ANY, "localhost", None),
        (PUBLIC, "a.example", None),
        (PUBLIC, "localhost", "127.0.0.1 is not a public address"),
        (PUBLIC, "x.localhost.", "127.0.0.1 is not a public address"),
        (NONE, "a.example", "a.example is not allowed"),
        (TargetPolicy(DefaultRule.NONE, ALLOW), "good.example", None),
        (ANY, "%31%36", "%31%36 is not a host name"),
    ],
)
def test_of_a_host_behind_a_proxy_the_name_is_judged(policy, host, refusal):
    assert policy.refuse_proxied(host, 80) == refusal


def test_the_zone_of_an_address_changes_nothing():
    assert target_policy.addresses("fe80::1%eth0")[0] in ipaddress.ip_network("fe80::/10")
