"""The calls of google.longrunning.Operations: results of batches, which are done at once."""

from collections.abc import Sequence
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from drayman.api.context import Context
from drayman.core import batch, errors, limits
from drayman.core.batch import BatchResult
from drayman.core.document import OPERATION, Document
from drayman.core.task import Task
from drayman.wire import operations, pages


async def get_operation(context: Context, request: Any) -> Any:
    """GetOperation."""
    return await show(context, await _get(context, request.name))


async def show(context: Context, result: BatchResult) -> Any:
    """Return the operation of a batch. FailedPrecondition without its key."""
    size = sum(len(each.request) for each in result.results if isinstance(each, Task))
    return await context.offload.run(size, _show, context, result)


def _show(context: Context, result: BatchResult) -> Any:
    return operations.show(context.encryption.open_result(result))


async def list_operations(context: Context, request: Any) -> Any:
    """ListOperations: those of a location, ordered by name."""
    parent = request.name
    if request.filter:
        raise errors.invalid_field("ListOperationsRequest.filter", "is not supported.")
    now, size = (
        context.clock.now(),
        pages.size("ListOperationsRequest.pageSize", request.page_size, limits.OPERATIONS_PAGE),
    )
    scope = f"{parent}/operations"
    after = pages.cursor(scope, request.page_token, now)
    page = await context.store.list_documents(
        OPERATION, f"{scope}/", after, size, limits.PAGE_BYTES, now
    )
    page_size = sum(len(document.content) for document in page.documents)
    items = await context.offload.run(page_size, _render_items, context, page.documents)
    response = operations_pb2.ListOperationsResponse(operations=items)
    if page.cursor:
        response.next_page_token = pages.token(scope, page.cursor, now)
    return response


async def wait_operation(context: Context, request: Any) -> Any:
    """WaitOperation: returns at once, as every operation is done."""
    return await get_operation(context, request)


async def cancel_operation(context: Context, request: Any) -> Any:
    """CancelOperation: has no effect, as every operation is done. NotFound."""
    await _get(context, request.name)
    return empty_pb2.Empty()


async def delete_operation(context: Context, request: Any) -> Any:
    """DeleteOperation: deletes the result; the id may be used again. NotFound."""
    name = request.name
    if not await context.store.delete_document(OPERATION, name, context.clock.now()):
        raise errors.entity_missing()
    return empty_pb2.Empty()


async def _get(context: Context, name: str) -> BatchResult:
    document = await context.store.get_document(OPERATION, name, context.clock.now())
    if document is None:
        raise errors.entity_missing()
    return batch.decode(name, document.content)


def _render_items(context: Context, documents: Sequence[Document]) -> list[Any]:
    return [_render_item(context, document) for document in documents]


def _render_item(context: Context, document: Document) -> Any:
    """Return an operation of a list; without its result if its encryption key is missing."""
    result = batch.decode(document.name, document.content)
    try:
        return _show(context, result)
    except errors.FailedPrecondition:
        return operations.show_closed(document.name)
