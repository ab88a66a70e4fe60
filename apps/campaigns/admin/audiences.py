"""Choosing who is meant, with a live count."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.db import OperationalError, connection, transaction
from django.http import JsonResponse

from apps.brands.rights import Right
from apps.campaigns import counting, drafting, dry_run_rows
from apps.campaigns.admin.pages import REFUSALS, CampaignAnswer, CampaignPage
from apps.campaigns.audience import TraitTest
from apps.campaigns.errors import CampaignError
from apps.campaigns.models import Campaign
from apps.contacts.models import Topic

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from apps.campaigns.admin.campaigns import CampaignAdmin
    from apps.campaigns.counting import AudienceCount

LONGEST_RULES = 200_000
EARLIER_SHOWN = 50
TOPICS_SHOWN = 200
# A count of a million contacts takes three seconds; nobody waits for more than this.
LONGEST_COUNT_MS = 20_000


def urls(desk: CampaignAdmin) -> list[URLPattern]:
    return [
        desk.page("audience/", AudiencePage, "audience"),
        desk.page("count/", CountAnswer, "count"),
    ]


class RulesUnreadableError(CampaignError, ValueError):
    """What was sent is no JSON. The message says where it ends to be."""


class AudiencePage(CampaignPage):
    step = "audience"
    template_name = "admin/campaigns/audience.html"

    def get(self, _request: HttpRequest) -> HttpResponse:
        return self._show(json.dumps(self.campaign.audience, indent=2, ensure_ascii=False))

    def post(self, request: HttpRequest) -> HttpResponse:
        typed = request.POST.get("rules", "")
        try:
            drafting.change_audience(
                campaign_id=self.campaign.pk, audience=read_rules(typed), actor=self.actor
            )
        except REFUSALS as refusal:
            return self._show(typed, error=str(refusal))
        return self.go_to("check", "Saved.")

    def _show(self, rules: str, *, error: str = "") -> HttpResponse:
        brand_id = self.campaign.brand_id
        topics = Topic.objects.of_brand(brand_id).order_by("name")[:TOPICS_SHOWN]
        earlier = Campaign.objects.launched().filter(brand_id=brand_id).order_by("-pk")
        return self.show(
            rules=rules,
            error=error,
            topics=list(topics),
            earlier=list(earlier.only("pk", "name", "launched_at")[:EARLIER_SHOWN]),
            traits=known_traits(brand_id),
            tests=[(test.value, test.value.replace("_", " ")) for test in TraitTest],
        )


def read_rules(typed: str) -> Any:
    """Raises `RulesUnreadableError`."""
    if len(typed) > LONGEST_RULES:
        raise RulesUnreadableError(f"The rules have more than {LONGEST_RULES:,} characters.")
    try:
        return json.loads(typed)
    except (ValueError, RecursionError) as error:
        raise RulesUnreadableError(f"The rules are no JSON: {error}.") from error


_TRAITS = """
SELECT DISTINCT jsonb_object_keys(traits) FROM (
    SELECT traits FROM contacts_contact WHERE brand_id = %s AND id <= (
        SELECT max(id) FROM contacts_contact WHERE brand_id = %s)
     ORDER BY id DESC LIMIT 200) newest
 ORDER BY 1 LIMIT 200
"""


def known_traits(brand_id: int) -> list[str]:
    """The names of traits that the newest contacts have."""
    with connection.cursor() as cursor:
        cursor.execute(_TRAITS, [brand_id, brand_id])
        return [name for (name,) in cursor.fetchall()]


class CountAnswer(CampaignAnswer):
    """How many the rules mean: those sent (POST), or the campaign's own (GET)."""

    step = "audience"
    change_right = Right.VIEW

    def get(self, _request: HttpRequest) -> HttpResponse:
        return self._answer(self.campaign.audience)

    def post(self, request: HttpRequest) -> HttpResponse:
        return self._answer(read_rules(request.POST.get("rules", "")))

    def _answer(self, rules: object) -> JsonResponse:
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL statement_timeout = {LONGEST_COUNT_MS}")
                found = counting.count_rules(rules, brand_id=self.campaign.brand_id)
        except OperationalError:
            told = "Counting took too long: make a dry run, which counts in the background."
            return JsonResponse({"error": told}, status=503)
        return JsonResponse(told_count(found))


def told_count(found: AudienceCount) -> dict[str, Any]:
    """The numbers, with each reason in words."""
    return {
        "total": found.total,
        "would_get": found.would_get,
        "tolerance": counting.tolerance(found.would_get),
        "skipped": [
            {"reason": reason, "words": dry_run_rows.in_words(reason), "number": number}
            for reason, number in found.skipped.items()
        ],
    }
