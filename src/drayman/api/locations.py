"""The calls of google.cloud.location.Locations: where queues may be."""

from typing import Any

from google.cloud.location import locations_pb2

from drayman.api.context import Context
from drayman.core import errors, limits, names
from drayman.wire import pages


async def list_locations(context: Context, request: Any) -> Any:
    """ListLocations: the allowed locations; if all are allowed, those that have queues."""
    project = request.name
    if request.filter:
        raise errors.invalid_field("ListLocationsRequest.filter", "is not supported.")
    now, size = (
        context.clock.now(),
        pages.size("ListLocationsRequest.pageSize", request.page_size, limits.LOCATIONS_PAGE),
    )
    scope = f"{project}/locations"
    after = pages.cursor(scope, request.page_token, now)
    remaining = [name for name in await _load_names(context, project) if name > after]
    response = locations_pb2.ListLocationsResponse(
        locations=[_location(name) for name in remaining[:size]]
    )
    if len(remaining) > size:
        response.next_page_token = pages.token(scope, remaining[size - 1], now)
    return response


async def get_location(context: Context, request: Any) -> Any:  # noqa: ARG001 - a handler has both
    """GetLocation: every allowed name is a location."""
    return _location(request.name)


async def _load_names(context: Context, project: str) -> list[str]:
    if context.limits.locations:
        return [f"{project}/locations/{location_id}" for location_id in context.limits.locations]
    return await context.store.list_locations(project)


def _location(name: str) -> Any:
    return locations_pb2.Location(name=name, location_id=names.short_id(name))
