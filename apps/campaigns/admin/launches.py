"""The last step: approval, a schedule, or the launch itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import forms

from apps.brands.rights import Right
from apps.campaigns import approving, launching, local_times, scheduling
from apps.campaigns.admin.pages import REFUSALS, CampaignPage
from apps.campaigns.errors import (
    AlreadyLaunched,
    AmbiguousTimeError,
    ApprovalError,
    LaunchRefused,
    LocalTimeError,
)
from apps.campaigns.fingerprints import fingerprint
from apps.mail.admin.live import actor_in_words

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from apps.campaigns.admin.campaigns import CampaignAdmin

USUAL_WINDOW = timedelta(hours=2)


def urls(desk: CampaignAdmin) -> list[URLPattern]:
    return [
        desk.page("launch/", LaunchPage, "launch"),
        desk.page("schedule/", SchedulePage, "schedule"),
        desk.page("unschedule/", UnschedulePage, "unschedule"),
        desk.page("approval/request/", RequestApproval, "approval_request"),
        desk.page("approval/decide/", DecideApproval, "approval_decide"),
    ]


class CountForm(forms.Form):
    """The number of people, typed: nobody launches to a million by a slip of the hand."""

    count = forms.CharField(
        label="Type the number of people",
        max_length=15,
        widget=forms.TextInput(
            attrs={"class": "desk-input", "inputmode": "numeric", "autocomplete": "off"}
        ),
    )

    def clean_count(self) -> int:
        typed = str(self.cleaned_data["count"])
        digits = typed.replace(",", "").replace(".", "").replace(" ", "")
        if not (digits.isascii() and digits.isdigit()):
            raise forms.ValidationError("Type a whole number, such as 12,345.")
        return int(digits)


_WHICH = (("first", "the first time"), ("second", "the second time, an hour later"))


class LocalTimeField(forms.CharField):
    """A time as the browser's own control gives it: 2026-10-25T02:30, of no zone yet."""

    widget = forms.DateTimeInput(attrs={"class": "desk-input", "type": "datetime-local"})

    def to_python(self, value: Any) -> Any:
        if isinstance(value, datetime) or not value:
            return value
        try:
            read = datetime.fromisoformat(value)
        except ValueError:
            raise forms.ValidationError("Write day and time, such as 2026-10-25T14:30.") from None
        return read.replace(tzinfo=None)


class ScheduleForm(forms.Form):
    """Local times of the brand; where clocks go back, which of the two is asked."""

    at = LocalTimeField(label="Start")
    at_which = forms.ChoiceField(choices=_WHICH, required=False, label="Start: which of the two")
    latest_start = LocalTimeField(label="Not after")
    latest_start_which = forms.ChoiceField(
        choices=_WHICH, required=False, label="Not after: which of the two"
    )

    def __init__(self, *args: Any, zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone = zone
        self.asked: set[str] = set()
        for name in ("at", "latest_start"):
            self.fields[name].help_text = f"In {zone}, the brand's time zone."
            self.fields[f"{name}_which"].widget.attrs["class"] = "desk-input"

    def clean(self) -> dict[str, Any]:
        for name in ("at", "latest_start"):
            if name in self.cleaned_data:
                self._make_sure(name)
        return self.cleaned_data

    def _make_sure(self, name: str) -> None:
        which = self.cleaned_data.get(f"{name}_which")
        try:
            local_times.to_utc(self.cleaned_data[name], zone=self.zone)
        except AmbiguousTimeError as error:
            if f"{name}_which" in self.data and which:
                self.cleaned_data[name] = error.choices[which == "second"]
            else:
                self.add_error(name, str(error))
            self.asked.add(f"{name}_which")
        except LocalTimeError as error:
            self.add_error(name, str(error))

    def shown_fields(self) -> list[forms.BoundField]:
        """Which of two times is asked only where there are two."""
        hidden = {"at_which", "latest_start_which"} - self.asked
        return [field for field in self if field.name not in hidden]


class LaunchPage(CampaignPage):
    """Shows where everything stands; a POST launches with the confirmed count."""

    step = "launch"
    template_name = "admin/campaigns/launch.html"
    change_right = Right.LAUNCH

    def get(self, _request: HttpRequest) -> HttpResponse:
        return self.show_launch()

    def post(self, request: HttpRequest) -> HttpResponse:
        form = CountForm(request.POST)
        if not form.is_valid():
            return self.show_launch(count_form=form)
        try:
            launching.launch(
                campaign_id=self.campaign.pk,
                by=self.actor,
                expected_count=form.cleaned_data["count"],
            )
        except AlreadyLaunched as already:
            return self.go_to("watch", str(already))
        except LaunchRefused as refusal:
            return self.show_launch(count_form=form, refusal=refusal)
        except REFUSALS as refusal:
            form.add_error("count", str(refusal))
            return self.show_launch(count_form=form)
        return self.go_to("watch", "The campaign is launched.")

    def show_launch(self, **context: Any) -> HttpResponse:
        zone = self.campaign.brand.timezone
        status = approving.status(self.campaign)
        given = {
            "count_form": CountForm(),
            "schedule_form": ScheduleForm(zone=zone, initial=self._usual_times(zone)),
            **context,
        }
        return self.show(
            **given,
            zone=zone,
            seen=fingerprint(self.campaign),
            approval=status.latest,
            requested_by=actor_in_words(status.latest.requested_by) if status.latest else "",
            decided_by=actor_in_words(status.latest.decided_by) if status.latest else "",
            scheduled_by=actor_in_words(self.campaign.scheduled_by),
            standing=str(status.standing),
            standing_name=status.standing.name.lower(),
            scheduled_at=self._local(self.campaign.scheduled_at),
            latest_start=self._local(self.campaign.latest_start),
        )

    def _usual_times(self, zone: str) -> dict[str, str]:
        """The next full hour but one, and two hours for it to be started in."""
        now = datetime.now(tz=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        start = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
        return {
            "at": f"{start:%Y-%m-%dT%H:%M}",
            "latest_start": f"{start + USUAL_WINDOW:%Y-%m-%dT%H:%M}",
        }

    def _local(self, time: datetime | None) -> str:
        return local_times.shown(time, zone=self.campaign.brand.timezone) if time else ""


class SchedulePage(LaunchPage):
    """`schedule/`: the same page; its POST sets the times."""

    def post(self, request: HttpRequest) -> HttpResponse:
        form = ScheduleForm(request.POST, zone=self.campaign.brand.timezone)
        if not form.is_valid():
            return self.show_launch(schedule_form=form)
        try:
            scheduling.schedule(
                campaign_id=self.campaign.pk,
                at=form.cleaned_data["at"],
                latest_start=form.cleaned_data["latest_start"],
                actor=self.actor,
            )
        except LaunchRefused as refusal:
            return self.show_launch(schedule_form=form, refusal=refusal)
        except REFUSALS as refusal:
            form.add_error(None, str(refusal))
            return self.show_launch(schedule_form=form)
        return self.go_to("launch", "The campaign is scheduled.")


class UnschedulePage(CampaignPage):
    step = "launch"
    change_right = Right.LAUNCH
    http_method_names = ["post"]

    def post(self, _request: HttpRequest) -> HttpResponse:
        scheduling.unschedule(campaign_id=self.campaign.pk, actor=self.actor)
        return self.go_to("launch", "The campaign is a draft again.")


class RequestApproval(CampaignPage):
    step = "launch"
    http_method_names = ["post"]

    def post(self, _request: HttpRequest) -> HttpResponse:
        approving.request_approval(campaign_id=self.campaign.pk, actor=self.actor)
        return self.go_to("launch", "A second person can approve it now.")


class DecideApproval(CampaignPage):
    """Approves or declines what was on the page: `seen` is its fingerprint."""

    step = "launch"
    change_right = Right.APPROVE
    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        given: dict[str, Any] = {
            "campaign_id": self.campaign.pk,
            "seen": request.POST.get("seen", ""),
            "actor": self.actor,
            "note": request.POST.get("note", ""),
        }
        match request.POST.get("decision"):
            case "approve":
                approving.approve(**given)
                return self.go_to("launch", "Approved.")
            case "decline":
                approving.decline(**given)
                return self.go_to("launch", "Declined.")
            case _:
                raise ApprovalError("decision: approve or decline.")
