"""The calls of a location's encryption (CMEK: customer-managed encryption keys)."""

from typing import Any

from drayman.api.context import Context
from drayman.core import errors, names
from drayman.tasks_v2 import types

_CmekConfig = types.CmekConfig.pb()
_PATHS = frozenset({"kms_key", "name", "*"})


async def get_cmek_config(context: Context, request: Any) -> Any:
    """GetCmekConfig: without a key until one is set."""
    location = names.cmek_config("name", request.name)
    return _CmekConfig(name=request.name, kms_key=await context.encryption.key_of(location))


async def update_cmek_config(context: Context, request: Any) -> Any:
    """UpdateCmekConfig: tasks created from now on are encrypted, or no more with an empty key."""
    wanted = request.cmek_config
    location = names.cmek_config("cmek_config.name", wanted.name)
    paths = set(request.update_mask.paths)
    for path in paths - _PATHS:
        raise errors.field_error("update_mask", f'Invalid update_mask: "{path}" names no field.')
    key = names.key("cmek_config.kms_key", wanted.kms_key) if wanted.kms_key else ""
    if not paths or paths != {"name"}:
        await context.encryption.set_key(location, key)
    return _CmekConfig(name=wanted.name, kms_key=await context.encryption.key_of(location))
