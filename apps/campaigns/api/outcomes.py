"""What became of a campaign: figures and recipients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from apps.brands.api.pages import whole_number
from apps.brands.api.views import StationViewSet
from apps.campaigns.api import serializers
from apps.campaigns.errors import NotLaunchedError
from apps.mail import results as mail_results
from apps.mail.models import Message
from apps.mail.reports import recipients as mail_recipients
from apps.mail.reports.models import FigureKind

if TYPE_CHECKING:
    from rest_framework.request import Request

    from apps.campaigns.models import Campaign
    from apps.mail.models import Mailing

USUAL_PAGE = 50
LARGEST_PAGE = 100
PROGRESS_FIELDS = (
    "state",
    "state_reason",
    "complete",
    "audience",
    "pending",
    "in_flight",
    "sent",
    "failed",
    "unknown",
    "skipped",
    "seconds_left",
)
PROVIDER_KINDS = (
    FigureKind.DELIVERED,
    FigureKind.BOUNCED,
    FigureKind.COMPLAINED,
    FigureKind.OPENED,
    FigureKind.CLICKED,
)
# Told under names of their own: a figure's kind has room for 12 characters.
MACHINE_KINDS = {
    "machine_opened": FigureKind.MACHINE_OPENED,
    "machine_clicked": FigureKind.MACHINE_CLICKED,
}
RECIPIENT_PARAMETERS = ("state", "reason", "search", "limit", "after")


class Outcomes(StationViewSet):
    """The reading actions of launched campaigns."""

    @extend_schema(responses=serializers.ResultsSerializer)
    @action(detail=True, methods=["get"])
    def results(self, _request: Request, pk: str) -> Response:
        """How far it is, and what became of everybody; the same read as while it goes out."""
        progress = mail_results.progress(self._mailing())
        told = {name: getattr(progress, name) for name in PROGRESS_FIELDS}
        told |= {str(kind): progress.reached(kind) for kind in PROVIDER_KINDS}
        told |= {name: progress.reached(kind) for name, kind in MACHINE_KINDS.items()}
        told |= {
            "campaign": int(pk),
            "failed_by_reason": progress.by_reason(Message.State.FAILED),
            "skipped_by_reason": progress.by_reason(Message.State.SKIPPED),
            "mails_per_second": progress.per_second,
        }
        return Response(serializers.ResultsSerializer(told).data)

    @extend_schema(
        responses=serializers.RecipientPageSerializer,
        parameters=[
            OpenApiParameter("state", enum=Message.State.values),
            OpenApiParameter("reason", str),
            OpenApiParameter("search", str, description="How the address begins."),
            OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}),
            OpenApiParameter("after", str, description="`next_after` of the page before."),
        ],
    )
    @action(detail=True, methods=["get"])
    def recipients(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - the route's
        """Everybody it was meant for, with state, reason and times.

        A page may be short and still have a next one: where few match, it has looked far enough.
        """
        mailing = self._mailing()
        state = request.query_params.get("state", "")
        if state and state not in Message.State.values:
            known = ", ".join(Message.State.values)
            raise ValidationError({"state": [f"There is no such state; there are: {known}."]})
        page = mail_recipients.recipients(
            mailing,
            mail_recipients.Question(
                state=state,
                reason=request.query_params.get("reason", ""),
                search=request.query_params.get("search", ""),
            ),
            cursor=request.query_params.get("after", ""),
            size=whole_number(request, "limit", at_most=LARGEST_PAGE) or USUAL_PAGE,
        )
        told = {
            "data": page.recipients,
            "has_more": bool(page.next_cursor),
            "next_after": page.next_cursor,
        }
        return Response(serializers.RecipientPageSerializer(told).data)

    def _mailing(self) -> Mailing:
        campaign: Campaign = self.get_object()
        if campaign.mailing is None:
            raise NotLaunchedError("The campaign was not launched yet.")
        return campaign.mailing
