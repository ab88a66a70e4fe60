"""How templates and campaigns are read and written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework import serializers

from apps.brands.api.fields import ObjectName, StrictSerializer
from apps.brands.api.pages import LARGEST_ID
from apps.campaigns.drafting import NAME_LIMIT, SLUG_LIMIT
from apps.campaigns.models import DryRun
from apps.campaigns.trial_mails import MOST_ADDRESSES

if TYPE_CHECKING:
    from datetime import datetime

SUBJECT_LIMIT = 500
STATES = ("draft", "scheduled", "missed", "running", "paused", "completed", "cancelled")


class RowIdField(serializers.IntegerField):
    """The id of some object; what no id can be is refused before it is looked up."""

    def __init__(self, *, required: bool = True, help_text: str = "") -> None:
        super().__init__(required=required, help_text=help_text, min_value=1, max_value=LARGEST_ID)


class TemplateSerializer(StrictSerializer):
    object = ObjectName("template")
    id = serializers.IntegerField(read_only=True)
    slug = serializers.CharField(read_only=True)
    subject = serializers.CharField(read_only=True)
    html = serializers.CharField(read_only=True)
    text = serializers.CharField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)


class TemplateChangeSerializer(StrictSerializer):
    """What is left out stays as it is."""

    subject = serializers.CharField(
        required=False, max_length=SUBJECT_LIMIT, trim_whitespace=False, help_text="Liquid."
    )
    html = serializers.CharField(required=False, trim_whitespace=False, help_text="Liquid.")
    text = serializers.CharField(
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="Made from the HTML where it is empty.",
    )


class TemplateCreateSerializer(TemplateChangeSerializer):
    slug = serializers.RegexField(r"^[-a-zA-Z0-9_]{1,60}$", max_length=60)
    subject = serializers.CharField(max_length=SUBJECT_LIMIT, trim_whitespace=False)
    html = serializers.CharField(trim_whitespace=False)


class CampaignSerializer(StrictSerializer):
    object = ObjectName("campaign")
    id = serializers.IntegerField(read_only=True)
    slug = serializers.CharField(read_only=True)
    name = serializers.CharField(read_only=True)
    state = serializers.ChoiceField(choices=STATES, read_only=True)
    sender = serializers.IntegerField(source="sender_id", read_only=True)
    template = serializers.IntegerField(source="template_id", read_only=True)
    audience = serializers.DictField(read_only=True)
    scheduled_at = serializers.DateTimeField(read_only=True, allow_null=True)
    latest_start = serializers.DateTimeField(read_only=True, allow_null=True)
    missed_reason = serializers.CharField(read_only=True)
    launched_at = serializers.DateTimeField(read_only=True, allow_null=True)
    launched_by = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


class CampaignChangeSerializer(StrictSerializer):
    """What is left out stays as it is."""

    name = serializers.CharField(required=False, max_length=NAME_LIMIT)
    sender = RowIdField(required=False, help_text="The brand's default where it is left out.")
    template = RowIdField(required=False)
    audience = serializers.DictField(
        required=False,
        help_text='Who is meant, such as {"everyone": true} or {"topics": {"any": ["news"]}}.',
    )


class CampaignCreateSerializer(CampaignChangeSerializer):
    slug = serializers.RegexField(
        r"^[-a-zA-Z0-9_]{1,60}$",
        max_length=SLUG_LIMIT,
        required=False,
        help_text="Made from the name where it is left out; digits alone are an id.",
    )
    name = serializers.CharField(max_length=NAME_LIMIT)
    template = RowIdField()
    audience = serializers.DictField()


class ProblemSerializer(StrictSerializer):
    code = serializers.CharField(read_only=True)
    message = serializers.CharField(read_only=True)
    blocking = serializers.BooleanField(read_only=True)


class CheckSerializer(StrictSerializer):
    object = ObjectName("check")
    campaign = serializers.IntegerField(read_only=True)
    launchable = serializers.BooleanField(read_only=True)
    problems = ProblemSerializer(many=True, read_only=True)


class DryRunSerializer(StrictSerializer):
    object = ObjectName("dry_run")
    id = serializers.IntegerField(read_only=True)
    campaign = serializers.IntegerField(source="campaign_id", read_only=True)
    state = serializers.ChoiceField(choices=DryRun.State.choices, read_only=True)
    looked_at = serializers.IntegerField(read_only=True)
    would_get = serializers.IntegerField(read_only=True)
    skipped = serializers.DictField(child=serializers.IntegerField(), read_only=True)
    started_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True, allow_null=True)


class TestSerializer(StrictSerializer):
    addresses = serializers.ListField(
        child=serializers.CharField(max_length=254), min_length=1, max_length=MOST_ADDRESSES
    )
    contact = RowIdField(
        required=False, help_text="As this contact would get it; nobody's data else."
    )


class TestSentSerializer(StrictSerializer):
    object = ObjectName("test")
    campaign = serializers.IntegerField(read_only=True)
    mails = serializers.IntegerField(read_only=True)


class LocalTimeField(serializers.DateTimeField):
    """Without an offset the time is local to the brand's zone."""

    def enforce_timezone(self, value: datetime) -> datetime:
        return value

    def to_internal_value(self, value: Any) -> datetime:
        time: datetime = super().to_internal_value(value)
        if not 2000 <= time.year <= 2200:  # noqa: PLR2004 - what calendars of zones can bear
            raise serializers.ValidationError("The year must lie between 2000 and 2200.")
        return time


class ScheduleSerializer(StrictSerializer):
    at = LocalTimeField(help_text="Local to the brand's zone where it has no offset.")
    latest_start = LocalTimeField(help_text="Nothing is sent where it could not start until then.")


class LaunchSerializer(StrictSerializer):
    expected_count = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=2**31,
        help_text="How many people you confirmed; refused where more than 1 % differ.",
    )


class ReasonSerializer(StrictSerializer):
    reason = serializers.CharField(required=False, allow_blank=True, default="", max_length=150)


class RetrySerializer(StrictSerializer):
    reasons = serializers.ListField(
        child=serializers.CharField(max_length=60),
        required=False,
        max_length=100,
        help_text="Only those that failed for these reasons; all failed ones else.",
    )


class RetriedSerializer(StrictSerializer):
    object = ObjectName("retry")
    campaign = serializers.IntegerField(read_only=True)
    retried = serializers.IntegerField(read_only=True)


class ApprovalSerializer(StrictSerializer):
    object = ObjectName("approval")
    campaign = serializers.IntegerField(source="campaign_id", read_only=True)
    decision = serializers.CharField(read_only=True)
    requested_by = serializers.CharField(read_only=True)


class ResultsSerializer(StrictSerializer):
    """Numbers of people, at this moment."""

    object = ObjectName("results")
    campaign = serializers.IntegerField(read_only=True)
    state = serializers.CharField(read_only=True)
    state_reason = serializers.CharField(read_only=True)
    complete = serializers.BooleanField(read_only=True)
    audience = serializers.IntegerField(read_only=True)
    pending = serializers.IntegerField(read_only=True)
    in_flight = serializers.IntegerField(read_only=True)
    sent = serializers.IntegerField(read_only=True)
    failed = serializers.IntegerField(read_only=True)
    unknown = serializers.IntegerField(read_only=True)
    skipped = serializers.IntegerField(read_only=True)
    delivered = serializers.IntegerField(read_only=True)
    bounced = serializers.IntegerField(read_only=True)
    complained = serializers.IntegerField(read_only=True)
    opened = serializers.IntegerField(read_only=True)
    clicked = serializers.IntegerField(read_only=True)
    machine_opened = serializers.IntegerField(read_only=True)
    machine_clicked = serializers.IntegerField(read_only=True)
    failed_by_reason = serializers.DictField(child=serializers.IntegerField(), read_only=True)
    skipped_by_reason = serializers.DictField(child=serializers.IntegerField(), read_only=True)
    mails_per_second = serializers.FloatField(read_only=True)
    seconds_left = serializers.FloatField(read_only=True, allow_null=True)


class RecipientSerializer(StrictSerializer):
    object = ObjectName("recipient")
    id = serializers.IntegerField(source="message_id", read_only=True)
    contact = serializers.IntegerField(source="contact_id", read_only=True, allow_null=True)
    email = serializers.CharField(source="address", read_only=True)
    state = serializers.CharField(read_only=True)
    reason = serializers.CharField(read_only=True)
    detail = serializers.CharField(read_only=True)
    provider_id = serializers.CharField(read_only=True)
    delivery = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    settled_at = serializers.DateTimeField(read_only=True, allow_null=True)
    delivery_at = serializers.DateTimeField(read_only=True, allow_null=True)
    opened_at = serializers.DateTimeField(read_only=True, allow_null=True)
    clicked_at = serializers.DateTimeField(read_only=True, allow_null=True)
    machine_opened_at = serializers.DateTimeField(read_only=True, allow_null=True)
    machine_clicked_at = serializers.DateTimeField(read_only=True, allow_null=True)


class RecipientPageSerializer(StrictSerializer):
    object = ObjectName("list")
    data = RecipientSerializer(  # type: ignore[assignment]  # DRF takes fields off the class
        many=True, read_only=True
    )
    has_more = serializers.BooleanField(read_only=True)
    next_after = serializers.CharField(
        read_only=True, help_text="What to give as `after` for the next page; empty on the last."
    )
