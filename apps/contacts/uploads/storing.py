"""Uploaded files on disk: one folder each below IMPORT_DIR, readable by the station alone."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from apps.contacts.errors import FileRefusedError
from apps.contacts.models.file_upload import FILE_NAME_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from apps.contacts.models import FileUpload

_UNSAFE = re.compile(r"[^\w.() -]+")


def limit_bytes() -> int:
    return int(settings.IMPORT_LIMIT_MB) * 1024 * 1024


def refuse_size(size_bytes: int) -> None:
    """Raises FileRefusedError for a file that is larger than uploads may be."""
    if size_bytes > limit_bytes():
        raise FileRefusedError(
            f"The file has {size_bytes / 1024 / 1024:,.0f} MB, at most {settings.IMPORT_LIMIT_MB} "
            "MB may be uploaded. Split it, leave out columns that are not needed, or have it "
            "imported on the server with manage.py import_contacts."
        )


def safe_name(name: str) -> str:
    """The file's own name, without what a file system or a header could take amiss."""
    plain = _UNSAFE.sub("_", Path(name.replace("\\", "/")).name).strip(" .")
    stem, dot, ending = (plain or "people.csv").rpartition(".")
    kept = (stem or ending)[: FILE_NAME_LIMIT - 30]
    return f"{kept}.{ending[:20]}" if dot and stem else kept


def save(folder: UUID, name: str, chunks: Iterable[bytes]) -> int:
    """Writes the file and returns its bytes; nothing is left of one that is too large."""
    place = _place(folder)
    place.mkdir(mode=0o700, parents=True)
    path = place / name
    path.touch(mode=0o600)
    size = 0
    try:
        with path.open("wb") as target:
            for chunk in chunks:
                size += len(chunk)
                refuse_size(size)
                target.write(chunk)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return size


def source_path(upload: FileUpload) -> Path:
    return _place(upload.folder) / upload.file_name


def rejects_path(upload: FileUpload, *, is_preview: bool) -> Path:
    """Where the rejected rows are, if there are any."""
    return _place(upload.folder) / ("preview-rejected.csv" if is_preview else "rejected.csv")


def delete_source(upload: FileUpload) -> None:
    """The rejected rows stay, for whoever corrects them."""
    source_path(upload).unlink(missing_ok=True)
    rejects_path(upload, is_preview=True).unlink(missing_ok=True)


def delete_all(upload: FileUpload) -> None:
    shutil.rmtree(_place(upload.folder), ignore_errors=True)


def _place(folder: UUID) -> Path:
    return Path(settings.IMPORT_DIR) / str(folder)
