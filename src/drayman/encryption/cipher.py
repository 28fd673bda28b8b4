"""The task cipher: AES-GCM under the KMS keys of the server's key file (``--key-file``).

Body and headers of a task are sealed; the rest stays readable and is authenticated with them, so
that no part of a stored task can be exchanged for another's.
"""

import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from drayman.core.errors import FailedPrecondition
from drayman.core.task import Task
from drayman.encryption import envelope
from drayman.encryption.envelope import Envelope
from drayman.wire import tasks


class TaskCipher:
    """Seals and opens tasks with the KMS keys that this server has.

    ``kms_keys`` is the material of each key, 16, 24 or 32 bytes, by the key's full name.
    """

    def __init__(self, kms_keys: Mapping[str, bytes]) -> None:
        self.use(kms_keys)

    def use(self, kms_keys: Mapping[str, bytes]) -> None:
        """Seal and open with these keys from now on."""
        self._ciphers = {name: AESGCM(material) for name, material in kms_keys.items()}

    def check(self, kms_key: str) -> None:
        """Check that this server has a key. FailedPrecondition."""
        self._cipher(kms_key)

    def seal(self, kms_key: str, request: bytes) -> bytes:
        """Return a task's request with body and headers sealed. FailedPrecondition."""
        return self.seal_parts(kms_key, *tasks.split(request))

    def seal_parts(self, kms_key: str, secret: bytes, open_part: bytes = b"") -> bytes:
        """Return a message of which one part is sealed. FailedPrecondition."""
        nonce = os.urandom(envelope.NONCE_SIZE)
        data = envelope.associated_data(kms_key, open_part)
        ciphertext = self._cipher(kms_key).encrypt(nonce, secret, data)
        return envelope.encode(Envelope(kms_key, nonce, ciphertext, open_part))

    def open(self, stored: bytes) -> bytes:
        """Return a stored message whole; one that is not sealed as it is. FailedPrecondition."""
        if not envelope.is_sealed(stored):
            return stored
        kms_key, nonce, ciphertext, open_part = envelope.decode(stored)
        data = envelope.associated_data(kms_key, open_part)
        try:
            secret = self._cipher(kms_key).decrypt(nonce, ciphertext, data)
        except InvalidTag:
            raise FailedPrecondition(
                f"It was encrypted with other material than that of the key {kms_key}."
            ) from None
        return open_part + secret  # concatenated messages merge (Protocol Buffers encoding)

    def open_task(self, task: Task) -> Task:
        """Return a task with its request open. FailedPrecondition."""
        if not envelope.is_sealed(task.request):
            return task
        return task._replace(request=self.open(task.request))

    def _cipher(self, kms_key: str) -> AESGCM:
        if kms_key not in self._ciphers:
            raise FailedPrecondition(
                f"The key {kms_key} is not available; it must be in the file given by --key-file."
            )
        return self._ciphers[kms_key]
