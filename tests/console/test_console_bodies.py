"""Bodies as text: JSON, other text, and everything else in hex."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drayman.console import bodies

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=6,
)


@given(st.lists(VALUES, max_size=3), st.sampled_from([None, 1]))
def test_indented_json_has_the_same_value(value, indent):
    text = json.dumps(value, indent=indent)
    body = bodies.decode(text.encode())
    assert body.kind in {"JSON", "text"}
    if body.kind == "JSON" and body.text.isascii():
        assert json.loads(body.text) == value


def test_json_keeps_its_numbers_its_escapes_and_repeated_keys():
    body = b'{"a":1.10,"a":1e2,"b":"\\u00e9,{","c":[],"d":[{}]}'
    assert bodies.decode(body).text == (
        '{\n  "a": 1.10,\n  "a": 1e2,\n  "b": "\\u00e9,{",\n  "c": [],\n  "d": [\n    {}\n  ]\n}'
    )


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"", "", ""),
        (b"a=1&b=2", "text", "a=1&b=2"),
        (b"12", "text", "12"),
        (b'{"a":', "text", '{"a":'),
        (b"[" * 30_000, "text", "[" * 30_000),
        (b'{"a":' + b"9" * 5000 + b"}", "text", '{"a":' + "9" * 5000 + "}"),
        ("Grüße".encode(), "text", "Grüße"),
        (b"\xff\x00", "hex", f"000000  {'ff 00':<48} .."),
        (b"a\x00b", "hex", f"000000  {'61 00 62':<48} a.b"),
    ],
)
def test_a_body_is_decoded(body, kind, text):
    decoded = bodies.decode(body)
    assert (decoded.kind, decoded.text) == (kind, text)
    assert decoded.shown == decoded.size == len(body)


def test_deep_json_is_not_indented_beyond_the_bound():
    depth = 900
    body = bodies.decode(b"[" * depth + b"]" * depth)
    assert (body.kind, len(body.text)) == ("text", 2 * depth)


def test_a_cut_within_a_character_leaves_text():
    body = bodies.decode("é".encode() * bodies.SHOWN + b"")
    assert body.kind == "text"
    odd = bodies.decode(b"x" + "é".encode() * bodies.SHOWN)
    assert (odd.kind, odd.is_cut) == ("text", True)
    assert odd.text.endswith("é")


def test_hex_is_cut_earlier():
    body = bodies.decode(b"\xff" * 10_000)
    assert (body.shown, body.size, body.is_cut) == (bodies.HEX_SHOWN, 10_000, True)
    assert len(body.text.splitlines()) == bodies.HEX_SHOWN // 16


@given(st.binary(max_size=400))
def test_every_body_has_a_text(body):
    assert bodies.decode(body).size == len(body)
