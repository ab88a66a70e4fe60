"""How queues and dead letters are told, and what may be asked of them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework import serializers

from apps.brands.api.fields import ObjectName, StrictSerializer
from apps.queues.health.reports import UNKNOWN

NAME_LIMIT = 100
NOTE_LIMIT = 500
MOST_TURNS = 1_000
USUAL_TURNS = 100
LONGEST_SECONDS = 30
USUAL_SECONDS = 20


class Figure(serializers.ReadOnlyField):
    """A figure, or the text `unknown` where its source failed; null where there is none."""

    def __init__(self, kind: str, *, nullable: bool = False, form: str = "") -> None:
        super().__init__()
        self.kind, self.nullable, self.form = kind, nullable, form


class FigureSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = Figure

    def map_serializer_field(self, _auto_schema: Any, _direction: str) -> dict[str, Any]:
        figure = self.target
        known: dict[str, Any] = {"type": figure.kind}
        if figure.form:
            known["format"] = figure.form
        unknown = {"type": "string", "enum": [UNKNOWN]}
        shape: dict[str, Any] = {"oneOf": [known, unknown]}
        return {**shape, "nullable": True} if figure.nullable else shape


class AlertSerializer(StrictSerializer):
    id = serializers.IntegerField(read_only=True)
    kind = serializers.CharField(read_only=True)
    subject = serializers.CharField(read_only=True, help_text="A queue, account or schedule.")
    message = serializers.CharField(read_only=True)
    raised_at = serializers.DateTimeField(read_only=True)


class QueueSerializer(StrictSerializer):
    queue = serializers.CharField(read_only=True)
    purpose = serializers.CharField(read_only=True)
    status = serializers.ChoiceField(choices=("ok", "unknown", "alert"), read_only=True)
    queue_length = Figure("integer")
    oldest_due_seconds = Figure("number", nullable=True)
    in_progress = Figure("integer")
    wake_ups = Figure("integer")
    last_success_at = Figure("string", nullable=True, form="date-time")
    last_failure_at = Figure("string", nullable=True, form="date-time")
    last_error = serializers.CharField(read_only=True)
    error_streak = Figure("integer")
    tasks_per_minute = Figure("number")
    units_per_minute = Figure("number")
    failures_last_hour = Figure("integer")
    dead_letters = Figure("integer")
    hold = Figure("object", nullable=True)
    accounts = serializers.ListField(child=serializers.CharField(), read_only=True)
    alerts = AlertSerializer(many=True, read_only=True)
    warnings = serializers.ListField(child=serializers.CharField(), read_only=True)


class AccountSerializer(StrictSerializer):
    rate_limit_bucket = serializers.CharField(read_only=True)
    name = serializers.CharField(read_only=True)
    queues = serializers.ListField(child=serializers.CharField(), read_only=True)
    stopped_reason = serializers.CharField(read_only=True)
    limiter = Figure("object", nullable=True)
    breaker = Figure("object", nullable=True)


class HealthSerializer(StrictSerializer):
    """A report that was made already: it is answered as it is."""

    object = ObjectName("queue_health")
    status = serializers.ChoiceField(choices=("ok", "unknown", "alert"), read_only=True)
    read_at = serializers.DateTimeField(read_only=True)
    queues = QueueSerializer(many=True, read_only=True)
    accounts = AccountSerializer(many=True, read_only=True)
    alerts = AlertSerializer(many=True, read_only=True)
    warnings = serializers.ListField(child=serializers.CharField(), read_only=True)


class DeadLetterSerializer(StrictSerializer):
    """`brand_scoped` is false where the letter belongs to the whole installation."""

    object = ObjectName("dead_letter")
    id = serializers.IntegerField(read_only=True)
    queue = serializers.CharField(read_only=True)
    task = serializers.CharField(read_only=True)
    subject = serializers.CharField(read_only=True, help_text="What kind of row holds the work.")
    subject_id = serializers.IntegerField(read_only=True, allow_null=True)
    reason = serializers.CharField(read_only=True)
    error = serializers.CharField(read_only=True)
    payload = serializers.JSONField(read_only=True)
    attempts = serializers.IntegerField(read_only=True)
    correlation_id = serializers.CharField(read_only=True)
    state = serializers.CharField(read_only=True)
    brand_scoped = serializers.SerializerMethodField()
    first_failed_at = serializers.DateTimeField(read_only=True)
    last_failed_at = serializers.DateTimeField(read_only=True)
    closed_at = serializers.DateTimeField(read_only=True, allow_null=True)
    closed_by = serializers.CharField(read_only=True)
    note = serializers.CharField(read_only=True)

    def get_brand_scoped(self, letter: Any) -> bool:
        return letter.brand_id is not None


class DiscardSerializer(StrictSerializer):
    note = serializers.CharField(max_length=NOTE_LIMIT, help_text="Why; kept with the letter.")


class KindSerializer(StrictSerializer):
    """Which open letters; what is left out or empty means any."""

    queue = serializers.CharField(required=False, allow_blank=True, max_length=NAME_LIMIT)
    task = serializers.CharField(required=False, allow_blank=True, max_length=NAME_LIMIT)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=NAME_LIMIT)


class BulkRedriveSerializer(StrictSerializer):
    object = ObjectName("bulk_redrive")
    id = serializers.IntegerField(read_only=True)
    queue = serializers.CharField(read_only=True)
    task = serializers.CharField(read_only=True)
    reason = serializers.CharField(read_only=True)
    driven = serializers.IntegerField(read_only=True)
    refused = serializers.IntegerField(read_only=True)
    last_refusal = serializers.CharField(read_only=True)
    asked_by = serializers.CharField(read_only=True)
    asked_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True, allow_null=True)


class WorkSerializer(StrictSerializer):
    queues = serializers.ListField(
        child=serializers.CharField(max_length=NAME_LIMIT),
        required=False,
        allow_empty=False,
        help_text="Names of queues; all of them where it is left out.",
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=MOST_TURNS, default=USUAL_TURNS, help_text="Turns of each queue."
    )
    deadline_seconds = serializers.IntegerField(
        min_value=1,
        max_value=LONGEST_SECONDS,
        default=USUAL_SECONDS,
        help_text="After that no turn begins, and the answer is given.",
    )


class QueueResultSerializer(StrictSerializer):
    queue = serializers.CharField(read_only=True)
    status = serializers.ChoiceField(
        choices=("empty", "more_to_do", "failing", "still_working", "broken"), read_only=True
    )
    turns = serializers.IntegerField(read_only=True)
    failed = serializers.IntegerField(read_only=True)
    error = serializers.CharField(read_only=True)


class WorkedSerializer(StrictSerializer):
    object = ObjectName("processed_queues")
    duration_ms = serializers.IntegerField(read_only=True)
    queues = QueueResultSerializer(many=True, read_only=True)
