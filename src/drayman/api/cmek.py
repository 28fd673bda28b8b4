"""The calls of a location's CmekConfig (CMEK: customer-managed encryption keys)."""

from typing import Any

from drayman.api import callers, queues
from drayman.api.context import Context
from drayman.core import errors, names
from drayman.core.events import CmekChanged
from drayman.tasks_v2 import types
from drayman.wire import masks
from drayman.wire import queues as messages

_CmekConfig = types.CmekConfig.pb()


async def get_cmek_config(context: Context, request: Any) -> Any:
    """GetCmekConfig: ``kms_key`` is empty until one is set."""
    return await _get(context, request.name)


async def update_cmek_config(context: Context, request: Any) -> Any:
    """UpdateCmekConfig: sets the key that encrypts new tasks; an empty one ends encryption."""
    config, paths = request.cmek_config, list(request.update_mask.paths)
    masks.check(paths, _CmekConfig.DESCRIPTOR)
    if "kms_key" in paths or not request.HasField("update_mask"):
        await _set(context, names.location_of(config.name), config.kms_key)
    return await _get(context, config.name)


async def _set(context: Context, location: str, kms_key: str) -> None:
    locations = context.encryption.locations
    if kms_key and not await locations.get(location):
        await _check_queues(context, location)
    await locations.set(location, names.key(kms_key) if kms_key else "")
    context.emit(CmekChanged(location, kms_key, context.clock.now(), callers.current()))


async def _check_queues(context: Context, location: str) -> None:
    """Check that encryption can begin in a location (recorded: CMEK)."""
    async for queue in queues.list_after(context, location):
        if messages.encode(queue).http_target.header_overrides:
            raise errors.cmek_precondition()


async def _get(context: Context, name: str) -> Any:
    kms_key = await context.encryption.locations.get(names.location_of(name))
    return _CmekConfig(name=name, kms_key=kms_key)
