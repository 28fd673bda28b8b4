"""The verbs of documents."""

from drayman.core.clock import Micros
from drayman.core.document import Document
from drayman.store import paging
from drayman.store.contract import DocumentPage
from drayman.store.session import Session


def get_document(session: Session, kind: str, name: str, now: Micros) -> Document | None:
    """Return a document."""
    row = session.first("get_document", kind=kind, name=name, now=now)
    return None if row is None else Document(kind, *row)


def list_documents(
    session: Session, kind: str, prefix: str, after: str, limit: int, size: int, now: Micros
) -> DocumentPage:
    """Return documents after a name, by count and size."""
    rows = session.each(
        "list_documents", kind=kind, after=max(after, prefix), end=_end(prefix), limit=limit + 1,
        now=now,
    )  # fmt: skip
    documents = (Document(kind, *row) for row in rows)
    page, more = paging.take(documents, limit, size, lambda document: len(document.content))
    return DocumentPage(page, page[-1].name if more else "")


def put_document(session: Session, document: Document) -> None:
    """Store a document."""
    session.run(
        "put_document",
        kind=document.kind,
        name=document.name,
        content=document.content,
        expire_time=document.expire_time,
    )


def delete_document(session: Session, kind: str, name: str, now: Micros) -> bool:
    """Delete a document."""
    return bool(session.run("delete_document", kind=kind, name=name, now=now))


def _end(prefix: str) -> str:
    """Return the first text after all that start with a prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else chr(0x10FFFF)
