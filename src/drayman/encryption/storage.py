"""The KMS key names of locations in the store. No other module of ``encryption`` calls the store.

The material of the keys is never stored.
"""

from drayman.core.clock import Micros
from drayman.store.contract import Store


async def load_kms_key(store: Store, location: str, now: Micros) -> str:  # noqa: ARG001 - not asked for
    """Return the name of the KMS key of a location, "" for none."""
    return await store.get_key(location)


async def save_kms_key(
    store: Store,
    location: str,
    kms_key: str,
    now: Micros,  # noqa: ARG001 - not asked for
) -> None:
    """Save the name of the KMS key of a location durably, "" for none."""
    await store.set_key(location, kms_key)
