"""The stored form of a sealed message.

    0x00 · length of the KMS key's name (2 bytes) · the name · nonce (12 bytes)
         · length of the ciphertext (4 bytes) · the ciphertext · the open part

Lengths are big-endian. No serialized message starts with a zero byte, so that byte tells a sealed
message from an open one.
"""

from typing import NamedTuple

NONCE_SIZE = 12
_MARK = b"\0"
_NAME_LENGTH_SIZE = 2
_CIPHERTEXT_LENGTH_SIZE = 4


class Envelope(NamedTuple):
    """A sealed message.

    Attributes:
        kms_key: The name of the KMS key it is sealed with.
        nonce: The nonce, 12 bytes.
        ciphertext: The secret part, encrypted and authenticated.
        open_part: The rest of the message, readable and authenticated.
    """

    kms_key: str
    nonce: bytes
    ciphertext: bytes
    open_part: bytes


def is_sealed(stored: bytes) -> bool:
    """Return whether stored bytes are an envelope."""
    return stored.startswith(_MARK)


def encode(envelope: Envelope) -> bytes:
    """Return an envelope as stored."""
    name = envelope.kms_key.encode()
    return b"".join(
        (
            _MARK,
            len(name).to_bytes(_NAME_LENGTH_SIZE),
            name,
            envelope.nonce,
            len(envelope.ciphertext).to_bytes(_CIPHERTEXT_LENGTH_SIZE),
            envelope.ciphertext,
            envelope.open_part,
        )
    )


def decode(stored: bytes) -> Envelope:
    """Return the envelope that ``encode`` encoded."""
    name = len(_MARK) + _NAME_LENGTH_SIZE
    nonce = name + int.from_bytes(stored[len(_MARK) : name])
    length = nonce + NONCE_SIZE
    ciphertext = length + _CIPHERTEXT_LENGTH_SIZE
    rest = ciphertext + int.from_bytes(stored[length:ciphertext])
    return Envelope(
        kms_key=stored[name:nonce].decode(),
        nonce=stored[nonce:length],
        ciphertext=stored[ciphertext:rest],
        open_part=stored[rest:],
    )


def open_part(stored: bytes) -> bytes:
    """Return what of a stored message can be read without a key."""
    return decode(stored).open_part if is_sealed(stored) else stored


def associated_data(kms_key: str, open_part: bytes) -> bytes:
    """Return what is authenticated together with the ciphertext: everything but the nonce."""
    return kms_key.encode() + b"\0" + open_part
