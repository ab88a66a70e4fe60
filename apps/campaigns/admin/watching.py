"""Pages of a launched campaign: how far it is, steering it, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.urls import reverse

from apps.brands.rights import Right
from apps.campaigns import controlling
from apps.campaigns.admin.pages import CampaignPage
from apps.mail.admin.live import actor_in_words, advice, look, span_in_words, state_label
from apps.mail.models import Mailing, Message
from apps.mail.reports.bounces import bounces_by_domain
from apps.mail.reports.links import links_clicked
from apps.mail.reports.wording import may_be_retried, reason_in_words
from apps.mail.results import Progress, differences, effort, progress, results

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from apps.campaigns.admin.campaigns import CampaignAdmin

SHOWN_LINKS = 20
SHOWN_DOMAINS = 20
# What of those sent is told in per cent, in the order of the page.
_REACHED = (
    ("delivered", "delivered"),
    ("opened", "opened"),
    ("clicked", "clicked"),
    ("auto_opened", "opened by a machine (not in the above)"),
    ("auto_clicked", "clicked by a machine (not in the above)"),
    ("bounced", "bounced"),
    ("undelivered", "not delivered for another reason"),
    ("complained", "complained"),
)


def urls(desk: CampaignAdmin) -> list[URLPattern]:
    """Joined to the campaign's other addresses; a launched campaign's page leads to `watch/`."""
    return [
        desk.page("watch/", WatchPage, "watch"),
        desk.page("watch/numbers/", NumbersPage, "numbers"),
        desk.page("watch/<slug:action>/", SteerPage, "steer"),
    ]


class LaunchedPage(CampaignPage):
    """A page of a campaign that has a mailing; 404 for a draft."""

    for_launched = True
    step = "watch"
    change_right = Right.LAUNCH

    def launched(self) -> Mailing:
        mailing = self.campaign.mailing
        if mailing is None:
            raise Http404(f"Campaign {self.campaign.pk} was not launched.")
        return mailing

    def show_launched(self, template: str, **context: Any) -> HttpResponse:
        mailing = self.launched()
        self.template_name = f"admin/campaigns/{template}"
        recipients = reverse("admin:mail_mailing_recipients", args=[mailing.pk])
        return self.show(
            steps=None,
            original=self.campaign,
            mailing=mailing,
            recipients_url=recipients,
            export_url=reverse("admin:mail_mailing_export", args=[mailing.pk]),
            **context,
        )


class WatchPage(LaunchedPage):
    """Live while mails go out, results after it: a constant number of queries."""

    def get(self, _request: HttpRequest, **_: Any) -> HttpResponse:
        mailing = self.launched()
        seen = progress(mailing)
        return self.show_launched(
            "watch.html",
            look=look(seen),
            tone=state_label(mailing.state),
            advice=advice(mailing),
            launched_by=actor_in_words(self.campaign.launched_by),
            reached=_reached(seen),
            links=links_clicked(mailing, limit=SHOWN_LINKS),
            domains=bounces_by_domain(mailing, limit=SHOWN_DOMAINS),
            steps_open=_open_steps(mailing, seen),
        )


def _reached(seen: Progress) -> list[dict[str, str]]:
    return [
        {"words": words, "number": f"{number:,}", "share": _share(number, seen.sent)}
        for kind, words in _REACHED
        for number in [seen.reached(kind)]
    ]


def _share(number: int, of: int) -> str:
    return f"{100 * number / of:.1f} %" if of else "-"


def _open_steps(mailing: Mailing, seen: Progress) -> dict[str, bool]:
    """What can be done to the campaign as it is now."""
    under_way = mailing.state in (Mailing.State.RUNNING, Mailing.State.PAUSED)
    return {
        "pause": mailing.state == Mailing.State.RUNNING,
        "resume": mailing.state == Mailing.State.PAUSED,
        "cancel": under_way,
        "retry": mailing.state != Mailing.State.CANCELLED and seen.failed > 0,
    }


class SteerPage(LaunchedPage):
    """`cancel/` and `retry/` ask first, on a page of their own; `pause/` and `resume/` do not."""

    def get(self, _request: HttpRequest, *, action: str, **_: Any) -> HttpResponse:
        seen = progress(self.launched())
        if action == "cancel":
            return self.show_launched("cancel.html", pending=f"{seen.pending:,}", progress=seen)
        if action == "retry":
            return self.show_launched("retry.html", reasons=_retryable(seen))
        raise Http404(f"There is no page {action}.")

    def post(self, request: HttpRequest, *, action: str, **_: Any) -> HttpResponse:
        steer = _ACTIONS.get(action)
        if steer is None:
            raise Http404(f"There is no step {action}.")
        self.launched()
        return self.go_to("watch", steer(request, self.campaign.pk, self.actor))


def _retryable(seen: Progress) -> list[dict[str, Any]]:
    failed = seen.by_reason(Message.State.FAILED)
    return [
        {
            "reason": reason,
            "words": reason_in_words(Message.State.FAILED, reason),
            "number": f"{number:,}",
            "retry": may_be_retried(reason),
        }
        for reason, number in failed.items()
    ]


def _pause(request: HttpRequest, campaign_id: int, actor: str) -> str:
    reason = request.POST.get("reason", "").strip()
    controlling.pause(campaign_id=campaign_id, by=actor, reason=reason)
    return "The campaign is paused; calls under way end."


def _resume(_request: HttpRequest, campaign_id: int, actor: str) -> str:
    controlling.resume(campaign_id=campaign_id, by=actor)
    return "The campaign goes on."


def _cancel(request: HttpRequest, campaign_id: int, actor: str) -> str:
    reason = request.POST.get("reason", "").strip()
    controlling.cancel(campaign_id=campaign_id, by=actor, reason=reason)
    return "The campaign is cancelled; calls under way end."


def _retry(request: HttpRequest, campaign_id: int, actor: str) -> str:
    reasons = request.POST.getlist("reason")
    if not reasons:
        return "Nobody was chosen; nothing was done."
    number = controlling.retry_failed(campaign_id=campaign_id, by=actor, reasons=reasons)
    return f"{number:,} people are tried again."


_ACTIONS: dict[str, Callable[[HttpRequest, int, str], str]] = {
    "pause": _pause,
    "resume": _resume,
    "cancel": _cancel,
    "retry": _retry,
}


class NumbersPage(LaunchedPage):
    """Every message counted, compared with the counts kept while sending; a second a million."""

    def get(self, _request: HttpRequest, **_: Any) -> HttpResponse:
        mailing = self.launched()
        counted, took = results(mailing), effort(mailing)
        spent = (took.ended_at - took.started_at).total_seconds() if took.ended_at else None
        return self.show_launched(
            "numbers.html",
            states=[
                {
                    "words": state.label,
                    "number": f"{counted.total(state):,}",
                    "reasons": [
                        (reason_in_words(state, reason), f"{number:,}")
                        for reason, number in counted.by_reason(state).items()
                        if reason
                    ],
                }
                for state in Message.State
            ],
            total=f"{counted.total():,}",
            calls=f"{took.calls:,}",
            duration=span_in_words(spent) if spent is not None else "",
            differences=[
                (name, f"{kept:,}", f"{found:,}")
                for name, (kept, found) in differences(progress(mailing), counted).items()
            ],
        )
