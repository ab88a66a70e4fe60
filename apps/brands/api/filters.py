"""django-filter's classes, as the type checker needs them: at run time they have no types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["BooleanFilter", "CharFilter", "ChoiceFilter", "FilterSet"]

if TYPE_CHECKING:

    class FilterSet:
        """`request` is the caller's; methods filter by one parameter."""

        request: Any

    BooleanFilter: Any
    CharFilter: Any
    ChoiceFilter: Any
else:
    from django_filters.rest_framework import BooleanFilter, CharFilter, ChoiceFilter, FilterSet
