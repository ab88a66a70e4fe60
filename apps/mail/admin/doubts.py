"""Mails of which nobody knows whether they were sent: looking at them, saying what is so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponseRedirect
from django.urls import reverse

from apps.brands import rights
from apps.brands.acting import user_actor
from apps.brands.rights import Right
from apps.mail import regrouping
from apps.mail.doubts import Resolution, resolve_batch
from apps.mail.errors import MailError
from apps.mail.models import Batch, Message
from apps.mail.reports.doubtful import doubts
from apps.mail.reports.wording import reason_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest, HttpResponse, QueryDict
    from django.urls import URLPattern

    from apps.mail.admin.mailings import MailingAdmin
    from apps.mail.doubts import Resolved
    from apps.mail.models import Mailing

NOTE_LIMIT = 200


class ResolutionForm(forms.Form):
    """What a person found out at the provider about the chosen mails."""

    as_ = forms.ChoiceField(
        label="What the provider says",
        choices=[(Resolution.SENT, "They were sent"), (Resolution.NOT_SENT, "They were not sent")],
        widget=forms.RadioSelect,
    )
    note = forms.CharField(
        label="How you know", max_length=NOTE_LIMIT, help_text="Kept with the batch."
    )
    again = forms.BooleanField(
        label="Send them again at once", required=False, help_text="Only if they were not sent."
    )
    chosen = forms.TypedMultipleChoiceField(coerce=int, widget=forms.CheckboxSelectMultiple)

    def __init__(self, data: QueryDict | None, found: Sequence[Message]) -> None:
        super().__init__(data)
        chosen: Any = self.fields["chosen"]
        chosen.choices = [(one.pk, one.address) for one in found]
        chosen.error_messages["required"] = "Choose at least one mail."

    def clean(self) -> dict[str, object]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("again") and cleaned.get("as_") != Resolution.NOT_SENT:
            self.add_error("again", "Only mails that were not sent may be sent again.")
        return cleaned


def urls(desk: MailingAdmin) -> list[URLPattern]:
    def listing(request: HttpRequest) -> HttpResponse:
        found = doubts(rights.brand_ids(request.user, Right.VIEW))
        return desk.show(request, "doubts.html", title="Mails in doubt", doubts=found)

    def one(request: HttpRequest, mailing_id: int, batch_id: int) -> HttpResponse:
        return _batch_page(desk, request, desk.found(request, mailing_id), batch_id)

    return [
        desk.page("doubts/", listing, "doubts"),
        desk.page("<int:mailing_id>/doubts/<int:batch_id>/", one, "doubt"),
    ]


def _batch_page(
    desk: MailingAdmin, request: HttpRequest, mailing: Mailing, batch_id: int
) -> HttpResponse:
    """The mails in doubt of one mailing in one batch: others in it are nobody's business here."""
    batch = Batch.objects.filter(pk=batch_id, month=mailing.month).first()
    if batch is None:
        raise Http404(f"There is no batch {batch_id}.")
    found = list(
        Message.objects.of(mailing).filter(batch=batch, state=Message.State.UNKNOWN).order_by("pk")
    )
    form = ResolutionForm(request.POST if request.method == "POST" else None, found)
    if request.method == "POST":
        desk.require(request, Right.REDRIVE, mailing)
        if form.is_valid() and _resolve(request, batch, form):
            return HttpResponseRedirect(reverse("admin:mail_mailing_doubts"))
    return desk.show(
        request,
        "doubt.html",
        title=f"Mails in doubt of {mailing.name}",
        mailing=mailing,
        batch=batch,
        rows=[(one, reason_in_words(one.state, one.reason)) for one in found],
        form=form,
        chosen=_chosen(request, found),
        # In a batch of single mails there may be failed ones of other streams.
        may_send_again=batch.mailing_id is not None,
        may_redrive=desk.allows(request, Right.REDRIVE, mailing),
    )


def _chosen(request: HttpRequest, found: Sequence[Message]) -> set[int]:
    if request.method != "POST":
        return {one.pk for one in found}
    return {int(one) for one in request.POST.getlist("chosen") if one.isdecimal()}


def _resolve(request: HttpRequest, batch: Batch, form: ResolutionForm) -> bool:
    by = user_actor(request.user)
    said = form.cleaned_data
    try:
        with transaction.atomic():
            resolved = resolve_batch(
                batch_id=batch.pk,
                as_=Resolution(said["as_"]),
                by=by,
                note=said["note"],
                message_ids=said["chosen"],
            )
            if said["again"] and batch.mailing_id is not None:
                regrouping.retry_batch(batch_id=batch.pk)
    except MailError as error:
        messages.error(request, str(error))
        return False
    messages.success(request, _told(resolved, Resolution(said["as_"]), again=said["again"]))
    return True


def _told(resolved: Resolved, as_: Resolution, *, again: bool) -> str:
    what = "sent" if as_ is Resolution.SENT else "not sent"
    parts = [f"{resolved.number:,} settled as {what}"]
    if resolved.proven:
        parts.append(f"{resolved.proven:,} were sent, as delivery events had proved")
    if again:
        parts.append("the failed ones of the batch are on their way again")
    return f"{'; '.join(parts)}."
