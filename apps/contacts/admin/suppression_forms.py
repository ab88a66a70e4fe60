"""Suppressing by hand, one address or many pasted ones, and the way back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from apps.contacts.addresses import normalise
from apps.contacts.errors import InvalidAddressError
from apps.contacts.models import SuppressionReason
from apps.contacts.suppressing import NOTE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apps.brands.models import Brand

ADDRESSES_LIMIT = 10_000
PROBLEMS_SHOWN = 10
ALL_BRANDS = "all"
BY_HAND = (SuppressionReason.BLOCKED, SuppressionReason.COMPLAINT)
_BETWEEN = re.compile(r"[,;\n\r]+")


class SuppressForm(forms.Form):
    brand = forms.ChoiceField(label="Holds for", widget=UnfoldAdminSelectWidget)
    reason = forms.ChoiceField(
        choices=[(one.value, one.label) for one in BY_HAND],
        widget=UnfoldAdminSelectWidget,
        help_text="A block can be lifted again by an operator, a complaint cannot.",
    )
    addresses = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8, "spellcheck": "false"}),
        help_text=f"One or many, up to {ADDRESSES_LIMIT:,}, with line breaks, commas or semicolons "
        "between them. “Anna &lt;anna@example.com&gt;” is understood too.",
    )
    note = forms.CharField(
        label="Why",
        required=False,
        max_length=NOTE_LIMIT,
        widget=UnfoldAdminTextInputWidget,
        help_text="Kept with each suppression, for instance: asked by phone.",
    )

    def __init__(
        self, posted: Any, *, brands: Sequence[Brand], everywhere: bool, initial: str = ""
    ) -> None:
        super().__init__(posted, initial={"addresses": initial})
        choices = [(str(one.pk), one.name) for one in brands]
        brand: Any = self.fields["brand"]
        brand.choices = [*choices, (ALL_BRANDS, "all brands")] if everywhere else choices

    @property
    def brand_id(self) -> int | None:
        chosen = self.cleaned_data["brand"]
        return None if chosen == ALL_BRANDS else int(chosen)

    def clean_addresses(self) -> list[str]:
        """Look-up addresses, each once."""
        pieces = [one for one in _BETWEEN.split(self.cleaned_data["addresses"]) if one.strip()]
        if len(pieces) > ADDRESSES_LIMIT:
            raise forms.ValidationError(
                f"These are {len(pieces):,}, at most {ADDRESSES_LIMIT:,} go at once: part them."
            )
        found: dict[str, None] = {}
        problems = []
        for place, piece in enumerate(pieces, start=1):
            try:
                found[normalise(piece).address] = None
            except InvalidAddressError as error:
                problems.append(f"No. {place}, “{piece.strip()[:60]}”: {error}")
        if problems:
            more = len(problems) - PROBLEMS_SHOWN
            problems[PROBLEMS_SHOWN:] = [f"… and {more:,} more."] if more > 0 else []
            raise forms.ValidationError(["Nobody was suppressed yet: correct these.", *problems])
        return list(found)

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        complaint = given.get("reason") == SuppressionReason.COMPLAINT
        if complaint and given.get("brand") == ALL_BRANDS:
            self.add_error("brand", "A complaint is about one brand: choose it.")
        return given


class LiftForm(forms.Form):
    note = forms.CharField(
        label="Why may mail go there again?",
        max_length=NOTE_LIMIT,
        widget=UnfoldAdminTextInputWidget,
        help_text="Kept with the history, for instance: has a new mailbox under the same address.",
    )
