"""Campaigns: drafted, checked, scheduled, launched, steered, explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.response import Response

from apps.brands.api.fields import NothingSerializer
from apps.brands.api.filters import CharFilter, ChoiceFilter, FilterSet
from apps.brands.models import Scope, Sender
from apps.campaigns import (
    approving,
    checking,
    controlling,
    drafting,
    dry_running,
    launching,
    scheduling,
    trial_mails,
)
from apps.campaigns.api import serializers
from apps.campaigns.api.outcomes import RECIPIENT_PARAMETERS, Outcomes
from apps.campaigns.api.problems import PROBLEMS
from apps.campaigns.domains import PacedDomains
from apps.campaigns.errors import DryRunError
from apps.campaigns.models import Campaign
from apps.mail.models import Mailing, Template

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request


class CampaignFilter(FilterSet):
    slug = CharFilter()
    state = ChoiceFilter(
        choices=[(state, state) for state in serializers.STATES], method="by_state"
    )

    def by_state(self, rows: QuerySet[Any], _name: str, state: str) -> QuerySet[Any]:
        if state in Mailing.State.values:
            return rows.filter(mailing__state=state)
        drafts = rows.filter(mailing=None)
        if state == "missed":
            return drafts.filter(missed_at__isnull=False)
        return drafts.filter(missed_at=None, scheduled_at__isnull=state == "draft")


class CampaignViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Outcomes):
    """What the brand sends to many."""

    scopes: ClassVar = {
        "list": Scope.CAMPAIGNS_READ,
        "retrieve": Scope.CAMPAIGNS_READ,
        "results": Scope.CAMPAIGNS_READ,
        "recipients": Scope.CAMPAIGNS_READ,
        "dry_run": Scope.CAMPAIGNS_READ,
        "create": Scope.CAMPAIGNS_WRITE,
        "partial_update": Scope.CAMPAIGNS_WRITE,
        "destroy": Scope.CAMPAIGNS_WRITE,
        "duplicate": Scope.CAMPAIGNS_WRITE,
        "check": Scope.CAMPAIGNS_WRITE,
        "start_dry_run": Scope.CAMPAIGNS_WRITE,
        "cancel_dry_run": Scope.CAMPAIGNS_WRITE,
        "send_test": Scope.CAMPAIGNS_WRITE,
        "request_approval": Scope.CAMPAIGNS_WRITE,
        "schedule": Scope.CAMPAIGNS_LAUNCH,
        "unschedule": Scope.CAMPAIGNS_LAUNCH,
        "launch": Scope.CAMPAIGNS_LAUNCH,
        "pause": Scope.CAMPAIGNS_LAUNCH,
        "resume": Scope.CAMPAIGNS_LAUNCH,
        "cancel": Scope.CAMPAIGNS_LAUNCH,
        "retry": Scope.CAMPAIGNS_LAUNCH,
    }
    problems: ClassVar = PROBLEMS
    asks_provider = frozenset({"check", "schedule", "launch"})
    parameters: ClassVar = {"recipients": RECIPIENT_PARAMETERS}
    queryset = Campaign.objects.with_parts()
    serializer_class = serializers.CampaignSerializer
    filterset_class = CampaignFilter

    # --- Drafts ---------------------------------------------------------------------------------

    @extend_schema(
        request=serializers.CampaignCreateSerializer,
        responses={201: serializers.CampaignSerializer},
    )
    def create(self, _request: Request) -> Response:
        """Make a draft."""
        data = self.read_body(serializers.CampaignCreateSerializer)
        campaign = drafting.create_campaign(
            brand=self.brand, actor=self.actor, **{**data, **self._parts(data)}
        )
        return self._told(campaign.pk, status.HTTP_201_CREATED)

    @extend_schema(
        request=serializers.CampaignChangeSerializer, responses=serializers.CampaignSerializer
    )
    def partial_update(self, _request: Request, pk: str) -> Response:
        """Change a draft."""
        campaign = self.get_object()
        data = self.read_body(serializers.CampaignChangeSerializer)
        present = {
            name: getattr(campaign, name) for name in ("name", "sender", "template", "audience")
        }
        changed = {**present, **data, **self._parts({"sender": campaign.sender_id, **data})}
        if "template" not in data:
            changed["template"] = campaign.template
        drafting.rewrite_campaign(campaign_id=int(pk), actor=self.actor, **changed)
        return self._told(int(pk))

    def destroy(self, _request: Request, pk: str) -> Response:
        """Delete a draft; its template stays."""
        self.get_object()
        drafting.delete_draft(campaign_id=int(pk), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=NothingSerializer, responses={201: serializers.CampaignSerializer})
    @action(detail=True, methods=["post"])
    def duplicate(self, _request: Request, pk: str) -> Response:
        """A new draft with all that this one has, its template duplicated too."""
        self._nothing()
        copy = drafting.duplicate_campaign(campaign_id=int(pk), actor=self.actor)
        return self._told(copy.pk, status.HTTP_201_CREATED)

    # --- Before it goes out ---------------------------------------------------------------------

    @extend_schema(request=NothingSerializer, responses=serializers.CheckSerializer)
    @action(detail=True, methods=["post"])
    def check(self, _request: Request, pk: str) -> Response:
        """Everything that stands against a launch, at once."""
        campaign = self._nothing()
        problems = checking.check(campaign, PacedDomains(campaign.sender.account))
        told = {
            "campaign": int(pk),
            "launchable": not checking.is_blocked(problems),
            "problems": problems,
        }
        return Response(serializers.CheckSerializer(told).data)

    @extend_schema(responses=serializers.DryRunSerializer)
    @action(detail=True, methods=["get"], url_path="dry-run")
    def dry_run(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - the route's
        """The last dry run: who would get it, and who not by reason."""
        run = self.get_object().dry_runs.order_by("-pk").first()
        if run is None:
            raise NotFound("There was no dry run of this campaign.")
        return Response(serializers.DryRunSerializer(run).data)

    @extend_schema(request=NothingSerializer, responses={202: serializers.DryRunSerializer})
    @dry_run.mapping.post
    def start_dry_run(self, _request: Request, pk: str) -> Response:
        """Begin a dry run; nothing is sent. Read it with GET."""
        self._nothing()
        run = dry_running.start_dry_run(campaign_id=int(pk), actor=self.actor)
        return Response(serializers.DryRunSerializer(run).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=NothingSerializer, responses=serializers.DryRunSerializer)
    @action(detail=True, methods=["post"], url_path="dry-run/cancel")
    def cancel_dry_run(self, _request: Request, pk: str) -> Response:  # noqa: ARG002 - the route's
        """End the dry run that is under way."""
        run = self._nothing().dry_runs.order_by("-pk").first()
        if run is None:
            raise DryRunError("There was no dry run of this campaign.")
        dry_running.cancel_dry_run(dry_run_id=run.pk, actor=self.actor)
        run.refresh_from_db()
        return Response(serializers.DryRunSerializer(run).data)

    @extend_schema(
        request=serializers.TestSerializer, responses={202: serializers.TestSentSerializer}
    )
    @action(detail=True, methods=["post"], url_path="test")
    def send_test(self, _request: Request, pk: str) -> Response:
        """Send the draft to a few addresses, to look at."""
        self.get_object()
        data = self.read_body(serializers.TestSerializer)
        messages = trial_mails.send_test(
            campaign_id=int(pk),
            addresses=data["addresses"],
            contact_id=data.get("contact"),
            actor=self.actor,
        )
        told = {"campaign": int(pk), "mails": len(messages)}
        return Response(serializers.TestSentSerializer(told).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=NothingSerializer, responses={201: serializers.ApprovalSerializer})
    @action(detail=True, methods=["post"], url_path="request-approval")
    def request_approval(self, _request: Request, pk: str) -> Response:
        """Ask for a second person's approval; it is given in admin."""
        self._nothing()
        approval = approving.request_approval(campaign_id=int(pk), actor=self.actor)
        told = serializers.ApprovalSerializer(approval).data
        return Response(told, status=status.HTTP_201_CREATED)

    @extend_schema(request=serializers.ScheduleSerializer, responses=serializers.CampaignSerializer)
    @action(detail=True, methods=["post"])
    def schedule(self, _request: Request, pk: str) -> Response:
        """Have it started at a time, or up to the latest start; never later."""
        self.get_object()
        data = self.read_body(serializers.ScheduleSerializer)
        scheduling.schedule(campaign_id=int(pk), actor=self.actor, **data)
        return self._told(int(pk))

    @extend_schema(request=NothingSerializer, responses=serializers.CampaignSerializer)
    @action(detail=True, methods=["post"])
    def unschedule(self, _request: Request, pk: str) -> Response:
        """Make it a draft again."""
        self._nothing()
        scheduling.unschedule(campaign_id=int(pk), actor=self.actor)
        return self._told(int(pk))

    # --- While it goes out ----------------------------------------------------------------------

    @extend_schema(request=serializers.LaunchSerializer, responses=serializers.CampaignSerializer)
    @action(detail=True, methods=["post"])
    def launch(self, _request: Request, pk: str) -> Response:
        """Check it and send it on its way, once and only once."""
        self.get_object()
        data = self.read_body(serializers.LaunchSerializer)
        launching.launch(
            campaign_id=int(pk), by=self.actor, expected_count=data.get("expected_count")
        )
        return self._told(int(pk))

    @extend_schema(request=serializers.ReasonSerializer, responses=serializers.CampaignSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, _request: Request, pk: str) -> Response:
        """Send nothing new until it is resumed."""
        self.get_object()
        data = self.read_body(serializers.ReasonSerializer)
        controlling.pause(campaign_id=int(pk), by=self.actor, reason=data["reason"])
        return self._told(int(pk))

    @extend_schema(request=NothingSerializer, responses=serializers.CampaignSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, _request: Request, pk: str) -> Response:
        """Go on where it stopped."""
        self._nothing()
        controlling.resume(campaign_id=int(pk), by=self.actor)
        return self._told(int(pk))

    @extend_schema(request=serializers.ReasonSerializer, responses=serializers.CampaignSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, _request: Request, pk: str) -> Response:
        """End it for good."""
        self.get_object()
        data = self.read_body(serializers.ReasonSerializer)
        controlling.cancel(campaign_id=int(pk), by=self.actor, reason=data["reason"])
        return self._told(int(pk))

    @extend_schema(request=serializers.RetrySerializer, responses=serializers.RetriedSerializer)
    @action(detail=True, methods=["post"])
    def retry(self, _request: Request, pk: str) -> Response:
        """Send again to those who surely got nothing because it failed."""
        self.get_object()
        data = self.read_body(serializers.RetrySerializer)
        retried = controlling.retry_failed(
            campaign_id=int(pk), by=self.actor, reasons=data.get("reasons")
        )
        told = {"campaign": int(pk), "retried": retried}
        return Response(serializers.RetriedSerializer(told).data)

    # --- Parts ----------------------------------------------------------------------------------

    def _nothing(self) -> Campaign:
        """The campaign of an action without a body."""
        campaign: Campaign = self.get_object()
        self.read_body(NothingSerializer)
        return campaign

    def _parts(self, data: dict[str, Any]) -> dict[str, Any]:
        """Sender and template by the ids in the body, of this brand."""
        parts: dict[str, Any] = {"sender": self._sender(data.get("sender"))}
        if "template" in data:
            parts["template"] = self._template(data["template"])
        return parts

    def _sender(self, sender_id: int | None) -> Sender:
        if sender_id is None:
            return drafting.find_sender(self.brand, "")
        sender = Sender.objects.filter(brand=self.brand, pk=sender_id).first()
        if sender is None:
            raise ValidationError({"sender": ["The brand has no such sender."]})
        return sender

    def _template(self, template_id: int) -> Template:
        template = Template.objects.filter(brand=self.brand, pk=template_id).first()
        if template is None:
            raise ValidationError({"template": ["The brand has no such template."]})
        return template

    def _told(self, campaign_id: int, code: int = status.HTTP_200_OK) -> Response:
        campaign = self.get_queryset().get(pk=campaign_id)
        return Response(serializers.CampaignSerializer(campaign).data, status=code)
