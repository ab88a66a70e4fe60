"""What waits for a person: each line says what it is, how many, and leads to where it is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.apps import apps
from django.contrib import admin
from django.db.models import Count
from django.db.models.functions import Now
from django.urls import reverse

from apps.brands import rights
from apps.brands.models import ProviderAccount
from apps.brands.rights import Right
from apps.campaigns.models import Approval, Campaign
from apps.mail.admin.live import actor_in_words, advice
from apps.mail.models import Mailing
from apps.mail.reports.doubtful import number_in_doubt
from apps.queues.models import DeadLetter

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

SHOWN = 10
# A campaign missed longer ago is history.
MISSED_SHOWN_FOR = timedelta(days=14)


@dataclass(frozen=True)
class Waiting:
    """`tone` is bad where mail is held up, else warn."""

    title: str
    text: str
    url: str
    tone: str = "warn"


def waiting_for_a_person(
    user: AbstractBaseUser | AnonymousUser,
    brand_ids: Collection[int],
    unfinished: Sequence[Mailing],
) -> list[Waiting]:
    """What holds up mail first. Five queries, however much there is."""
    return [
        *_stopped_accounts(brand_ids),
        *_paused(unfinished),
        *_missed(brand_ids),
        *_in_doubt(brand_ids),
        *_dead_letters(user),
        *_approvals(brand_ids),
    ]


def _stopped_accounts(brand_ids: Collection[int]) -> Iterator[Waiting]:
    stopped = ProviderAccount.objects.filter(
        stopped_at__isnull=False, senders__brand_id__in=brand_ids
    )
    for account in stopped.distinct().order_by("name")[:SHOWN]:
        yield Waiting(
            f"Provider account “{account.name}” is stopped",
            f"{account.stopped_reason}. Nothing is sent through it until it is started again.",
            _page_of("brands.ProviderAccount", account.pk),
            "bad",
        )


def _paused(unfinished: Sequence[Mailing]) -> Iterator[Waiting]:
    paused = [one for one in unfinished if one.state == Mailing.State.PAUSED]
    for mailing in paused[:SHOWN]:
        told = advice(mailing)
        yield Waiting(
            f"{_kind_of(mailing)} “{mailing.name}” paused",
            told.title if told else mailing.state_reason,
            mailing_url(mailing),
            "bad",
        )


def _kind_of(mailing: Mailing) -> str:
    if mailing.kind == Mailing.Kind.STREAM:
        return "Single mails"
    return "Campaign" if hasattr(mailing, "campaign") else "Mailing"


def mailing_url(mailing: Mailing) -> str:
    """The campaign's page, or that of the mailing where there is none."""
    if hasattr(mailing, "campaign"):
        return reverse("admin:campaigns_campaign_watch", args=[mailing.campaign.pk])
    return reverse("admin:mail_mailing_change", args=[mailing.pk])


def _missed(brand_ids: Collection[int]) -> Iterator[Waiting]:
    missed = Campaign.objects.drafts().filter(
        brand_id__in=brand_ids, missed_at__gt=Now() - MISSED_SHOWN_FOR
    )
    for campaign in missed.order_by("-missed_at")[:SHOWN]:
        yield Waiting(
            f"Campaign “{campaign.name}” was not started",
            campaign.missed_reason,
            _page_of("campaigns.Campaign", campaign.pk),
            "bad",
        )


def _in_doubt(brand_ids: Collection[int]) -> Iterator[Waiting]:
    number = number_in_doubt(brand_ids)
    if number:
        yield Waiting(
            f"{number:,} mail{'s' if number > 1 else ''} in doubt",
            "The provider may have accepted them, or not. Look them up there and say what is so.",
            reverse("admin:mail_mailing_doubts"),
        )


def _dead_letters(user: AbstractBaseUser | AnonymousUser) -> Iterator[Waiting]:
    """Letters name no brand: they are for those who may drive work again."""
    counted = DeadLetter.objects.open().values("queue").annotate(number=Count("pk"))
    rows = {row["queue"]: row["number"] for row in counted.order_by("queue")}
    if rows and rights.brand_ids(user, Right.REDRIVE):
        number = sum(rows.values())
        by_queue = ", ".join(f"{queue}: {count:,}" for queue, count in rows.items())
        yield Waiting(
            f"{number:,} dead letter{'s' if number > 1 else ''}",
            f"Work that gave up ({by_queue}).",
            _list_of("queues.DeadLetter"),
        )


def _approvals(brand_ids: Collection[int]) -> Iterator[Waiting]:
    asked = Approval.objects.filter(
        decision=Approval.Decision.OPEN, campaign__brand_id__in=brand_ids, campaign__mailing=None
    )
    for one in asked.select_related("campaign").order_by("requested_at")[:SHOWN]:
        yield Waiting(
            f"Campaign “{one.campaign.name}” waits for approval",
            f"Asked for by {actor_in_words(one.requested_by)}.",
            _page_of("campaigns.Campaign", one.campaign_id),
        )


def _list_of(label: str) -> str:
    return _url(label, "changelist")


def _page_of(label: str, pk: int) -> str:
    return _url(label, "change", pk)


def _url(label: str, page: str, *args: int) -> str:
    """Empty where the model has no page in admin."""
    if not admin.site.is_registered(apps.get_model(label)):
        return ""
    app, _, name = label.lower().partition(".")
    return reverse(f"admin:{app}_{name}_{page}", args=args)
