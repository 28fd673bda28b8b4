"""The claims of tokens (RFC 7519; OpenID Connect Core)."""

import math

import pytest

from drayman.access import claims
from drayman.access.claims import ClaimError, Issuer
from drayman.core.clock import MINUTE, SECOND

NOW = 1_700_000_000 * SECOND
ISSUER = Issuer("https://issuer.example", frozenset({"a", "b"}))
GOOD = {"iss": ISSUER.name, "aud": "a", "exp": NOW // SECOND + 60}
NAMED = {"sub": "s", "email": "ann@example.com", "email_verified": True}
PRINCIPAL = "principal://issuer.example/subject/s"


@pytest.mark.parametrize(
    "changes",
    [{}, {"aud": ["x", "b"]}, {"exp": NOW / SECOND + 0.5}, {"nbf": NOW // SECOND},
     {"iat": NOW // SECOND + 60}, {"nbf": NOW // SECOND + 60}, {"exp": NOW // SECOND - 59}],
)  # fmt: skip
def test_claims_that_hold(changes):
    claims.check(GOOD | changes, ISSUER, NOW)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://issuer.example/"}, "its issuer is not https://issuer.example"),
        ({"iss": None}, "its issuer is not https://issuer.example"),
        ({"aud": "c"}, "its audience is not one of a, b"),
        ({"aud": None}, "its audience is not one of a, b"),
        ({"aud": ["c", 7, ["a"]]}, "its audience is not one of a, b"),
        ({"aud": {"a": 1}}, "its audience is not one of a, b"),
        ({"exp": None}, "it does not expire"),
        ({"exp": NOW // SECOND - 60}, "it has expired"),
        ({"exp": "9999999999"}, "its exp is not a time"),
        ({"exp": True}, "its exp is not a time"),
        ({"exp": math.inf}, "its exp is not a time"),
        ({"exp": math.nan}, "its exp is not a time"),
        ({"nbf": NOW // SECOND + 61}, "it is not valid yet (nbf)"),
        ({"iat": NOW // SECOND + 61}, "it is not valid yet (iat)"),
        ({"iat": []}, "its iat is not a time"),
    ],
)
def test_claims_that_do_not_hold(changes, reason):
    with pytest.raises(ClaimError) as caught:
        claims.check(GOOD | changes, ISSUER, NOW)
    assert str(caught.value) == reason


def test_a_token_expires_when_it_says():
    assert claims.check(GOOD, ISSUER, NOW) == NOW + MINUTE


def test_a_token_names_a_verified_address_and_a_subject():
    assert claims.identify(NAMED, ISSUER) == {
        "user:ann@example.com", "domain:example.com", PRINCIPAL,
    }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [{"email_verified": False}, {"email_verified": "true"}, {"email_verified": None},
     {"email": ["ann@example.com"]}, {"email": "ann"}, {"email": "a@other.example@example.com"}],
)  # fmt: skip
def test_an_address_that_is_not_verified_names_nobody(changes):
    assert claims.identify(NAMED | changes, ISSUER) == {PRINCIPAL}


def test_an_issuer_vouches_for_its_domains_alone():
    limited = Issuer(ISSUER.name, ISSUER.audiences, domains=frozenset({"example.com"}))
    assert "user:ann@example.com" in claims.identify(NAMED, limited)
    foreign = NAMED | {"email": "ann@other.example"}
    assert claims.identify(foreign, limited) == {PRINCIPAL}


def test_tokens_of_this_server_name_service_accounts():
    own = Issuer(ISSUER.name, ISSUER.audiences, is_own=True)
    account = {"serviceAccount:ann@example.com"}
    assert claims.identify(NAMED, own) == account
    assert claims.identify({"sub": "1", "client_id": "ann@example.com"}, own) == account


@pytest.mark.parametrize("content", [{}, {"sub": ""}, {"sub": 7}])
def test_a_token_that_names_nobody_is_refused(content):
    with pytest.raises(ClaimError, match="it names nobody"):
        claims.identify(content, ISSUER)
