"""Serializers that say what they do not know instead of passing it over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework import serializers


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not know, and those that only the station writes."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            self._refuse_unknown(data)
        return super().to_internal_value(data)

    def _refuse_unknown(self, data: Mapping[str, Any]) -> None:
        writable = sorted(name for name, one in self.fields.items() if not one.read_only)
        problems = {
            name: [
                "Cannot be written."
                if name in self.fields
                else f"Unknown field. Known are: {', '.join(writable) or 'none'}."
            ]
            for name in sorted(set(data) - set(writable))
        }
        if problems:
            raise serializers.ValidationError(problems)


class NothingSerializer(StrictSerializer):
    """The body of an action that takes none: `{}` or empty."""


class ObjectName(serializers.ReadOnlyField):
    """`"object": "contact"`: what kind of thing an answer tells of."""

    def __init__(self, kind: str) -> None:
        super().__init__(source="*")
        self.kind = kind

    def to_representation(self, _value: Any) -> str:
        return self.kind


class ObjectNameSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = ObjectName

    def map_serializer_field(self, _auto_schema: Any, _direction: str) -> dict[str, Any]:
        return {"type": "string", "enum": [self.target.kind]}
