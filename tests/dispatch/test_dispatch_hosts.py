"""The host that a URL is sent to, against an independent split and encoding of the URL."""

import encodings.idna
import socket
import string
import unicodedata
import urllib.parse

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from peers import post

from drayman.core import delivery
from drayman.core.delivery import Failure, Kind, Response, Target
from drayman.core.task import Task
from drayman.dispatch import redirects
from drayman.dispatch.http import request as requests
from drayman.dispatch.http.request import InvalidUrlError
from drayman.dispatch.sender import HttpSender

TASK = Task(
    name="projects/p/locations/l/queues/q/tasks/t",
    create_time=0,
    schedule_time=0,
    request=b"",
    dispatch_count=1,
)

HOSTILE = [
    "http://a.example\uff0f.b.example/",
    "http://a.example\uff1f.b.example/",
    "http://a.example\uff03.b.example/",
    "http://trusted.example\uff20evil.example/",
    "http://user@trusted.example\uff20evil.example/",
    "http://a.example\uff1a81/",
    "http://a.example\uff1a81:82/",
    "http://\uff3b::1\uff3d/",
    "http://a.example\uff3c.b.example/",
    "http://a.example\\b\u00fccher.example/",
    "http://a.example\u2100.b.example/",  # its compatibility form is "a/c"
    "http://a.example\uff052f.b.example/",
]
"""URLs with a delimiter in the compatibility form (NFKC) of their host."""


def sent(url):
    """Return the request of an attempt for a URL."""
    return delivery.request(Target(Kind.HTTP, "POST", url, {}, b"", 0), TASK, {})


def origin(url):
    return requests.split_url(sent(url).url)[0]


LDH = string.ascii_letters + string.digits + "-._"
DELIMITERS = "\u3002\uff0e\uff0f\uff1f\uff03\uff20\uff1a\uff3c\uff05"
"""Characters whose compatibility forms (NFKC) are delimiters."""
LABEL_CHARACTERS = st.sampled_from(
    string.ascii_lowercase + "\u00fc\u00df\u2177" + DELIMITERS
) | st.characters(min_codepoint=0xA1, exclude_categories=["C", "Z"])
HOSTS = st.builds(
    "{}.example".format,
    st.text(string.ascii_lowercase, min_size=1, max_size=9)
    | st.text(LABEL_CHARACTERS, min_size=1, max_size=9),
)
USER_INFO_CHARACTERS = st.sampled_from("ab%.[;\u00fc\uff20\uff0f\u4e2d") | st.characters(
    min_codepoint=0x21, exclude_characters="/?#@:\\", exclude_categories=["C", "Z"]
)
USER_INFO = st.just("") | st.builds(
    "{}{}@".format,
    st.text(USER_INFO_CHARACTERS, max_size=5),
    st.just("") | st.text(USER_INFO_CHARACTERS, max_size=5).map(":{}".format),
)
PORTS = st.just("") | st.integers(1, 65_535).map(":{}".format)
PATHS = st.sampled_from(["", "/", "/x", "/\u00fc?\uff20@:1", "?q=http://\u00fc@b.example:2/"])


def expected_host(authority):
    """Return the host of an authority, in the form of the DNS; UnicodeError, ValueError."""
    host = urllib.parse.urlsplit(f"http://{authority.rpartition('@')[2]}/").hostname
    labels = encodings.idna.dots.split(host)
    encoded = b".".join(encodings.idna.ToASCII(label) for label in labels).decode().lower()
    if set(encoded) - set(LDH):
        raise ValueError("the encoded name has other characters")
    return encoded


@given(user_info=USER_INFO, host=HOSTS, port=PORTS, path=PATHS)
@example(user_info="user:pw@", host="b\u00fccher.example", port="", path="/x")
@example(user_info="\u00fc:\u00e9@", host="localhost", port=":9", path="/")
@example(user_info="", host="b\u00fccher", port=":8080", path="/")
def test_a_request_goes_to_the_host_of_its_url_and_nowhere_else(user_info, host, port, path):
    url = f"http://{user_info}{host}{port}{path}"
    try:
        expected = expected_host(f"{user_info}{host}{port}")
    except ValueError:  # UnicodeError is one
        with pytest.raises(InvalidUrlError):
            origin(url)
        return
    assert (origin(url).host, origin(url).port) == (expected, int(port[1:] or 80))


@pytest.mark.parametrize("url", HOSTILE)
async def test_a_name_whose_compatibility_form_has_a_delimiter_reaches_no_host(url):
    names = []

    def getaddrinfo(name, *_, **__):
        names.append(name)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    assert unicodedata.normalize("NFKC", url) != url or "\\" in url
    sender = HttpSender(getaddrinfo=getaddrinfo)
    result = await sender.send(post(sent(url).url))
    await sender.close()
    assert names == []
    assert result.failure is Failure.REQUEST
    assert result.reason == "the URL cannot be used: its host or port is invalid"


@pytest.mark.parametrize("url", HOSTILE)
def test_a_redirect_to_such_a_name_is_not_followed(url):
    location = url.encode().decode("latin-1")
    response = Response(307, {"location": location})
    assert redirects.follow(post("http://a.example/"), response) is None


def test_a_redirect_goes_to_the_encoded_name_of_its_location():
    location = "http://us\u00e9r:pw@b\u00fccher.example:81/x".encode().decode("latin-1")
    following = redirects.follow(post("http://a.example/"), Response(307, {"location": location}))
    assert following.url == "http://xn--bcher-kva.example:81/x"
