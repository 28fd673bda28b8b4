"""The calls of google.longrunning.Operations: what batches came to. All are done at once."""

from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from drayman.api.context import Context
from drayman.core import errors, limits, names
from drayman.wire import operations, pages


async def get_operation(context: Context, request: Any) -> Any:
    """GetOperation."""
    name = names.operation("name", request.name)
    stored = await context.store.get_operation(name, context.clock.now())
    return operations.show(context.encryption.operation(stored))


async def list_operations(context: Context, request: Any) -> Any:
    """ListOperations of a location, by name."""
    parent = names.location("name", request.name)
    if request.filter:
        raise errors.invalid_field("ListOperationsRequest.filter", "is not supported.")
    now, size = context.clock.now(), pages.size(request.page_size, limits.OPERATIONS_PAGE)
    scope = f"{parent}/operations"
    after = pages.cursor(scope, request.page_token, now)
    page = await context.store.list_operations(parent, after, size, limits.PAGE_BYTES, now)
    response = operations_pb2.ListOperationsResponse(
        operations=[
            operations.show(context.encryption.operation_in_list(stored))
            for stored in page.operations
        ]
    )
    if page.cursor:
        response.next_page_token = pages.token(scope, page.cursor, now)
    return response


async def wait_operation(context: Context, request: Any) -> Any:
    """WaitOperation: there is nothing to wait for."""
    return await get_operation(context, request)


async def cancel_operation(context: Context, request: Any) -> Any:
    """CancelOperation: too late for all, which is no error."""
    await context.store.get_operation(names.operation("name", request.name), context.clock.now())
    return empty_pb2.Empty()


async def delete_operation(context: Context, request: Any) -> Any:
    """DeleteOperation: its outcome is forgotten, and its id free."""
    name = names.operation("name", request.name)
    await context.store.delete_operation(name, context.clock.now())
    return empty_pb2.Empty()
