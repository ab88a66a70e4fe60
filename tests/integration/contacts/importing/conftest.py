from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from apps.contacts.importing.planning import ImportOptions, ImportPlan, plan_import
from apps.contacts.importing.running import ImportSummary, preview_import, run_import
from tests.integration.contacts.conftest import NOW

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from apps.brands.models import Brand
    from apps.contacts.importing.reading import Progress

CONSENT = "signed up at the fair"


class Importer:
    """Writes a file and imports it, as the command does."""

    def __init__(self, brand: Brand, folder: Path) -> None:
        self.brand = brand
        self.path = folder / "people.csv"
        self.rejects_path = folder / "rejected.csv"

    def plan(self, content: str | bytes | None = None, **options: Any) -> ImportPlan:
        if content is not None:
            self.path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return plan_import(
            path=self.path,
            brand_id=self.brand.pk,
            options=ImportOptions(**{"consent": CONSENT, **options}),
        )

    def run(
        self, content: str | bytes | None = None, *, now: datetime = NOW, **options: Any
    ) -> ImportSummary:
        return self.go_on(self.plan(content, **options), now=now)

    def go_on(
        self,
        plan: ImportPlan,
        *,
        now: datetime = NOW,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> ImportSummary:
        return run_import(
            plan=plan, rejects_path=self.rejects_path, now=now, on_progress=on_progress
        )

    def preview(self, content: str | bytes | None = None, **options: Any) -> ImportSummary:
        return preview_import(
            plan=self.plan(content, **options), rejects_path=self.rejects_path, now=NOW
        )

    def rejected(self) -> str:
        return self.rejects_path.read_text(encoding="utf-8-sig")


@pytest.fixture
def importer(brand: Brand, tmp_path: Path) -> Importer:
    return Importer(brand, tmp_path)


def staging_tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'contacts_import_%%'"
        )
        return [name for (name,) in cursor.fetchall()]


def people(first: int, last: int, *, name: str = "N") -> str:
    """Rows of a file, without header: email and first name."""
    return "".join(f"p{n}@people.example,{name}{n}\n" for n in range(first, last + 1))
