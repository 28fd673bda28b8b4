"""The stored form of a sealed message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drayman.encryption import envelope
from drayman.encryption.envelope import Envelope

NONCE = bytes(range(12))


@given(
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.binary(min_size=12, max_size=12),
    st.binary(max_size=300),
    st.binary(max_size=300),
)
def test_an_encoded_envelope_decodes_to_the_same(kms_key, nonce, ciphertext, open_part):
    original = Envelope(kms_key, nonce, ciphertext, open_part)
    stored = envelope.encode(original)
    assert envelope.decode(stored) == original
    assert envelope.is_sealed(stored)
    assert envelope.open_part(stored) == open_part


def test_the_format_on_disk_stays_as_it_is():
    stored = envelope.encode(Envelope("kä", NONCE, b"secret", b"open"))
    name = "kä".encode()
    assert stored == b"\0" + b"\0\x03" + name + NONCE + b"\0\0\0\x06" + b"secret" + b"open"


@pytest.mark.parametrize("stored", [b"", b"\x0a\x01a", b"plain"])
def test_what_begins_with_no_zero_byte_is_open(stored):
    assert not envelope.is_sealed(stored)
    assert envelope.open_part(stored) is stored


def test_key_and_open_part_are_both_authenticated_and_cannot_be_shifted():
    assert envelope.associated_data("ab", b"c") != envelope.associated_data("a", b"bc")
    assert envelope.associated_data("a", b"b") != envelope.associated_data("a", b"c")
