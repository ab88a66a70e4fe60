"""What operators fill in. What may stand in it is the services' business."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from apps.brands.admin.bases import ModelForm
from apps.station.outgoing import endpoints
from apps.station.outgoing.errors import InvalidEndpointError
from apps.station.outgoing.event_types import EventType
from apps.station.outgoing.models import WebhookEndpoint

CHECKED = ("url", "event_types", "description")
_MOMENT = "%Y-%m-%dT%H:%M"


class EndpointForm(ModelForm):
    event_types = forms.MultipleChoiceField(
        label="Events",
        choices=[(name, name) for name in EventType.values],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("brand", *CHECKED)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        given = {name: cleaned[name] for name in CHECKED if name in cleaned}
        try:
            cleaned |= endpoints.checked_fields(**given)
        except InvalidEndpointError as error:
            for field, problem in error.problems.items():
                self.add_error(field, problem[:1].upper() + problem[1:])
        return cleaned


class SinceForm(forms.Form):
    """From when on failed deliveries are sent again."""

    since = forms.DateTimeField(
        label="Failed since (UTC)",
        input_formats=[_MOMENT],
        widget=forms.DateTimeInput(
            format=_MOMENT, attrs={"type": "datetime-local", "class": "fs-input"}
        ),
    )

    @classmethod
    def of_yesterday(cls) -> SinceForm:
        return cls(initial={"since": timezone.now() - timedelta(days=1)})
