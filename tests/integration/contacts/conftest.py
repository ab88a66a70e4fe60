from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.factories.brands import BrandFactory

if TYPE_CHECKING:
    from apps.brands.models import Brand

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def brand(db: None) -> Brand:
    return BrandFactory.create()
