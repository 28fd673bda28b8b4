"""Encryption at rest: body and headers of a stored task, under a key of the server's key file.

What a batch came to is encrypted too, all but its name: it repeats what was created. Whatever is
sealed is no message: it starts with a zero byte, which no message does.

    0x00 · length of the key's name (2 bytes) · the key's name · nonce (12 bytes)
         · length of the sealed part (4 bytes) · the sealed part · the open part

The sealed part is a Task message with body and headers alone, by AES-GCM; the open part is the
rest of the Task. Of an operation the open part is its name and that it is done. All that is not
sealed is authenticated with it, so that none of it can be exchanged.
"""

import dataclasses
import os
from collections.abc import Mapping
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from drayman.core.errors import FailedPrecondition
from drayman.core.task import Task
from drayman.wire import operations, tasks

_MARK = b"\0"
_NONCE = 12


class _Parts(NamedTuple):
    key: str
    nonce: bytes
    sealed: bytes
    open: bytes


class Vault:
    """The keys that a server knows, by their full names; each of 16, 24 or 32 bytes."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}

    def __contains__(self, key: str) -> bool:
        """Tell whether a key is known."""
        return key in self._ciphers

    def seal(self, key: str, request: bytes) -> bytes:
        """Return a stored request with body and headers encrypted. FailedPrecondition."""
        message, secret = tasks.Message.FromString(request), tasks.Message()
        payload = tasks.payload(message)
        hidden = tasks.payload_like(message, secret)
        hidden.body = payload.body
        hidden.headers.update(payload.headers)
        payload.ClearField("body")
        payload.ClearField("headers")
        return self._sealed(key, secret.SerializeToString(), message.SerializeToString())

    def seal_operation(self, key: str, operation: bytes) -> bytes:
        """Return a stored operation with all but its name encrypted. FailedPrecondition."""
        return self._sealed(key, *operations.parted(operation))

    def open(self, stored: bytes) -> bytes:
        """Return what was stored as it was before it was sealed, if it was. FailedPrecondition."""
        if not stored.startswith(_MARK):
            return stored
        parts = _split(stored)
        cipher = self._cipher(parts.key)
        try:
            secret = cipher.decrypt(parts.nonce, parts.sealed, _bound(parts.key, parts.open))
        except InvalidTag:
            raise FailedPrecondition(
                f"It was encrypted with other material than that of the key {parts.key}."
            ) from None
        # Messages merge when they are put one behind the other.
        return parts.open + secret

    def opened(self, task: Task) -> Task:
        """Return a task with its request open. FailedPrecondition."""
        if not task.request.startswith(_MARK):
            return task
        return dataclasses.replace(task, request=self.open(task.request))

    def _sealed(self, key: str, secret: bytes, rest: bytes) -> bytes:
        nonce, name = os.urandom(_NONCE), key.encode()
        sealed = self._cipher(key).encrypt(nonce, secret, _bound(key, rest))
        return b"".join(
            (_MARK, len(name).to_bytes(2), name, nonce, len(sealed).to_bytes(4), sealed, rest)
        )

    def _cipher(self, key: str) -> AESGCM:
        if key not in self._ciphers:
            raise FailedPrecondition(
                f"The key {key} is not available; it must be in the file given by --key-file."
            )
        return self._ciphers[key]


def without_secret(stored: bytes) -> bytes:
    """Return the message that was stored, without what of it is sealed."""
    return _split(stored).open if stored.startswith(_MARK) else stored


def _split(stored: bytes) -> _Parts:
    at = 1
    size = int.from_bytes(stored[at : at + 2])
    at += 2
    key, at = stored[at : at + size].decode(), at + size
    nonce, at = stored[at : at + _NONCE], at + _NONCE
    size = int.from_bytes(stored[at : at + 4])
    at += 4
    return _Parts(key, nonce, stored[at : at + size], stored[at + size :])


def _bound(key: str, rest: bytes) -> bytes:
    return key.encode() + b"\0" + rest
