"""Who may act on dead letters: those of one's brands, and what belongs to all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.brands.models import Brand

if TYPE_CHECKING:
    from collections.abc import Collection


def covers_all(brand_ids: Collection[int]) -> bool:
    """Whether these are all brands of the installation: then its own letters are theirs too."""
    return bool(brand_ids) and not Brand.objects.exclude(pk__in=brand_ids).exists()
