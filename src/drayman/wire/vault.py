"""Encryption at rest: body and headers of a stored task, under a key of the server's key file.

A sealed request is no message: it starts with a zero byte, which no message does.

    0x00 · length of the key's name (2 bytes) · the key's name · nonce (12 bytes)
         · length of the sealed part (4 bytes) · the sealed part · the open part

The sealed part is a Task message with body and headers alone, by AES-GCM; the open part is the
rest of the Task. All that is not sealed is authenticated with it, so that none of it can be
exchanged.
"""

import dataclasses
import os
from collections.abc import Mapping
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from drayman.core.errors import FailedPrecondition
from drayman.core.task import Task
from drayman.wire import tasks

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
        cipher = self._cipher(key)
        message, secret = tasks.Message.FromString(request), tasks.Message()
        payload = tasks.payload(message)
        hidden = tasks.payload_like(message, secret)
        hidden.body = payload.body
        hidden.headers.update(payload.headers)
        payload.ClearField("body")
        payload.ClearField("headers")
        rest, nonce = message.SerializeToString(), os.urandom(_NONCE)
        sealed = cipher.encrypt(nonce, secret.SerializeToString(), _bound(key, rest))
        name = key.encode()
        return b"".join(
            (_MARK, len(name).to_bytes(2), name, nonce, len(sealed).to_bytes(4), sealed, rest)
        )

    def open(self, request: bytes) -> bytes:
        """Return a stored request as it was before it was sealed, if it was. FailedPrecondition."""
        if not request.startswith(_MARK):
            return request
        parts = _split(request)
        cipher = self._cipher(parts.key)
        try:
            secret = cipher.decrypt(parts.nonce, parts.sealed, _bound(parts.key, parts.open))
        except InvalidTag:
            raise FailedPrecondition(
                f"The task was encrypted with other material than that of the key {parts.key}."
            ) from None
        # Messages merge when they are put one behind the other.
        return parts.open + secret

    def opened(self, task: Task) -> Task:
        """Return a task with its request open. FailedPrecondition."""
        if not task.request.startswith(_MARK):
            return task
        return dataclasses.replace(task, request=self.open(task.request))

    def _cipher(self, key: str) -> AESGCM:
        if key not in self._ciphers:
            raise FailedPrecondition(
                f"The key {key} is not available; it must be in the file given by --key-file."
            )
        return self._ciphers[key]


def without_secret(task: Task) -> Task:
    """Return a task with its request readable, body and headers left out if they are sealed."""
    if not task.request.startswith(_MARK):
        return task
    return dataclasses.replace(task, request=_split(task.request).open)


def _split(request: bytes) -> _Parts:
    at = 1
    size = int.from_bytes(request[at : at + 2])
    at += 2
    key, at = request[at : at + size].decode(), at + size
    nonce, at = request[at : at + _NONCE], at + _NONCE
    size = int.from_bytes(request[at : at + 4])
    at += 4
    return _Parts(key, nonce, request[at : at + size], request[at + size :])


def _bound(key: str, rest: bytes) -> bytes:
    return key.encode() + b"\0" + rest
