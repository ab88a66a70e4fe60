"""A list of contacts as a CSV file, streamed while it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.http import StreamingHttpResponse

from apps.contacts.exporting.rows import BYTE_ORDER_MARK, lay_out, read_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.contacts.models import ContactQuerySet

log = structlog.get_logger(__name__)


def stream_contacts(
    contacts: ContactQuerySet, *, file_name: str, actor: str
) -> StreamingHttpResponse:
    """Memory stays flat, however many there are; nothing waits for the whole."""
    response = StreamingHttpResponse(
        _lines(contacts, actor), content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{file_name}"'
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"  # a proxy would collect it all first
    return response


def _lines(contacts: ContactQuerySet, actor: str) -> Iterator[bytes]:
    layout = lay_out(contacts)
    rows = 0
    yield (BYTE_ORDER_MARK + layout.header()).encode()
    for page in read_pages(contacts, layout):
        rows += page.rows
        yield page.text.encode()
    log.info("contacts_exported", rows=rows, actor=actor)
