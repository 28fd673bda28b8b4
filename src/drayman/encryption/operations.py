"""Encryption of operations: the result of a batch repeats its tasks, so it is sealed as they are.

All but the operation's name and that it is done is sealed.
"""

from drayman.core.errors import FailedPrecondition
from drayman.encryption import envelope
from drayman.encryption.cipher import TaskCipher
from drayman.wire import operations


def seal(cipher: TaskCipher, kms_key: str, operation: bytes) -> bytes:
    """Return a serialized operation as it is to be stored; with "" as it is. FailedPrecondition."""
    return cipher.seal_parts(kms_key, *operations.parted(operation)) if kms_key else operation


def open_to_list(cipher: TaskCipher, stored: bytes) -> bytes:
    """Return a stored operation as a list shows it: without its KMS key by name alone."""
    try:
        return cipher.open(stored)
    except FailedPrecondition:
        return envelope.open_part(stored)
