"""Requests as bytes: origins, paths, heads; nothing given adds a line to a head."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drayman.core.delivery import Request
from drayman.dispatch.http import request as requests
from drayman.dispatch.http.request import InvalidRequestError, InvalidUrlError


@pytest.mark.parametrize(
    ("url", "tls", "host", "port", "authority", "is_address", "path"),
    [
        ("http://a.example", False, "a.example", 80, "a.example", False, "/"),
        ("HTTPS://A.Example:443/x?y", True, "a.example", 443, "a.example", False, "/x?y"),
        ("https://a.example:80?q", True, "a.example", 80, "a.example:80", False, "/?q"),
        ("http://a.example:/", False, "a.example", 80, "a.example", False, "/"),
        ("http://1.2.3.4:8080/%zz", False, "1.2.3.4", 8080, "1.2.3.4:8080", True, "/%zz"),
        ("http://[::1]:80/", False, "::1", 80, "[::1]", True, "/"),
        ("http://[FE80::1%25lo]:81/", False, "fe80::1%lo", 81, "[fe80::1%25lo]:81", True, "/"),
        ("http://a.example/x#y", False, "a.example", 80, "a.example", False, "/x"),
    ],
)
def test_a_url_is_an_origin_and_a_path(url, tls, host, port, authority, is_address, path):
    expected = requests.Origin(tls, host, port, authority, is_address)
    assert requests.split_url(url) == (expected, path)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("/x", "it has no scheme and host"),
        ("ftp://a.example/", "its scheme is neither http nor https"),
        ("http://", "its host or port is invalid"),
        ("http://[", "its host or port is invalid"),
        ("http://[1.2.3.4]/", "its host or port is invalid"),
        ("http://user@a.example/", "its host or port is invalid"),
        ("http://a.example:b/", "its host or port is invalid"),
        ("http://a b/", "its host or port is invalid"),
        ("http://a%20b/", "its host or port is invalid"),
        ("http://a.example%2F.b.example/", "its host or port is invalid"),
        ("http://a.example:65536/", "its port is out of range"),
        ("http://127.1/", "127.1 - is not a canonical IP address"),
        ("http://2130706433/", "2130706433 - is not a canonical IP address"),
        ("http://0x7f000001/", "0x7f000001 - is not a canonical IP address"),
        ("http://0X7F.0.0.1/", "0x7f.0.0.1 - is not a canonical IP address"),
        ("http://0177.0.0.1/", "0177.0.0.1 - is not a canonical IP address"),
        ("http://127.0.0.1./", "127.0.0.1. - is not a canonical IP address"),
        ("http://0xa9fea9fe./", "0xa9fea9fe. - is not a canonical IP address"),
        ("http://1.2.3.4.5/", "1.2.3.4.5 - is not a canonical IP address"),
        ("http://[:::]/", "::: - is not a canonical IP address"),
        ("http://a.example/x y", "its path has characters that are not percent-encoded"),
        ("http://a.example/\r\nX: y", "its path has characters that are not percent-encoded"),
        ("http://a.example/é", "its path has characters that are not percent-encoded"),
    ],
)
def test_a_url_that_names_no_place_says_why(url, reason):
    with pytest.raises(InvalidUrlError) as error:
        requests.split_url(url)
    assert str(error.value) == reason


def head(method="POST", headers=None, body=b"", **more):
    return requests.render_head(Request(method, "", headers or {}, body), "a:1", "/x", **more)


def test_a_head_is_host_then_headers_then_length():
    assert (
        head(headers={"X-B": "1", "X-A": "é\t2", "X-C": ""}, body=b"123")
        == (
            "POST /x HTTP/1.1\r\nHost: a:1\r\nX-B: 1\r\nX-A: é\t2\r\nX-C: \r\n"
            "Content-Length: 3\r\n\r\n"
        ).encode()
    )


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_methods_that_carry_no_body_have_a_length_only_with_one(method):
    assert b"Content-Length" not in head(method)
    assert b"Content-Length: 1\r\n" in head(method, body=b"1")
    assert b"Content-Length: 0\r\n" in head("DELETE")


def test_of_headers_that_differ_in_case_alone_the_last_counts():
    assert head("GET", {"x-a": "1", "X-B": "2", "X-A": "3"}).endswith(
        b"Host: a:1\r\nX-A: 3\r\nX-B: 2\r\n\r\n"
    )


def test_a_proxy_gets_its_authorization():
    assert b"\r\nProxy-Authorization: Basic eA==\r\n" in head(proxy_authorization="Basic eA==")


@pytest.mark.parametrize("method", ["", "P OST", "POST\r\n", "PÖST"])
def test_a_method_that_is_no_token_is_refused(method):
    with pytest.raises(InvalidRequestError, match="method"):
        head(method)


@given(
    st.dictionaries(
        st.text(st.sampled_from("Xy:- \r\n\té\0"), max_size=5),
        st.text(st.sampled_from("Xy:- \r\n\té\0\x7f"), max_size=20),
        max_size=4,
    )
)
def test_no_header_adds_a_line(headers):
    try:
        lines = head("GET", headers).split(b"\r\n")
    except InvalidRequestError:
        return
    names = {name.lower() for name in headers}
    assert len(lines) == 4 + len(names)
    assert lines[-2:] == [b"", b""]
    assert b"\n" not in b"".join(lines)
    assert b"\r" not in b"".join(lines)
