"""Headers of a task: which are stored, and how (recorded: headers of the task)."""

import pytest

from drayman.core import headers

DROPPED = (
    "Host", "Content-Length", "Connection", "Keep-Alive", "Proxy-Authorization",
    "Proxy-Connection", "TE", "Transfer-Encoding", "Upgrade", "Via", "Accept-Encoding",
    "X-Forwarded-For", "From", "User-Agent", "X-Google", "X-Google-Custom", "X-Googlebot",
    "X-AppEngine", "X-AppEngine-Custom",
    "", " ", "a b", "a\tb", "a:b", ":", "ü", "a\nb", "a\0b", "a\x7fb",
)  # fmt: skip
STORED = (
    "Authorization", "Content-Type", "Trailer", "X-Forwarded-Proto", "X-Goog-Custom",
    "X-CloudTasks-TaskName", "X-CloudTasks", "X/Slash", "a(b)", "{}", "Via-2", "Hosts", "Expect",
)  # fmt: skip


def sanitized(name, value):
    """Return the value with which a header is stored, None if it is dropped."""
    content = {"Other": "x", name: value}
    size = headers.sanitize(content)
    assert size == sum(len(key) + len(content[key]) for key in content)
    assert content.pop("Other") == "x"
    return content.get(name)


@pytest.mark.parametrize("name", DROPPED)
def test_a_header_is_dropped_for_its_name_in_any_case(name):
    for each in (name, name.upper(), name.lower()):
        assert sanitized(each, "v") is None


@pytest.mark.parametrize("name", STORED)
def test_any_other_header_is_stored_with_its_name_as_it_is(name):
    for each in (name, name.upper(), name.lower()):
        assert sanitized(each, "v") == "v"


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("a\nb", "a_b"),
        ("a\rb", "a_b"),
        ("a\r\nb", "a__b"),
        ("\n", "_"),
        ("a\tb", "a\tb"),
        ("a\0b", "a"),
        ("a\0\x01ü", "a"),
        ("a\n\0b", "a_"),
        ("\0b", None),
        ("a\x01b", None),
        ("a\n\x01b", None),
        ("a\x1fb", None),
        ("a\x7fb", None),
        ("ü", None),
        ("a\x85b", None),
        ("a\u2028b", None),
        ("", None),
        (" ", " "),
        ("\t", "\t"),
        (" a ", " a "),
        ('"()<>@,;:\\/[]?={}~', '"()<>@,;:\\/[]?={}~'),
    ],
)
def test_a_value_is_stored_changed_or_not_at_all(value, stored):
    assert sanitized("X-Name", value) == stored


@pytest.mark.parametrize(
    ("name", "length", "stored"),
    [
        ("X-Name", 8182, True),
        ("X-Name", 8183, False),
        ("X" * 8187, 1, True),
        ("X" * 8188, 1, False),
    ],
)
def test_a_header_longer_than_a_line_is_dropped(name, length, stored):
    assert (sanitized(name, "v" * length) is not None) == stored


def test_the_length_of_a_header_is_that_of_its_stored_value():
    assert sanitized("X-Name", "v\0" + "w" * 9_000) == "v"
