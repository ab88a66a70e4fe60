from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apps.contacts.importing.planning import ImportOptions
from apps.contacts.uploads import advancing, deciding

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

    from apps.brands.models import Brand
    from apps.contacts.models import FileUpload

CONSENT = "signed up at the fair"
OPTIONS = ImportOptions(consent=CONSENT)


class Desk:
    """What an operator and a worker do to one file after the other."""

    def __init__(self, brand: Brand, folder: Path) -> None:
        self.brand = brand
        self.folder = folder

    def upload(self, content: str, *, name: str = "people.csv") -> FileUpload:
        return deciding.receive(
            brand_id=self.brand.pk, file_name=name, chunks=[content.encode()], actor="user:1 anna"
        )

    def previewed(self, content: str, *, options: ImportOptions = OPTIONS) -> FileUpload:
        upload = self.upload(content)
        deciding.start_preview(upload_id=upload.pk, options=options)
        return self.work(upload)

    def imported(self, content: str, *, options: ImportOptions = OPTIONS) -> FileUpload:
        upload = self.previewed(content, options=options)
        deciding.start_import(upload_id=upload.pk)
        return self.work(upload)

    def work(self, upload: FileUpload) -> FileUpload:
        advancing.advance_upload(upload_id=upload.pk)
        upload.refresh_from_db()
        return upload

    def files(self) -> list[str]:
        return sorted(one.name for one in self.folder.rglob("*") if one.is_file())


@pytest.fixture
def desk(brand: Brand, tmp_path: Path, settings: Settings) -> Desk:
    settings.IMPORT_DIR = tmp_path
    return Desk(brand, tmp_path)
