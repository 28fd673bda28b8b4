"""The calls of a location's CmekConfig (CMEK: customer-managed encryption keys)."""

from typing import Any

from drayman.api.context import Context
from drayman.core import errors, names
from drayman.tasks_v2 import types

_CmekConfig = types.CmekConfig.pb()
_PATHS = frozenset({"kms_key", "name", "*"})


async def get_cmek_config(context: Context, request: Any) -> Any:
    """GetCmekConfig: ``kms_key`` is empty until one is set."""
    location = names.cmek_config("name", request.name)
    return _CmekConfig(name=request.name, kms_key=await context.encryption.locations.get(location))


async def update_cmek_config(context: Context, request: Any) -> Any:
    """UpdateCmekConfig: sets the key that encrypts new tasks; an empty one ends encryption."""
    config = request.cmek_config
    location = names.cmek_config("cmek_config.name", config.name)
    paths = set(request.update_mask.paths)
    for path in paths - _PATHS:
        raise errors.field_error(
            "update_mask", f'Invalid update_mask: "{path[:100]}" names no field.'
        )
    kms_key = names.key("cmek_config.kms_key", config.kms_key) if config.kms_key else ""
    if paths != {"name"}:
        await context.encryption.locations.set(location, kms_key)
    return _CmekConfig(name=config.name, kms_key=await context.encryption.locations.get(location))
