"""The recipients of a mailing: a list with filters, one message, an export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse

from apps.brands.rights import Right
from apps.mail.admin.live import look, state_label
from apps.mail.models import BatchAttempt, Mailing, Message
from apps.mail.reports.bounces import causes
from apps.mail.reports.exporting import csv_chunks
from apps.mail.reports.links import clicks_of_message
from apps.mail.reports.recipients import InvalidCursorError, Question, recipients
from apps.mail.reports.wording import reason_in_words, state_in_words
from apps.mail.results import progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase
    from django.urls import URLPattern

    from apps.mail.admin.mailings import MailingAdmin
    from apps.mail.reports.recipients import Recipient

REASON_LIMIT = 60
SEARCH_LIMIT = 200


@dataclass(frozen=True)
class Row:
    """A recipient as the list shows it."""

    recipient: Recipient
    url: str
    state: str
    tone: str
    reason: str
    delivery: str


def urls(desk: MailingAdmin) -> list[URLPattern]:
    def listing(request: HttpRequest, mailing_id: int) -> HttpResponse:
        return _list(desk, request, desk.found(request, mailing_id))

    def export(request: HttpRequest, mailing_id: int) -> HttpResponseBase:
        mailing = desk.found(request, mailing_id)
        desk.require(request, Right.EXPORT, mailing)
        return export_response(mailing, question_of(request))

    def message(request: HttpRequest, mailing_id: int, message_id: int) -> HttpResponse:
        return _message(desk, request, desk.found(request, mailing_id), message_id)

    below = "<int:mailing_id>/recipients/"
    return [
        desk.page(below, listing, "recipients"),
        desk.page(f"{below}export/", export, "export"),
        desk.page(f"{below}<int:message_id>/", message, "message"),
    ]


def question_of(request: HttpRequest) -> Question:
    """What the address asks for; a state that there is not means all."""
    state = request.GET.get("state", "")
    return Question(
        state=state if state in Message.State.values else "",
        reason=request.GET.get("reason", "")[:REASON_LIMIT].replace("\x00", ""),
        search=request.GET.get("q", "").strip()[:SEARCH_LIMIT].replace("\x00", ""),
    )


def export_response(mailing: Mailing, question: Question) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(
        csv_chunks(mailing, question), content_type="text/csv; charset=utf-8"
    )
    answer["Content-Disposition"] = f'attachment; filename="recipients-{mailing.pk}.csv"'
    return answer


def _list(desk: MailingAdmin, request: HttpRequest, mailing: Mailing) -> HttpResponse:
    question = question_of(request)
    own_url = reverse("admin:mail_mailing_recipients", args=[mailing.pk])
    try:
        page = recipients(mailing, question, cursor=request.GET.get("cursor", ""))
    except InvalidCursorError:
        messages.warning(request, "That page is gone; this is the first one.")
        return HttpResponseRedirect(f"{own_url}?{_query(question)}")
    seen = look(progress(mailing)) if mailing.kind == Mailing.Kind.BULK else None
    return desk.show(
        request,
        "recipients.html",
        title=f"Recipients of {mailing.name}",
        mailing=mailing,
        question=question,
        rows=[row(mailing, one) for one in page.recipients],
        filters=_filters(seen, question),
        next_url=f"?{_query(question, cursor=page.next_cursor)}" if page.next_cursor else "",
        first_url=f"?{_query(question)}" if request.GET.get("cursor") else "",
        export_url=reverse("admin:mail_mailing_export", args=[mailing.pk]) + f"?{_query(question)}",
        own_url=own_url,
        may_export=desk.allows(request, Right.EXPORT, mailing),
    )


def _query(question: Question, **more: str) -> str:
    parts = {"state": question.state, "reason": question.reason, "q": question.search, **more}
    return urlencode({name: value for name, value in parts.items() if value})


def _filters(seen: dict[str, Any] | None, question: Question) -> list[dict[str, Any]]:
    """Choices of state and reason, each with its number where that is known."""
    if seen is None:
        return [
            _choice(Question(state, "", question.search), question, state_in_words(state) or "all")
            for state in ("", *Message.State.values)
        ]
    choices = [_choice(Question("", "", question.search), question, "all", f"{seen['total']:,}")]
    for state in seen["rows"]:
        of_state = Question(state["state"], "", question.search)
        choices.append(_choice(of_state, question, state["words"], state["number"]))
        choices += [
            _choice(
                Question(state["state"], one["reason"], question.search),
                question, one["words"], one["number"], is_reason=True,
            )
            for one in state["reasons"]
        ]  # fmt: skip
    return choices


def _choice(
    choice: Question, chosen: Question, words: str, number: str = "", *, is_reason: bool = False
) -> dict[str, Any]:
    return {
        "url": f"?{_query(choice)}",
        "words": words,
        "number": number,
        "is_reason": is_reason,
        "is_chosen": (choice.state, choice.reason) == (chosen.state, chosen.reason),
    }


def row(mailing: Mailing, one: Recipient) -> Row:
    return Row(
        recipient=one,
        url=reverse("admin:mail_mailing_message", args=[mailing.pk, one.message_id]),
        state=state_in_words(one.state),
        tone=state_label(one.state),
        reason=reason_in_words(one.state, one.reason) if one.reason else "",
        delivery=delivery_in_words(one.delivery),
    )


def delivery_in_words(delivery: int) -> str:
    return str(Message.Delivery(delivery).label) if delivery else ""


def _message(
    desk: MailingAdmin, request: HttpRequest, mailing: Mailing, message_id: int
) -> HttpResponse:
    found = Message.objects.of(mailing).select_related("batch").filter(pk=message_id).first()
    if found is None:
        raise Http404(f"There is no message {message_id} in mailing {mailing.pk}.")
    bounce = causes(mailing, [found.pk]).get(found.pk)
    clicks = clicks_of_message(mailing, found.pk)
    return desk.show(
        request,
        "message.html",
        title=found.address,
        mailing=mailing,
        message=found,
        state=state_in_words(found.state),
        tone=state_label(found.state),
        reason=reason_in_words(found.state, found.reason) if found.reason else "",
        times=_times(found, bounce, clicks),
        attempts=BatchAttempt.objects.filter(batch_id=found.batch_id).order_by("pk")[:100]
        if found.batch_id
        else (),
        recipients_url=reverse("admin:mail_mailing_recipients", args=[mailing.pk]),
        contact_url=reverse("admin:contacts_contact_change", args=[found.contact_id])
        if found.contact_id
        else "",
    )


def _times(
    message: Message,
    bounce: tuple[str, str] | None,
    clicks: Sequence[tuple[str, datetime, str]],
) -> list[tuple[datetime, str, str]]:
    """What happened to the message, oldest first: when, what, and in which words."""
    why = ", ".join(part for part in bounce or () if part)
    told: list[tuple[datetime | None, str, str]] = [
        (message.created_at, "put on the list", ""),
        (message.settled_at, state_in_words(message.state),
         reason_in_words(message.state, message.reason) if message.reason else ""),
        (message.delivery_at, delivery_in_words(message.delivery), why),
        (message.opened_at, "opened for the first time", ""),
        (message.machine_opened_at, "opened by a machine for the first time", ""),
        *((at, f"clicked by a machine ({machine})" if machine else "clicked", url)
          for url, at, machine in clicks),
    ]  # fmt: skip
    if message.clicked_at and not clicks:
        told.append((message.clicked_at, "clicked for the first time", ""))
    return sorted((at, what, words) for at, what, words in told if at is not None)
