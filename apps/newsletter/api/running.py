"""Starting digests and sequences by request, beside the schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from apps.brands.api.buckets import Bucket
from apps.brands.api.errors import ConflictError
from apps.brands.api.fields import NothingSerializer, ObjectName, StrictSerializer
from apps.brands.api.views import StationViewSet
from apps.brands.models import Brand, Scope
from apps.newsletter.digests import starting
from apps.newsletter.digests.checking import problems
from apps.newsletter.digests.errors import DigestNotReadyError
from apps.newsletter.models import Digest, DigestIssue, Sequence
from apps.newsletter.sequences import waiting
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName

if TYPE_CHECKING:
    from rest_framework.request import Request


class RunDigestSerializer(StrictSerializer):
    digest = serializers.SlugField(
        max_length=60,
        required=False,
        help_text="The digest's slug; without it all active digests of the brand.",
    )


class DigestRunSerializer(StrictSerializer):
    digest = serializers.CharField(read_only=True, help_text="Its slug.")
    week = serializers.RegexField(r"^[0-9]{4}-W[0-9]{2}$", read_only=True)
    issue = serializers.IntegerField(read_only=True)
    outcome = serializers.ChoiceField(choices=["started", "exists"], read_only=True)
    state = serializers.ChoiceField(choices=DigestIssue.State.choices, read_only=True)


class DigestRunsSerializer(StrictSerializer):
    object = ObjectName("digest_run")
    issues = DigestRunSerializer(many=True, read_only=True)


class DigestView(StationViewSet):
    scopes: ClassVar = {"create": Scope.NEWSLETTER_RUN}
    problems: ClassVar = {DigestNotReadyError: ConflictError}
    bucket = Bucket.EMAIL
    queryset = Brand.objects.none()
    serializer_class = RunDigestSerializer

    @extend_schema(
        operation_id="email_digest",
        request=RunDigestSerializer,
        responses={202: DigestRunsSerializer},
        summary="Start this week's digest",
    )
    def create(self, _request: Request) -> Response:
        """Starts the issue of the present week, or says which one there is already.

        A week has one issue, whoever starts it and however often: `exists` is told with its state.
        An active digest starts by itself at its weekday and hour; this call need not wait for them.
        """
        asked = self.read_body(RunDigestSerializer).get("digest")
        started = [
            starting.start_this_week(digest=digest, actor=self.actor)
            for digest in self._digests(asked)
        ]
        runs = [
            {
                "digest": one.issue.digest.slug,
                "week": one.issue.label,
                "issue": one.issue.pk,
                "outcome": "started" if one.is_new else "exists",
                "state": one.issue.state,
            }
            for one in started
        ]
        return Response(
            DigestRunsSerializer({"issues": runs}).data, status=status.HTTP_202_ACCEPTED
        )

    def _digests(self, slug: str | None) -> list[Digest]:
        found = Digest.objects.filter(brand=self.brand).select_related(
            "brand", "sender", "template"
        )
        if slug is None:
            return list(found.active().order_by("pk"))
        digest = found.filter(slug=slug).first()
        if digest is None:
            raise ValidationError({"digest": ["The brand has no digest of this name."]})
        if wrong := problems(digest):
            raise DigestNotReadyError(" ".join(wrong))
        return [digest]


class SequenceRunSerializer(StrictSerializer):
    sequence = serializers.CharField(read_only=True, help_text="Its slug.")
    due = serializers.IntegerField(
        read_only=True, min_value=0, help_text="People for whom a step is due now."
    )


class SequenceRunsSerializer(StrictSerializer):
    object = ObjectName("sequence_run")
    sequences = SequenceRunSerializer(many=True, read_only=True)


class SequenceView(StationViewSet):
    scopes: ClassVar = {"create": Scope.NEWSLETTER_RUN}
    bucket = Bucket.EMAIL
    queryset = Brand.objects.none()
    serializer_class = NothingSerializer

    @extend_schema(
        operation_id="email_sequence",
        request=NothingSerializer,
        responses={202: SequenceRunsSerializer},
        summary="Send what is due of the sequences",
    )
    def create(self, _request: Request) -> Response:
        """Wakes the worker that sends due steps, which the schedule does every minute.

        Tells for each active sequence of the brand for how many people a step is due. Nobody gets a
        step twice, however often this is called.
        """
        self.read_body(NothingSerializer)
        active = Sequence.objects.active().filter(brand=self.brand).order_by("pk")
        dues = waiting.due_people(brand_id=self.brand.pk)
        enqueue(TaskName.ADVANCE_SEQUENCES)
        runs = [{"sequence": one.slug, "due": dues.get(one.pk, 0)} for one in active]
        return Response(
            SequenceRunsSerializer({"sequences": runs}).data, status=status.HTTP_202_ACCEPTED
        )
