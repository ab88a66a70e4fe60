from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apps.contacts.importing.planning import ImportOptions, ImportPlan, plan_import

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[..., Path]:
    def make(content: str | bytes, *, encoding: str = "utf-8") -> Path:
        path = tmp_path / "people.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return make


@pytest.fixture
def make_plan(make_file: Callable[..., Path]) -> Callable[..., ImportPlan]:
    def make(content: str | bytes, **options: Any) -> ImportPlan:
        return plan_import(
            path=make_file(content),
            brand_id=1,
            options=ImportOptions(**{"consent": "asked at the fair", **options}),
        )

    return make
