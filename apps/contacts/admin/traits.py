"""A person's traits as a table of names and values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.template.loader import render_to_string

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.datastructures import MultiValueDict
    from django.utils.safestring import SafeString

EMPTY_ROWS = 2


class TraitsWidget(forms.Widget):
    """A row of two inputs for each trait, and some empty ones; a script adds more."""

    template_name = "admin/contacts/contact/traits.html"

    class Media:
        js = (forms.Script("contacts/traits.js", defer=True),)

    def format_value(self, value: Any) -> Any:
        return value

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: Any = None,  # noqa: ARG002 - a form's own does not know the project's templates
    ) -> SafeString:
        return render_to_string(self.template_name, self.get_context(name, value, attrs))

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        rows = list(value) if isinstance(value, list) else _rows(value or {})
        context["widget"]["rows"] = [*rows, *[("", "")] * EMPTY_ROWS]
        return context

    def value_from_datadict(
        self, data: Mapping[str, Any], _files: Any, name: str
    ) -> list[tuple[str, str]]:
        posted: MultiValueDict[str, Any] = data  # type: ignore[assignment] # a form's data is one
        keys, values = posted.getlist(f"{name}_key"), posted.getlist(f"{name}_value")
        return list(zip(map(str, keys), map(str, values), strict=False))

    def value_omitted_from_data(self, data: Mapping[str, Any], _files: Any, name: str) -> bool:
        return f"{name}_key" not in data


class TraitsField(forms.Field):
    """Gives a dictionary. A trait whose value is emptied is removed.

    What was a number, a list or the like stays one as long as the text can be read so.
    """

    widget = TraitsWidget

    def clean(self, value: list[tuple[str, str]]) -> dict[str, Any]:
        known: Mapping[str, Any] = self.initial if isinstance(self.initial, dict) else {}
        traits: dict[str, Any] = {}
        for key, text in ((key.strip(), text.strip()) for key, text in value):
            if not key and text:
                raise forms.ValidationError(f"“{text[:40]}” needs a name beside it.")
            if key in traits:
                raise forms.ValidationError(f"“{key[:40]}” stands there twice: keep one.")
            if key and text:
                traits[key] = _read(text, known.get(key, ""))
        return traits


def _rows(traits: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(key, _shown(traits[key])) for key in sorted(traits)]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _read(text: str, before: Any) -> Any:
    if isinstance(before, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
